"""Finds and loads the C core."""

from __future__ import annotations

import ctypes
import os
import subprocess
import sys
import tempfile
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from ctypes import POINTER, c_char_p, c_int, c_int32, c_int64, c_uint64, c_void_p
from functools import cache
from pathlib import Path
from threading import Lock
from typing import Any

import numpy as np
from numpy.typing import NDArray

from collagecodec.kernels import build
from collagecodec.kernels.cache import cached

VARIABLE = "COLLAGE_KERNELS"
SCALAR, BEST = 0, -1


class KernelsMissingWarning(UserWarning):
    """The C core is not there or cannot be used, so that numpy does its work several times slower."""


class Rans(ctypes.Structure):
    """The state of an entropy decoder: `collage_rans` in rans.c."""

    _fields_ = (("x", c_uint64), ("words", c_void_p), ("left", c_int64))


_PLANES = (c_void_p, c_int, c_int64, c_int64, c_int64, c_int64)
"""Samples, number of planes, strides of planes and rows, rows and columns of 2x2 samples."""
_SIGNATURES: dict[str, tuple[Any, tuple[Any, ...]]] = {
    "version": (c_char_p, ()),
    "use": (c_int, (c_int,)),
    "layer_new": (c_void_p, (c_void_p, c_int, c_int, c_int, c_int, c_void_p, c_void_p, c_int, c_int)),
    "layer_free": (None, (c_void_p,)),
    "layer_apply": (
        None,
        (c_void_p, c_void_p, c_int64, c_int64, c_void_p, c_int64, c_int, c_int, c_void_p, c_int64),
    ),
    "convolve": (c_int, (c_void_p, c_int, *_PLANES, c_int, c_void_p)),
    "correct": (c_int, (c_void_p, c_int, *_PLANES, c_int, c_void_p, c_int)),
    "synthesise": (
        c_int,
        (c_void_p, c_int, c_int, c_int, c_void_p, c_int, c_void_p, c_int, c_int64, c_int, c_void_p, c_int64),
    ),
    "grey": (None, (c_void_p, c_int64, c_void_p)),
    "rgb": (None, (c_void_p, c_void_p, c_void_p, c_int64, c_void_p, c_int)),
    "resample": (
        None,
        (c_void_p, c_int, c_int64, c_int64, c_void_p, c_void_p, c_int64, c_int, c_void_p, c_void_p),
    ),
    "tables_new": (c_void_p, (c_void_p, c_void_p, c_int)),
    "tables_free": (None, (c_void_p,)),
    "rans_start": (None, (POINTER(Rans), c_void_p, c_int64)),
    "rans_decode": (c_int, (POINTER(Rans), c_void_p, c_void_p, c_int64, c_void_p)),
    "rans_finished": (c_int, (POINTER(Rans),)),
}
_lock = Lock()
_off = 0
"""Number of `numpy_only` blocks that are open."""


def core() -> Any | None:
    """Return the core, or None if numpy is to do its work.

    Its functions are those of the C sources without the prefix `collage_`; calls release the interpreter's lock.
    """
    if _off:
        return None
    with _lock:
        return _loaded()


@contextmanager
def numpy_only() -> Iterator[None]:
    """Let numpy do all work while the block runs, in every thread. For tests and measurements."""
    global _off
    _off += 1
    try:
        yield
    finally:
        _off -= 1


class _Core:
    """The functions of a loaded library."""

    def __init__(self, path: Path) -> None:
        """Raise OSError if the library cannot be loaded or is one of other sources."""
        self.path = path
        library = ctypes.CDLL(str(path))
        for name, (result, arguments) in _SIGNATURES.items():
            try:
                function = getattr(library, f"collage_{name}")
            except AttributeError as error:
                raise OSError(f"{path.name} has no function collage_{name}") from error
            function.restype, function.argtypes = result, arguments
            setattr(self, name, function)
            if name == "version" and function() != build.version().encode():
                raise OSError(f"{path.name} is of version {function().decode()}, not {build.version()}")


@cache
def _loaded() -> Any | None:
    setting = os.environ.get(VARIABLE, "")
    if setting == "off":
        return None
    problems = []
    for attempt in (_packaged, _compiled):
        try:
            found: Any = attempt()
        except (OSError, subprocess.SubprocessError) as error:
            problems.append(build.reason(error))
            continue
        if found is not None:
            found.use(SCALAR if setting == "scalar" else BEST)
            return found
    why = "; ".join(problems) or "it is not compiled, and there is no C compiler"
    warnings.warn(
        f"the C core cannot be used ({why}): decoding is several times slower. 'pip install ziglang' or a C "
        f"compiler helps; {VARIABLE}=off keeps this message away",
        KernelsMissingWarning,
        stacklevel=4,
    )
    return None


def _packaged() -> _Core | None:
    """Return the core that came with the package or that `python -m collagecodec.kernels.build` put there."""
    path = build.FOLDER / f"_core{build.suffix()}"
    return _Core(path) if path.exists() else None


def _compiled() -> _Core | None:
    """Return the core from the cache folder, compiled if it is not there; None without a compiler."""
    name = f"core-{build.version()}{build.suffix()}"

    def make(path: Path) -> Path:
        command = build.compiler()
        if command is None:
            raise OSError("there is no C compiler")
        if sys.stderr and sys.stderr.isatty():
            print("compiling the C core, once: this takes some seconds", file=sys.stderr)
        try:
            return build.compile_core(path, command)
        except subprocess.SubprocessError as error:
            raise OSError(f"it could not be compiled: {build.reason(error)}") from error

    kept = cached(name, make)
    if kept is not None:
        return _Core(kept)
    if build.compiler() is None:
        return None
    # A loaded library stays when its file goes; where the system does not let it go, the file stays.
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as private:
        return _Core(make(Path(private) / name))


def address(array: NDArray[Any]) -> c_void_p:
    """Return the address of the first element of an array."""
    return c_void_p(array.ctypes.data)


def contiguous(array: NDArray[Any], dtype: Any) -> NDArray[Any]:
    """Return the array in the order of C and as `dtype`, without a copy if it is so already."""
    return np.ascontiguousarray(array, dtype)


__all__ = ["KernelsMissingWarning", "Rans", "address", "c_int32", "contiguous", "core", "numpy_only"]
