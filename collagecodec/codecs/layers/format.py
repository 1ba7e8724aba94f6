"""The description of layers: the chunk `L` of a file of the codec `layers` (FORMAT.md, 6.6)."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from bitstream import varint
from bitstream.header import Header, pack_header, unpack_header
from collagecodec.errors import FormatError, LimitError

TYPES = (np.dtype(np.uint8), np.dtype(np.uint16), np.dtype(np.int16))
"""The sample types, by number."""
MAX_BANDS = 4096
MAX_TRANSFORM = 64
KNOTS = 17
"""Values of a band at the levels 0, 16, ..., 256 of its layer."""
MATRIX_UNIT = 2**16
_ALPHA, _RESIDUAL = 1, 2
_LIMIT = 2**31 - 1


@dataclass(frozen=True)
class BandMap:
    """How the levels 0 .. 255 of a layer become samples: `low` .. `high` bound them.

    `knots` int32 (17,) are the samples at the levels 0, 16, ..., 256, between which they are linear; None: the
    sample is `low` plus the level.
    """

    low: int
    high: int
    knots: NDArray[np.int32] | None = None


@dataclass(frozen=True, eq=False)
class Transform:
    """Makes levels of the bands `first` .. `first + n - 1` from as many layers.

    `matrix` int32 (n, n) in 2^-16, `offsets` int32 (n,) in 2^-8 level: level_i = offset_i + sum_j matrix_ij
    (layer_j - 128).
    """

    first: int
    matrix: NDArray[np.int32]
    offsets: NDArray[np.int32]


@dataclass(frozen=True, eq=False)
class Description:
    """What the layers of a file hold.

    dtype       the type of samples
    bands       a map for each band
    alpha       whether a layer of alpha follows, whose samples have the same type
    max_error   the largest error of a sample after the residual layer; None without such a layer
    groups      the headers of the layers of 1 or 3 planes each
    order       the band of each plane, in the order of the layers
    transforms  over consecutive planes
    """

    dtype: np.dtype[np.generic]
    bands: tuple[BandMap, ...]
    alpha: bool
    max_error: int | None
    groups: tuple[Header, ...]
    order: tuple[int, ...]
    transforms: tuple[Transform, ...] = ()

    @property
    def channels(self) -> int:
        """Bands, and alpha."""
        return len(self.bands) + self.alpha


def pack(description: Description) -> bytes:
    """Return the contents of the chunk."""
    limits = np.iinfo(description.dtype)  # type: ignore[type-var]
    flags = _ALPHA * description.alpha | _RESIDUAL * (description.max_error is not None)
    parts = [bytes((TYPES.index(description.dtype), flags)), varint.pack(len(description.bands))]
    if description.max_error is not None:
        parts.append(varint.pack(description.max_error))
    parts.append(varint.pack(len(description.groups)))
    for header in description.groups:
        packed = pack_header(header)
        parts += [varint.pack(len(packed)), packed]
    parts += [varint.pack(band) for band in description.order]
    for band in description.bands:
        parts += [varint.pack(band.low - int(limits.min)), varint.pack(band.high - int(limits.min))]
        parts.append(bytes([band.knots is not None]))
        if band.knots is not None:
            parts.append(band.knots.astype("<i4").tobytes())
    parts.append(varint.pack(len(description.transforms)))
    for transform in description.transforms:
        parts += [varint.pack(transform.first), varint.pack(len(transform.offsets))]
        parts += [transform.matrix.astype("<i4").tobytes(), transform.offsets.astype("<i4").tobytes()]
    return b"".join(parts)


class _Cursor:
    """Reads numbers from bytes; FormatError at their end."""

    def __init__(self, data: bytes) -> None:
        self._data, self._at = memoryview(data), 0

    def bytes(self, count: int) -> memoryview:
        if self._at + count > len(self._data):
            raise FormatError("the description of the layers is cut off: the file is damaged")
        self._at += count
        return self._data[self._at - count : self._at]

    def number(self, limit: int = _LIMIT) -> int:
        value, self._at = varint.unpack(self._data, self._at)
        if value > limit:
            raise FormatError(f"the description of the layers holds {value}, above {limit}: the file is damaged")
        return value

    def array(self, *shape: int) -> NDArray[np.int32]:
        count = int(np.prod(shape))
        return np.frombuffer(self.bytes(4 * count), "<i4").astype(np.int32).reshape(shape)

    def finish(self) -> None:
        if self._at != len(self._data):
            raise FormatError("the description of the layers is too long: the file is damaged")


def unpack(data: bytes, header: Header) -> Description:
    """Read the contents of the chunk in a file of `header`; FormatError, LimitError."""
    cursor = _Cursor(data)
    kind, flags = cursor.bytes(2)
    if kind >= len(TYPES) or flags & ~(_ALPHA | _RESIDUAL):
        raise FormatError("the description of the layers needs a newer version: upgrade collagecodec")
    count = cursor.number()
    if not 1 <= count <= MAX_BANDS:
        raise LimitError(f"a file holds 1 to {MAX_BANDS} bands, not {count}")
    max_error = cursor.number(2**16 - 1) if flags & _RESIDUAL else None
    groups = tuple(_group(cursor, header) for _ in range(cursor.number(count)))
    order = tuple(cursor.number(count - 1) for _ in range(count))
    if sum(group.channels for group in groups) != count or sorted(order) != list(range(count)):
        raise FormatError("the layers do not make the bands: the file is damaged")
    bands = tuple(_band(cursor, TYPES[kind]) for _ in range(count))
    transforms = tuple(_transform(cursor, count) for _ in range(cursor.number(count)))
    cursor.finish()
    return Description(TYPES[kind], bands, bool(flags & _ALPHA), max_error, groups, order, transforms)


def _group(cursor: _Cursor, header: Header) -> Header:
    group = unpack_header(cursor.bytes(cursor.number(2**12)))
    same = (group.width, group.height, group.tile_size) == (header.width, header.height, header.tile_size)
    if not same or group.channels not in (1, 3) or group.codec == header.codec:
        raise FormatError("a layer does not fit the picture: the file is damaged")
    return group


def _band(cursor: _Cursor, dtype: np.dtype[np.generic]) -> BandMap:
    limits = np.iinfo(dtype)  # type: ignore[type-var]
    span = int(limits.max) - int(limits.min)
    low, high = cursor.number(span) + int(limits.min), cursor.number(span) + int(limits.min)
    knots = cursor.array(KNOTS) if cursor.bytes(1)[0] else None
    if low > high or (knots is not None and np.abs(knots.astype(np.int64)).max() > 2**20):
        raise FormatError("the range of a band is not valid: the file is damaged")
    return BandMap(low, high, knots)


def _transform(cursor: _Cursor, count: int) -> Transform:
    first, size = cursor.number(count - 1), cursor.number(MAX_TRANSFORM)
    if size < 2 or first + size > count:
        raise FormatError("a transform does not fit the bands: the file is damaged")
    return Transform(first, cursor.array(size, size), cursor.array(size))
