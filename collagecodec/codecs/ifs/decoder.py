"""From an `ifs` file to pixels at the size that was asked for."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import numpy as np

from bitstream.container import Reader
from collagecodec.codecs.ifs.format import BINARY, INVERTED, game_of
from collagecodec.fractals.chaos_game import Frame, Game, draw
from collagecodec.sampling.rendering import Rendering
from collagecodec.sampling.request import Image8, Region, Request

Progress = Callable[[float], None]


def drawn(reader: Reader, request: Request, progress: Progress | None = None) -> Rendering:
    """The rendering of a file, drawn as a whole when it is iterated over; FormatError, LimitError, ValueError."""
    header = reader.header
    game, flags = game_of(reader)
    region, size = request.resolve(header.width, header.height)

    def bands() -> Iterator[Image8]:
        pixels = rendered(game, flags, (header.width, header.height), region, size, progress)
        yield pixels if header.channels == 1 else np.repeat(pixels[..., None], 3, axis=2)

    return Rendering(*size, header.channels, bands())


def rendered(
    game: Game,
    flags: int,
    stored: tuple[int, int],
    region: Region,
    size: tuple[int, int],
    progress: Progress | None = None,
) -> Image8:
    """Pixels, uint8 (H, W), of a region of a picture of `stored` (width, height) at `size` (width, height)."""
    # A reduction draws at the smallest multiple that is no reduction, and takes averages.
    times = max(1, -(-region[2] // size[0]), -(-region[3] // size[1]))
    frame = Frame(*stored, region, (size[0] * times, size[1] * times))
    pixels = finished(draw(game, frame, progress), flags)
    if times == 1:
        return pixels
    cells = pixels.reshape(size[1], times, size[0], times).sum((1, 3), dtype=np.int64)
    return ((2 * cells + times**2) // (2 * times**2)).astype(np.uint8)


def finished(levels: Image8, flags: int) -> Image8:
    """Levels as the file wants them: two levels only if the picture is binary, and the other way round on light
    ground."""
    if flags & BINARY:
        levels = np.where(levels >= 128, 255, 0).astype(np.uint8)
    return 255 - levels if flags & INVERTED else levels
