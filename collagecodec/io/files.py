"""Files by path: reading a `.clg` file, and writing any file so that it is complete or absent.

A file is written under a temporary name in the same folder, and moved into place when it is complete. `-` stands
for standard input and standard output.
"""

from __future__ import annotations

import errno
import os
import shutil
import stat
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import BinaryIO, cast

from bitstream.chunks import check_signature, probe
from collagecodec.errors import CollageError

NO_FSYNC_VARIABLE = "COLLAGE_NO_FSYNC"
"""Environment variable: if it is set, files are not synchronised to the disk."""
STANDARD = "-"
"""The name that stands for standard input or output."""

_SIGNATURE_BYTES = 16


class OriginalError(CollageError, OSError):
    """The file to write may be the original of the one that is read."""


class SameFileError(CollageError, OSError):
    """The file to write is the one that is read."""


class OutputExistsError(CollageError, FileExistsError):
    """The file to write exists already."""

    def __init__(self, path: Path) -> None:
        # Two arguments would make OSError print them as errno and reason.
        super().__init__(f"{path} exists already; use force=True (--force) to replace it")


@contextmanager
def atomic(path: str | os.PathLike[str], *, force: bool = False) -> Iterator[Path]:
    """Yield the path of a temporary file in the folder of `path`; move it to `path` at the end of the block.

    The temporary file is removed if the block is left by any exception, KeyboardInterrupt included. Devices,
    pipes and others that are not regular files are yielded themselves, since they cannot be replaced.
    Symbolic links are followed. A file that is replaced keeps its rights and owner; one with several hard links
    is overwritten in place, so that all of them show the new content. File and folder are synchronised to the
    disk before and after the move, unless $COLLAGE_NO_FSYNC is set.

    Raises OutputExistsError, before the block runs, if `path` exists and `force` is not set, and after it if
    `path` has been created meanwhile.
    """
    final = Path(path).resolve()
    if final.exists() and not final.is_file():
        if final.is_dir():
            raise IsADirectoryError(f"{final} is a folder; give the name of a file")
        yield final
        return
    before = final.stat() if final.exists() else None
    if before and not force:
        raise OutputExistsError(Path(path))
    partial = final.with_name(f".{final.name[:200]}.{os.urandom(4).hex()}.partial")
    # Created before the block runs, so that its rights follow the umask and no existing file is overwritten.
    os.close(os.open(partial, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o666))
    try:
        yield partial
        _keep_rights(partial, before)
        synchronise(partial)
        if before and before.st_nlink > 1:
            _overwrite(partial, final)
        else:
            _move(partial, final, Path(path), force)
        synchronise(final.parent)
    finally:
        with suppress(FileNotFoundError):
            partial.unlink()


def synchronise(path: Path) -> None:
    """Wait until the disk holds a file, or the names in a folder; do nothing if $COLLAGE_NO_FSYNC is set.

    Without it a crash of the machine may leave an empty file under the new name. Batches that can be repeated are
    faster without.
    """
    if os.environ.get(NO_FSYNC_VARIABLE) or (path.is_dir() and os.name == "nt"):
        return
    try:
        descriptor = os.open(path, os.O_RDONLY if os.name != "nt" else os.O_RDWR)
    except PermissionError:
        return  # a file that its owner may write and not read
    try:
        os.fsync(descriptor)
    except OSError as error:
        # Some file systems do not synchronise folders.
        if error.errno not in (errno.EINVAL, errno.ENOTSUP, errno.EBADF):
            raise
    finally:
        os.close(descriptor)


def _keep_rights(partial: Path, before: os.stat_result | None) -> None:
    """Give a file the rights and the owner of the one that it replaces, as far as this user may."""
    if before is None:
        return
    if hasattr(os, "chown") and (before.st_uid, before.st_gid) != (os.geteuid(), os.getegid()):
        with suppress(PermissionError):
            os.chown(partial, before.st_uid, before.st_gid)
    partial.chmod(stat.S_IMODE(before.st_mode))


