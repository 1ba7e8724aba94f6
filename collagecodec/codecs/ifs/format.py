"""The layout of an `ifs` file: its header parameters, which say how the maps are drawn, and its maps."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

import numpy as np

from bitstream.container import Header, Reader, write
from collagecodec.codecs.ifs import code
from collagecodec.errors import FormatError
from collagecodec.fractals.chaos_game import KERNELS, Game

NUMBER = 6
"""Codec number of `ifs`."""
BINARY, INVERTED, FINE = 1, 2, 4
"""Flags: the picture has two levels; the shape is dark on light; enlargements show the bare attractor."""
_PARAMS = 8


def packed(
    game: Game, flags: int, width: int, height: int, channels: int, metadata: Mapping[str, bytes] | None = None
) -> bytes:
    """Return the complete file."""
    flags |= FINE * game.fine
    params = bytes((flags, len(game.maps), game.bits, game.kernel)) + game.gain.to_bytes(2, "little")
    header = Header(
        codec=NUMBER, width=width, height=height, channels=channels,
        params=params + bytes((game.density, game.seed)),
    )  # fmt: skip
    return write(header, [code.pack(game.maps)], metadata)


def game_of(reader: Reader) -> tuple[Game, int]:
    """Read the chaos game of a file and its flags; FormatError, LimitError."""
    game, flags = settings_of(reader.header)
    return replace(game, maps=code.unpack(bytes(reader.tile(0)), reader.header.params[1], game.bits)), flags


def settings_of(header: Header) -> tuple[Game, int]:
    """Read the chaos game of a file without its maps, which the header does not hold; FormatError."""
    if len(header.params) != _PARAMS or header.tile_count != 1:
        raise FormatError("the header does not belong to a picture of the codec 'ifs': it is damaged")
    flags, count, bits, kernel, low, high, density, seed = header.params
    in_range = flags < 2 * FINE and count and kernel < len(KERNELS) and density
    if not in_range or not code.MIN_BITS <= bits <= code.MAX_BITS:
        raise FormatError("a parameter of the codec 'ifs' is out of range: the header is damaged")
    none = np.zeros((0, 6), np.int64)
    return Game(none, bits, kernel, low + 256 * high, density, seed, bool(flags & FINE)), flags
