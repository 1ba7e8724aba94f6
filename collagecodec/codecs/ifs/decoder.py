"""Renders `ifs` files as pixels at the requested size."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import numpy as np

from bitstream.container import Header, Reader
from collagecodec.codecs.ifs.format import BINARY, INVERTED, game_of, settings_of
from collagecodec.fractals.chaos_game import BAND, SETTLING, WALKERS, Frame, Game, draw, steps_of
from collagecodec.sampling.rendering import Rendering
from collagecodec.sampling.request import Image8, Region, Request

Progress = Callable[[float], None]


def drawn(reader: Reader, request: Request, progress: Progress | None = None) -> Rendering:
    """Return the rendering of a file, which is drawn in a single band when the caller iterates over it.

    `progress` is called with the share done, 0..1. Raises FormatError, LimitError and ValueError.
    """
    header = reader.header
    game, flags = game_of(reader)
    region, size = request.resolve(header.width, header.height)

    def bands() -> Iterator[Image8]:
        pixels = rendered(game, flags, (header.width, header.height), region, size, progress)
        yield pixels if header.channels == 1 else np.repeat(pixels[..., None], 3, axis=2)

    return Rendering(*size, header.channels, bands())


def points(header: Header, request: Request) -> int:
    """Return the number of points that a rendering takes; FormatError, LimitError."""
    frame = _frame((header.width, header.height), *request.resolve(header.width, header.height))
    return WALKERS * (SETTLING + steps_of(settings_of(header)[0], frame))


def working_bytes(header: Header, request: Request) -> int:
    """Return an upper bound of the memory of a rendering, beside its pixels; FormatError, LimitError."""
    region, size = request.resolve(header.width, header.height)
    frame = _frame((header.width, header.height), region, size)
    rim = frame.rim(settings_of(header)[0])
    across, down = (side + 2 * rim for side in frame.size)
    pixels = frame.size[0] * frame.size[1]
    band = across * (min(BAND, frame.size[1]) + 2 * rim)
    return 4 * across * down + 40 * band + 12 * pixels + 4 * size[0] * size[1] + 2**24


def rendered(
    game: Game,
    flags: int,
    stored: tuple[int, int],
    region: Region,
    size: tuple[int, int],
    progress: Progress | None = None,
) -> Image8:
    """Draw a region of a picture of `stored` (width, height) at `size` (width, height): uint8 (H, W)."""
    frame = _frame(stored, region, size)
    factor = frame.size[0] // size[0]
    pixels = finished(draw(game, frame, progress), flags)
    if factor == 1:
        return pixels
    sums = pixels.reshape(size[1], factor, size[0], factor).sum((1, 3), dtype=np.int64)
    return ((2 * sums + factor**2) // (2 * factor**2)).astype(np.uint8)


def _frame(stored: tuple[int, int], region: Region, size: tuple[int, int]) -> Frame:
    """Return what is drawn: for a reduction the smallest multiple of the size that covers the region."""
    factor = max(1, -(-region[2] // size[0]), -(-region[3] // size[1]))
    return Frame(*stored, region, (size[0] * factor, size[1] * factor))


def finished(levels: Image8, flags: int) -> Image8:
    """Apply the flags to levels: a binary picture keeps two levels, a light background inverts them."""
    if flags & BINARY:
        levels = np.where(levels >= 128, 255, 0).astype(np.uint8)
    return 255 - levels if flags & INVERTED else levels