def _overwrite(partial: Path, final: Path) -> None:
    """Copy a complete file over one with several names, all of which stay."""
    with partial.open("rb") as source, final.open("r+b") as target:
        shutil.copyfileobj(source, target)
        target.truncate()
    synchronise(final)


def is_finished(source: str | os.PathLike[str], target: str | os.PathLike[str]) -> bool:
    """Whether `target` is a file and not older than `source`; it is complete, since no other has its name."""
    if STANDARD in (os.fspath(source), os.fspath(target)) or not Path(target).is_file():
        return False
    return Path(target).stat().st_mtime_ns >= Path(source).stat().st_mtime_ns


def check_original(source: str | os.PathLike[str], target: str | os.PathLike[str]) -> None:
    """Raise OriginalError if decoding `source` to `target` could replace the picture that `source` was made from.

    That is a file beside it with the same name up to the suffix, and older than it.
    """
    check_distinct(source, target)
    if STANDARD in (os.fspath(source), os.fspath(target)) or not Path(target).is_file():
        return
    file, picture = Path(source).resolve(), Path(target).resolve()
    if (file.parent, file.stem) == (picture.parent, picture.stem) and picture.stat().st_mtime_ns < (
        file.stat().st_mtime_ns
    ):
        raise OriginalError(
            f"{target} is older than {source} and may be the picture that it was made from: give another name, "
            "or remove it first"
        )


def check_distinct(source: str | os.PathLike[str], target: str | os.PathLike[str]) -> None:
    """Raise SameFileError if `target` is the file `source`, by whatever names; '-' is no file."""
    if STANDARD in (os.fspath(source), os.fspath(target)):
        return
    with suppress(FileNotFoundError):
        if Path(source).samefile(target) and Path(source).is_file():
            raise SameFileError(f"{target} is the file that is read: give the result another name")


def _move(partial: Path, final: Path, path: Path, force: bool) -> None:
    if not force:
        # A hard link, unlike a rename, refuses to replace a file that was created meanwhile.
        try:
            os.link(partial, final)
        except FileExistsError:
            raise OutputExistsError(path) from None
        except OSError:
            pass  # this file system has no hard links
        else:
            return
    partial.replace(final)


def write_atomic(path: str | os.PathLike[str], fill: Callable[[BinaryIO], None], *, force: bool = False) -> int:
    """Let `fill` write to a stream and put the result at `path`, or on standard output for '-'.

    Returns the number of bytes, 0 if `path` is not a regular file. Raises what `atomic` and `fill` raise.
    """
    if os.fspath(path) == STANDARD:
        stream = _Counter(sys.stdout.buffer)
        fill(cast(BinaryIO, stream))
        sys.stdout.buffer.flush()
        return stream.count
    with atomic(path, force=force) as partial:
        with partial.open("wb") as file:
            fill(file)
        return partial.stat().st_size


def write_bytes_atomic(path: str | os.PathLike[str], data: bytes, *, force: bool = False) -> int:
    """Write `data` to `path`, or to standard output for '-'; returns and raises what `write_atomic` does."""

    def fill(stream: BinaryIO) -> None:
        stream.write(data)

    return write_atomic(path, fill, force=force)


class _Counter:
    """A stream without `seek` that counts the bytes written to it."""

    def __init__(self, stream: BinaryIO) -> None:
        self.stream, self.count = stream, 0

    def write(self, data: bytes) -> int:
        self.count += memoryview(data).nbytes
        return self.stream.write(data)

    def flush(self) -> None:
        self.stream.flush()


def load(path: str | os.PathLike[str]) -> bytes:
    """Return the bytes of a `.clg` file, of standard input for '-'.

    Raises FormatError after the first 16 bytes if they are not the start of such a file, so that a huge file of
    another kind is not read, and OSError if the file cannot be opened.
    """
    if os.fspath(path) == STANDARD:
        return _load(sys.stdin.buffer)
    with Path(path).open("rb") as file:
        return _load(file)


def _load(stream: BinaryIO) -> bytes:
    start = stream.read(_SIGNATURE_BYTES)
    if not probe(start):
        check_signature(memoryview(start))
    return start + stream.read()
