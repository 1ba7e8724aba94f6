"""The header of a `.clg` file: size and kind of the picture, codec, tiling, model fingerprint."""

from __future__ import annotations

from dataclasses import dataclass
from types import MappingProxyType

from bitstream import varint
from bitstream.errors import FormatError, LimitError, UnsupportedImageError

MAX_SIDE = 2**24
MAX_PIXELS = 2**36
MAX_TILES = 2**24
MAX_PARAMS = 255
FINGERPRINT_BYTES = 8
NO_FINGERPRINT = bytes(FINGERPRINT_BYTES)

PRIVATE_NUMBERS = range(240, 256)
"""Codec numbers for private use: their parameters begin with the name of the codec."""

_BIT_DEPTHS = MappingProxyType({0: 8, 1: 16})
_DEPTH_CODES = MappingProxyType({depth: code for code, depth in _BIT_DEPTHS.items()})
_TILED = 0x80


@dataclass(frozen=True)
class Header:
    """What stands in the 'H' chunk.

    codec        codec number, 0 .. 255; 240 .. 255 are for private use
    width        pixels, 1 .. 2^24; width * height at most 2^36
    height       pixels, 1 .. 2^24
    channels     1 L, 2 LA, 3 RGB, 4 RGBA; 0: the description of the layers says how many
    bit_depth    bits a sample: 8, or 16 with a description of layers
    tile_size    side of the square tiles in pixels, 1 .. 2^24; 0: one tile, whatever the size
    fingerprint  8 bytes that name the model; zeros: none is needed
    params       0 .. 255 bytes that belong to the codec

    Raises UnsupportedImageError for pictures that cannot be stored, LimitError for sizes beyond the limits,
    ValueError for the rest.
    """

    codec: int
    width: int
    height: int
    channels: int = 3
    bit_depth: int = 8
    tile_size: int = 0
    fingerprint: bytes = NO_FINGERPRINT
    params: bytes = b""

    def __post_init__(self) -> None:
        _check_size(self.width, self.height)
        if not 0 <= self.channels <= 4:
            raise UnsupportedImageError(
                f"{self.channels} channels cannot be stored; convert to L, LA, RGB or RGBA"
            )
        if self.bit_depth not in _DEPTH_CODES or (self.bit_depth > 8 and self.channels):
            raise UnsupportedImageError(f"{self.bit_depth} bits a sample cannot be stored; convert to 8 bits")
        if not 0 <= self.codec <= 255:
            raise ValueError(f"the codec number is 0 .. 255, not {self.codec}")
        if not 0 <= self.tile_size <= MAX_SIDE:
            raise ValueError(f"the tile size is 0 .. {MAX_SIDE} pixels, not {self.tile_size}")
        if len(self.fingerprint) != FINGERPRINT_BYTES:
            raise ValueError(f"the fingerprint has {FINGERPRINT_BYTES} bytes, not {len(self.fingerprint)}")
        if len(self.params) > MAX_PARAMS:
            raise ValueError(f"there is room for {MAX_PARAMS} parameter bytes, not {len(self.params)}")
        if self.tile_count > MAX_TILES:
            raise LimitError(
                f"{self.width}x{self.height} in tiles of {self.tile_size} makes {self.tile_count} tiles, "
                f"more than {MAX_TILES}; use larger tiles"
            )

    @property
    def tiles_across(self) -> int:
        """Number of tile columns, at least 1."""
        return -(-self.width // self.tile_size) if self.tile_size else 1

    @property
    def tiles_down(self) -> int:
        """Number of tile rows, at least 1."""
        return -(-self.height // self.tile_size) if self.tile_size else 1

    @property
    def tile_count(self) -> int:
        """Number of tiles, at least 1."""
        return self.tiles_across * self.tiles_down

    def tile_rows(self, y: int, height: int) -> range:
        """Return the rows of tiles that the pixel rows y .. y + height - 1 touch."""
        return range(y // self.tile_size, (y + height - 1) // self.tile_size + 1) if self.tile_size else range(1)

    def tile_columns(self, x: int, width: int) -> range:
        """Return the columns of tiles that the pixel columns x .. x + width - 1 touch."""
        return range(x // self.tile_size, (x + width - 1) // self.tile_size + 1) if self.tile_size else range(1)

    def tile_box(self, tile: int) -> tuple[int, int, int, int]:
        """Return (x, y, width, height) in pixels of tile number `tile`, counted row by row; IndexError."""
        if not 0 <= tile < self.tile_count:
            raise IndexError(f"there are {self.tile_count} tiles, counted from 0; asked for {tile}")
        if not self.tile_size:
            return 0, 0, self.width, self.height
        row, column = divmod(tile, self.tiles_across)
        x, y = column * self.tile_size, row * self.tile_size
        return x, y, min(self.tile_size, self.width - x), min(self.tile_size, self.height - y)


def _check_size(width: int, height: int) -> None:
    if width < 1 or height < 1:
        raise UnsupportedImageError(f"a picture of {width}x{height} pixels is empty and cannot be stored")
    if width > MAX_SIDE or height > MAX_SIDE:
        raise LimitError(f"{width}x{height} pixels: no side may be longer than {MAX_SIDE}; cut the picture")
    if width * height > MAX_PIXELS:
        raise LimitError(
            f"{width}x{height} pixels are more than the {MAX_PIXELS} that a file may hold; cut the picture"
        )


def private_name(header: Header) -> str | None:
    """The name of the codec of a private number, which its parameters begin with; None for other numbers.

    Raises FormatError if the parameters are too short or the name is not ASCII.
    """
    if header.codec not in PRIVATE_NUMBERS:
        return None
    params = header.params
    name = params[1 : 1 + params[0]] if params else b""
    if not name or len(name) != params[0] or not name.isascii():
        raise FormatError(f"the private codec {header.codec} gives no name: the file is damaged")
    return name.decode("ascii")


def pack_header(header: Header) -> bytes:
    """Return the payload of the 'H' chunk."""
    mode = header.channels | _DEPTH_CODES[header.bit_depth] << 4 | (_TILED if header.tile_size else 0)
    parts = [bytes((header.codec, mode)), varint.pack(header.width), varint.pack(header.height)]
    if header.tile_size:
        parts.append(varint.pack(header.tile_size))
    return b"".join([*parts, header.fingerprint, header.params])


def unpack_header(payload: memoryview) -> Header:
    """Read the payload of the 'H' chunk; FormatError, LimitError or UnsupportedImageError."""
    if len(payload) < 2:
        raise FormatError("the header is too short: the file is damaged")
    codec, mode = payload[0], payload[1]
    channels, depth_code = mode & 0x0F, mode >> 4 & 0x07
    if depth_code not in _BIT_DEPTHS or not 0 <= channels <= 4 or (depth_code and channels):
        raise UnsupportedImageError(
            f"the file holds a kind of picture that this version cannot read (mode byte 0x{mode:02x}): "
            "upgrade collagecodec"
        )
    width, offset = varint.unpack(payload, 2)
    height, offset = varint.unpack(payload, offset)
    tile_size = 0
    if mode & _TILED:
        tile_size, offset = varint.unpack(payload, offset)
    rest = bytes(payload[offset:])
    if 0 in (width, height) or (mode & _TILED and not 1 <= tile_size <= MAX_SIDE):
        raise FormatError(
            f"the header asks for {width}x{height} pixels in tiles of {tile_size}: the file is damaged"
        )
    if not 0 <= len(rest) - FINGERPRINT_BYTES <= MAX_PARAMS:
        raise FormatError(f"the header has {len(payload)} bytes, which no header has: the file is damaged")
    return Header(
        codec=codec,
        width=width,
        height=height,
        channels=channels,
        bit_depth=_BIT_DEPTHS[depth_code],
        tile_size=tile_size,
        fingerprint=rest[:FINGERPRINT_BYTES],
        params=rest[FINGERPRINT_BYTES:],
    )
