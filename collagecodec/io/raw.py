"""Files whose samples lie there as they are: PGM, PPM, PAM (binary, 8 bits) and NumPy arrays.

Rows are read when they are asked for. Mapping the file instead would let it count as memory of the process.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import BinaryIO

import numpy as np
from numpy.typing import NDArray

from collagecodec.errors import UnsupportedImageError
from collagecodec.io.limits import check_size

_MAX_HEADER = 4096
_NETPBM = {b"P5": 1, b"P6": 3, b"P7": 0}


class RawSource:
    """A file that holds uint8 samples, row by row, from byte `offset` on; `shape` is (height, width,
    channels).

    Raises UnsupportedImageError if the file is too short, LimitError.
    """

    def __init__(self, path: Path, offset: int, shape: tuple[int, int, int]) -> None:
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

    def rows(self, start: int, stop: int) -> NDArray[np.uint8]:
        """See `collagecodec.io.sources.Source.rows`."""
        with self._path.open("rb") as file:
            file.seek(self._offset + start * self._row)
            rows = np.fromfile(file, np.uint8, (stop - start) * self._row)
        return rows.reshape(stop - start, self.width, self.channels)


def open_raw(path: Path) -> RawSource | None:
    """Return a source for a binary PGM, PPM, PAM or `.npy` file; None for any other kind of file.

    Raises UnsupportedImageError for one that holds no picture of 8 bits a sample, LimitError, OSError.
    """
    with path.open("rb") as file:
        magic = file.read(6)
        file.seek(0)
        if magic == b"\x93NUMPY":
            return _open_npy(path, file)
        if magic[:2] in _NETPBM and magic[2:3].isspace():
            header = file.read(_MAX_HEADER)
            fields = _pam_fields(header) if magic[:2] == b"P7" else _pnm_fields(header)
            offset, width, height, channels, largest = fields
            if largest != 255:
                raise UnsupportedImageError(
                    f"samples of 0 .. {largest} cannot be stored yet; scale them to 0 .. 255"
                )
            if not 1 <= channels <= 4:
                raise UnsupportedImageError(f"{channels} channels cannot be stored; keep 1 to 4 of them")
            return RawSource(path, offset, (height, width, channels))
    return None


def _pnm_fields(header: bytes) -> tuple[int, int, int, int, int]:
    """Return where the samples begin, width, height, channels and the largest sample of P5 and P6."""
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


def _pam_fields(header: bytes) -> tuple[int, int, int, int, int]:
    head, mark, _ = header.partition(b"ENDHDR\n")
    fields = dict(
        line.split(maxsplit=1) for line in head.splitlines() if len(line.split()) > 1 and line[:1] != b"#"
    )
    try:
        width, height, depth, largest = (int(fields[name]) for name in (b"WIDTH", b"HEIGHT", b"DEPTH", b"MAXVAL"))
    except (KeyError, ValueError):
        mark = b""
    if not mark:
        raise UnsupportedImageError("the header of the PAM file is damaged; write it again")
    return len(head) + len(mark), width, height, depth, largest


def _open_npy(path: Path, file: BinaryIO) -> RawSource:
    try:
        version = np.lib.format.read_magic(file)
        read = np.lib.format.read_array_header_1_0 if version == (1, 0) else np.lib.format.read_array_header_2_0
        shape, transposed, dtype = read(file)
    except ValueError as error:
        raise UnsupportedImageError(f"the NumPy file is damaged ({error}); write it again") from error
    if dtype != np.uint8 or transposed:
        raise UnsupportedImageError(
            f"an array of {dtype}{' in Fortran order' if transposed else ''} cannot be stored; save it with "
            "numpy.save(..., numpy.ascontiguousarray(a, numpy.uint8)) after scaling it to 0 .. 255"
        )
    if len(shape) not in (2, 3) or (len(shape) == 3 and not 1 <= shape[2] <= 4):
        raise UnsupportedImageError(
            f"an array of shape {shape} is no picture; save (height, width) or (height, width, 1 to 4 channels)"
        )
    height, width, channels = (*shape, 1)[:3]
    return RawSource(path, file.tell(), (height, width, channels))
