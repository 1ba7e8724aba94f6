"""Learning of IFS by gradient, with PyTorch (the extra `train`), by `fitting.fit`."""

try:
    import torch as _torch  # noqa: F401
except ImportError as error:
    from collagecodec.errors import MissingLibraryError

    raise MissingLibraryError(
        "fitting an IFS needs PyTorch: pip install 'collagecodec[train]' (rendering one does not)"
    ) from error
