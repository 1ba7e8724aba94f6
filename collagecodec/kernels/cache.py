"""Compiled libraries in the user's cache folder, where nobody but the user can put one.

Whoever can write to the folder or the file could make us run their code, so both must belong to the user and must
not be writable for anybody else. Where the cache folder is not like that, nothing is kept in it.
"""

from __future__ import annotations

import os
import stat
import tempfile
import warnings
from collections.abc import Callable
from pathlib import Path


class UntrustedCacheWarning(UserWarning):
    """The cache folder can be written by others, so that nothing is loaded from it or kept in it."""


def cached(name: str, make: Callable[[Path], Path]) -> Path | None:
    """Return the library `name` in the cache folder, made if it is missing; None if the folder cannot be trusted.

    `make` compiles into the path that it is given. A file that others can write, or that belongs to someone else,
    is replaced.
    """
    try:
        # RuntimeError: there is no home folder.
        folder = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "collagecodec"
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        if not _only_ours(folder.stat()):
            warnings.warn(
                f"{folder} belongs to someone else or can be written by others: {name} is compiled for this "
                "process alone; 'chmod go-w' on a folder of yours makes it fit to keep the library",
                UntrustedCacheWarning,
                stacklevel=2,
            )
            return None
        library = folder / name
        if not library.is_symlink() and library.is_file() and _only_ours(library.stat()):
            return library
        with tempfile.TemporaryDirectory(dir=folder) as private:
            make(Path(private) / library.name).replace(library)
    except (OSError, RuntimeError):
        return None
    return library


def _only_ours(status: os.stat_result) -> bool:
    """Whether a file or folder belongs to the user of this process, and nobody else can write to it."""
    if not hasattr(os, "getuid"):
        return False  # these rights mean nothing on this system
    return status.st_uid == os.getuid() and not status.st_mode & (stat.S_IWGRP | stat.S_IWOTH)
