"""Files by path: reading a `.clg` file, and writing any file so that it is complete or absent.

A file is written under a temporary name in the same folder, and moved into place when it is complete. `-` stands
for standard input and standard output.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import BinaryIO, cast

from bitstream.chunks import check_signature, probe
from collagecodec.errors import CollageError

STANDARD = "-"
"""The name that stands for standard input or output."""

_SIGNATURE_BYTES = 16


class OutputExistsError(CollageError, FileExistsError):
    """The file to write exists already."""

    def __init__(self, path: Path) -> None:
        # Two arguments would make OSError print them as errno and reason.
        super().__init__(f"{path} exists already; use force=True (--force) to replace it")


@contextmanager
def atomic(path: str | os.PathLike[str], *, force: bool = False) -> Iterator[Path]:
    """Yield the path of a temporary file in the folder of `path`; move it to `path` at the end of the block.

    The temporary file is removed if the block is left by any exception, KeyboardInterrupt included. The paths of
    devices, pipes and other files that are not regular are yielded themselves, since those cannot be replaced.
    Symbolic links are followed.

    Raises OutputExistsError, before the block runs, if `path` exists and `force` is not set, and after it if
    `path` has been created meanwhile.
    """
    final = Path(path).resolve()
    if final.exists() and not final.is_file():
        if final.is_dir():
            raise IsADirectoryError(f"{final} is a folder; give the name of a file")
        yield final
        return
    if final.exists() and not force:
        raise OutputExistsError(Path(path))
    partial = final.with_name(f".{final.name[:200]}.{os.urandom(4).hex()}.partial")
    # Created before the block runs, so that its rights follow the umask and no existing file is overwritten.
    os.close(os.open(partial, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o666))
    try:
        yield partial
        _move(partial, final, Path(path), force)
    finally:
        with suppress(FileNotFoundError):
            partial.unlink()


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
