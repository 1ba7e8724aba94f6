"""Files of plain samples: PGM, PPM, PAM (binary, 8 bits) and NumPy arrays.

Rows are read on demand. If the file were mapped instead, its pages would count as memory of the process.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import BinaryIO

import numpy as np
from numpy.typing import NDArray

from collagecodec.errors import UnsupportedImageError
from collagecodec.io.limits import check_size
from collagecodec.io.picture import check_alpha

_MAX_HEADER = 4096
_NETPBM = {b"P5": 1, b"P6": 3, b"P7": 0}


class RawSource:
    """A file that holds uint8 samples, row by row, from byte `offset` on; `shape` is (height, width, channels).

    `alpha` True says that the last of 2 or 4 channels is alpha; by default they are refused if they do not
    look like it (`collagecodec.io.picture.check_alpha`). Raises UnsupportedImageError, also if the file is too
    short, and LimitError.
    """

    def __init__(
        self, path: Path, offset: int, shape: tuple[int, int, int], *, alpha: bool | None = None
    ) -> None:
        self.height, self.width, self.channels = shape
        if min(shape) < 1:
            raise UnsupportedImageError(f"a picture of {self.width}x{self.height} pixels is empty")
        check_size(self.width, self.height)
        self.metadata: Mapping[str, bytes] = {}
        self._path, self._offset = path, offset
        self._row = self.width * self.channels
        if path.stat().st_size < offset + self._row * self.height:
            raise UnsupportedImageError(
                f"the file ends before its {self.height} rows of {self._row} bytes: it is cut off; copy it again"
            )
        if self.channels in (2, 4) and not alpha:
            check_alpha(np.memmap(path, np.uint8, "r", offset, shape), alpha)

    def rows(self, start: int, stop: int) -> NDArray[np.uint8]:
        """See `collagecodec.io.sources.Source.rows`."""
        with self._path.open("rb") as file:
            file.seek(self._offset + start * self._row)
            rows = np.fromfile(file, np.uint8, (stop - start) * self._row)
        return rows.reshape(stop - start, self.width, self.channels)


def open_raw(path: Path, alpha: bool | None = None) -> RawSource | None:
    """Return a source for a binary PGM, PPM, PAM or `.npy` file; None for any other kind of file.

    `alpha` is for files that do not say what their channels mean, and overrules those that do; see `RawSource`.
    Raises UnsupportedImageError for a file that holds no picture of 8 bits a sample, LimitError, OSError.
    """
    with path.open("rb") as file:
        magic = file.read(6)
        file.seek(0)
        if magic == b"\x93NUMPY":
            return _open_npy(path, file, alpha)
        if magic[:2] in _NETPBM and magic[2:3].isspace():
            header = file.read(_MAX_HEADER)
            fields = _pam_fields(header) if magic[:2] == b"P7" else _pnm_fields(header)
            offset, width, height, channels, largest = fields
            if magic[:2] == b"P7" and alpha is None:
                alpha = _pam_alpha(header, channels)
            if largest != 255:
                raise UnsupportedImageError(
                    f"samples of 0 .. {largest} cannot be stored as they are: scale them to 8 bits with "
                    "to_8bit=True (--to-8bit)"
                )
            if not 1 <= channels <= 4:
                raise UnsupportedImageError(f"{channels} channels cannot be stored; keep at most 4 of them")
            return RawSource(path, offset, (height, width, channels), alpha=alpha)
    return None


def _pnm_fields(header: bytes) -> tuple[int, int, int, int, int]:
    """Return the offset of the samples, width, height, channels and the largest sample of P5 and P6."""
    values: list[int] = []
    position = 2
    while len(values) < 3:
        while header[position : position + 1].isspace() or header[position : position + 1] == b"#":
            comment = header[position : position + 1] == b"#"
            end = header.find(b"\n", position) if comment else position
            position = (end if end >= 0 else len(header)) + 1
        start = position
        while header[position : position + 1].isdigit():
            position += 1
        if start == position:
            raise UnsupportedImageError("the header of the PPM or PGM file is damaged; write it again")
        values.append(int(header[start:position]))
    return position + 1, values[0], values[1], _NETPBM[header[:2]], values[2]


def _pam_lines(header: bytes) -> tuple[dict[bytes, bytes], int]:
    """Return the fields of a PAM header and the offset of the samples; 0 if the header is not complete."""
    head, mark, _ = header.partition(b"ENDHDR\n")
    lines = (line.split(maxsplit=1) for line in head.splitlines() if line[:1] != b"#")
    return {line[0]: line[1].strip() for line in lines if len(line) > 1}, len(head) + len(mark) if mark else 0


def _pam_alpha(header: bytes, channels: int) -> bool | None:
    """Return True if a PAM header marks the last channel as alpha, None if it says nothing.

    Raises UnsupportedImageError if the header gives 2 or 4 channels another meaning.
    """
    meaning = _pam_lines(header)[0].get(b"TUPLTYPE")
    expected = {2: b"GRAYSCALE_ALPHA", 4: b"RGB_ALPHA"}.get(channels)
    if meaning is None or expected is None:
        return None
    if meaning != expected:
        raise UnsupportedImageError(
            f"the PAM file has {channels} channels and TUPLTYPE {meaning.decode('ascii', 'replace')}: drop "
            f"channels until it is GRAYSCALE or RGB, or write TUPLTYPE {expected.decode()} if the last is alpha"
        )
    return True


def _pam_fields(header: bytes) -> tuple[int, int, int, int, int]:
    """Return the same as `_pnm_fields`, for P7."""
    fields, offset = _pam_lines(header)
    try:
        width, height, depth, largest = (int(fields[name]) for name in (b"WIDTH", b"HEIGHT", b"DEPTH", b"MAXVAL"))
    except (KeyError, ValueError):
        offset = 0
    if not offset:
        raise UnsupportedImageError("the header of the PAM file is damaged; write it again")
    return offset, width, height, depth, largest


def _open_npy(path: Path, file: BinaryIO, alpha: bool | None) -> RawSource:
    try:
        version = np.lib.format.read_magic(file)
        read = np.lib.format.read_array_header_1_0 if version == (1, 0) else np.lib.format.read_array_header_2_0
        shape, transposed, dtype = read(file)
    except ValueError as error:
        raise UnsupportedImageError(f"the NumPy file is damaged ({error}); write it again") from error
    if dtype != np.uint8 or transposed:
        raise UnsupportedImageError(
            f"an array of {dtype}{' in Fortran order' if transposed else ''} cannot be stored as it is: scale it "
            "to 8 bits with to_8bit=True (--to-8bit)"
        )
    if len(shape) not in (2, 3) or (len(shape) == 3 and not 1 <= shape[2] <= 4):
        raise UnsupportedImageError(
            f"an array of shape {shape} is not a picture; save (height, width) or "
            "(height, width, 1 to 4 channels)"
        )
    height, width, channels = (*shape, 1)[:3]
    return RawSource(path, file.tell(), (height, width, channels), alpha=alpha)
