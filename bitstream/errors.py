"""The exceptions of the project, all derived from `CollageError`.

    CollageError
    ├── FormatError            the bytes are not a readable .clg file: magic, version, checksum, truncation
    │   └── DamagedTileError   one tile is unreadable, the others are not
    ├── ModelMismatchError     the file names a model that is not installed, or of another fingerprint
    ├── LimitError             the file asks for more than the stated limits allow
    ├── MissingLibraryError    an optional library is not installed; the message says which
    ├── RoundingModeError      floating point does not round to nearest in this thread
    └── UnsupportedImageError  the picture is of a kind that cannot be stored yet

Every message names what is wrong and what to do about it.
"""


class CollageError(Exception):
    """Base of every error that this project raises on purpose."""


class FormatError(CollageError):
    """The bytes are not a readable `.clg` file: wrong magic, newer version, failed checksum, truncation."""


class DamagedTileError(FormatError):
    """One tile cannot be decoded; `tile` is its index in raster order. The other tiles are unaffected."""

    def __init__(self, tile: int, reason: str) -> None:
        super().__init__(
            f"tile {tile} is damaged ({reason}); decode with tolerate_damage=True "
            "(--tolerate-damage) to keep the other tiles"
        )
        self.tile = tile


class ModelMismatchError(CollageError):
    """The file was written with a model that is not installed here."""


class LimitError(CollageError):
    """A size in the file or the request is beyond the stated limits."""


class UnsupportedImageError(CollageError):
    """The picture (mode, bit depth, size) cannot be stored; the message says what to convert it to."""


class RoundingModeError(CollageError):
    """Floating point does not round to the nearest number in this thread, so that results could differ."""


class MissingLibraryError(CollageError):
    """The operation needs an optional library that is not installed."""
