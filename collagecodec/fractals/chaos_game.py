"""The chaos game in integers: the same pictures of an iterated function system on every machine.

Points start at the middle of the picture and are moved by maps that a fixed generator of random numbers selects.
The brightness of a pixel is the number of points that hit it, spread by a small kernel. Specified in `FORMAT.md`,
section 6.6.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from collagecodec.errors import LimitError

Integers = NDArray[np.int64]
Pixels = NDArray[np.uint8]

WALKERS = 2048
"""Points that are moved at the same time, independently of each other."""
SETTLING = 32
"""Steps before a point counts."""
PLACE_BITS = 24
"""Places are in 2^-24 of the width and height of the picture, from its middle."""
MAX_PLACE = 2**26
"""Places are clipped to two pictures either way, since maps that do not contract may leave any bound."""
MAX_SIDE = 2**14
MAX_OUTPUT_SIDE = 2**16
MAX_PIXELS = 2**26
MAX_POINTS = 2**29

KERNELS = (
    (256,),
    (256, 5),
    (256, 35),
    (256, 67, 1),
    (256, 94, 5),
    (256, 131, 18, 1),
    (256, 155, 35, 3),
    (256, 183, 67, 13, 1),
)
"""The kernels, from the middle outwards, in 1/256: exp(-j^2 / tau) for tau = 0, 1/4, 1/2, 3/4, 1, 3/2, 2, 3."""

BAND = 256


@dataclass(frozen=True, eq=False)
class Game:
    """The parameters of a game. `maps`: int64 (N, 6), rows a, b, c, d, s, t: (x, y) is moved to
    (a x + b y) / 2^bits + s / 2^(bits + 1), (c x + d y) / 2^bits + t / 2^(bits + 1), in units of the picture.

    `kernel`: index into `KERNELS`; `gain`: brightness in 1/16 level for a point a pixel; `density`: points for
    16 pixels of the stored size; `seed` 0..255. When a picture is enlarged, its kernel is enlarged with it,
    unless it is `fine`: then the kernel keeps its width in pixels, which shows finer detail of the attractor.
    """

    maps: Integers
    bits: int
    kernel: int
    gain: int
    density: int
    seed: int
    fine: bool = False

    def thresholds(self) -> NDArray[np.uint64]:
        """Return the running sums of the maps' shares in 2^32, uint64 (N,); shares are |determinant| + 1."""
        shares = [abs(int(a) * int(d) - int(b) * int(c)) + 1 for a, b, c, d, _, _ in self.maps]
        total, ends, before = sum(shares), [], 0
        for share in shares:
            before += share
            ends.append((before << 32) // total)
        return np.array(ends, np.uint64)


@dataclass(frozen=True)
class Frame:
    """The part of a picture that is drawn: `region` (x, y, w, h) of `width` x `height`, at `size` (w, h) pixels.

    Raises LimitError for sizes beyond the limits.
    """

    width: int
    height: int
    region: tuple[int, int, int, int]
    size: tuple[int, int]

    def __post_init__(self) -> None:
        if max(self.width, self.height) > MAX_SIDE:
            raise LimitError(
                f"{self.width}x{self.height} pixels: the codec ifs holds up to {MAX_SIDE} pixels a side"
            )
        wide = -(-self.width * self.size[0] // self.region[2])
        high = -(-self.height * self.size[1] // self.region[3])
        if max(wide, high) > MAX_OUTPUT_SIDE or self.size[0] * self.size[1] > MAX_PIXELS:
            raise LimitError(
                f"{self.size[0]}x{self.size[1]} pixels of a picture that would have {wide}x{high}: more than the "
                f"{MAX_PIXELS} pixels, or {MAX_OUTPUT_SIDE} a side, that are drawn; ask for a smaller size"
            )

    @property
    def pixels(self) -> int:
        """Pixels that the whole picture would have at this scale, rounded up."""
        whole = self.width * self.height * self.size[0] * self.size[1]
        return -(-whole // (self.region[2] * self.region[3]))

    def spread(self, game: Game) -> int:
        """Return the factor of the kernel: that of the picture, to the nearest integer, half up; 1 if fine."""
        if game.fine:
            return 1
        across = (2 * self.size[0] + self.region[2]) // (2 * self.region[2])
        return max(1, across, (2 * self.size[1] + self.region[3]) // (2 * self.region[3]))

    def rim(self, game: Game) -> int:
        """Return the width of the rim whose points reach into the frame. LimitError if it has too many pixels."""
        rim = len(KERNELS[game.kernel]) * self.spread(game) - 1
        if (self.size[0] + 2 * rim) * (self.size[1] + 2 * rim) > 2 * MAX_PIXELS:
            raise LimitError(
                f"{self.size[0]}x{self.size[1]} pixels enlarge {self.width}x{self.height} too much: "
                "ask for a smaller size"
            )
        return rim


def draw(game: Game, frame: Frame, progress: Callable[[float], None] | None = None) -> Pixels:
    """Return the picture, uint8 (H, W). LimitError if it needs too many points."""
    counts, points = hits(game, frame, progress)
    return brightness(counts, points, game, frame)


def steps_of(game: Game, frame: Frame) -> int:
    """Return the steps after settling that give the points the frame needs. LimitError.

    A kernel k times as wide averages over k^2 times as many pixels, so that k times fewer points a pixel suffice.
    """
    steps = max(1, -(-frame.pixels * game.density // (16 * WALKERS * frame.spread(game))))
    if steps * WALKERS > MAX_POINTS:
        raise LimitError(f"{steps * WALKERS} points are more than {MAX_POINTS}: ask for a smaller size or scale")
    return steps


def hits(
    game: Game, frame: Frame, progress: Callable[[float], None] | None = None
) -> tuple[NDArray[np.int32], int]:
    """Return how many points fall into each pixel of the frame and its rim, and the number of all points."""
    rim = frame.rim(game)
    across, down = frame.size[0] + 2 * rim, frame.size[1] + 2 * rim
    counts = np.zeros(across * down, np.int32)
    steps, thresholds = steps_of(game, frame), game.thresholds()
    columns = [np.ascontiguousarray(column) for column in game.maps.T]
    columns[4], columns[5] = (column << np.int64(PLACE_BITS - game.bits - 1) for column in columns[4:])
    x: Integers = np.zeros(WALKERS, np.int64)
    y: Integers = np.zeros(WALKERS, np.int64)
    half = 1 << (game.bits - 1)
    hit = np.int32(1)
    for step in range(SETTLING + steps):
        chosen = np.searchsorted(thresholds, random32(game.seed, step), side="right")
        a, b, c, d, s, t = (_picked(column, chosen) for column in columns)
        x, y = (
            np.clip(((a * x + b * y + half) >> game.bits) + s, -MAX_PLACE, MAX_PLACE),
            np.clip(((c * x + d * y + half) >> game.bits) + t, -MAX_PLACE, MAX_PLACE),
        )
        if step >= SETTLING:
            column = _pixel(x, frame.width, frame.region[0], frame.region[2], frame.size[0]) + rim
            row = _pixel(y, frame.height, frame.region[1], frame.region[3], frame.size[1]) + rim
            seen = (column >= 0) & (column < across) & (row >= 0) & (row < down)
            np.add.at(counts, (row * across + column)[seen], hit)
        if progress is not None and step % 64 == 0:
            progress(step / (SETTLING + steps))
    return counts.reshape(down, across), steps * WALKERS


def _picked(column: Integers, chosen: NDArray[np.intp]) -> Integers:
    return column[chosen]


def _pixel(place: Integers, side: int, start: int, length: int, size: int) -> Integers:
    """Return the index of the output pixel that holds each place; pixel 0 is the first of the region."""
    whole = 1 << PLACE_BITS
    offset = (whole // 2 * side - start * whole) * size
    index: Integers = (place * (side * size) + offset) // (length * whole)
    return index


def random32(seed: int, step: int) -> NDArray[np.uint64]:
    """Return the random numbers of a step, uint64 (WALKERS,) below 2^32: SplitMix64 of a counter."""
    first = (seed << 40) + step * WALKERS + 1
    value = (np.arange(WALKERS, dtype=np.uint64) + np.uint64(first)) * np.uint64(0x9E3779B97F4A7C15)
    value = (value ^ (value >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    value = (value ^ (value >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return (value ^ (value >> np.uint64(31))) >> np.uint64(32)


def brightness(counts: NDArray[np.int32], points: int, game: Game, frame: Frame) -> Pixels:
    """Return the pixels of the frame, uint8 (H, W), from the result of `hits`."""
    rim = frame.rim(game)
    picture = np.empty((frame.size[1], frame.size[0]), np.uint8)
    for top in range(0, frame.size[1], BAND):
        bottom = min(top + BAND, frame.size[1])
        picture[top:bottom] = levels(gathered(counts[top : bottom + 2 * rim], game, frame), points, game, frame)
    return picture


def gathered(counts: NDArray[np.int32], game: Game, frame: Frame) -> Integers:
    """Return rows of hits, given with their rim, spread by the kernel: int64, without the rim and the gain."""
    sums = counts.astype(np.int64)
    for _ in range(2):
        sums = _spread(sums, KERNELS[game.kernel], frame.spread(game)).T
    return sums


def levels(sums: Integers, points: int, game: Game, frame: Frame) -> Pixels:
    """Return pixels, uint8, from the result of `gathered`."""
    # In 2^-52 level. Sums of `enough` reach level 255; clipping there keeps every product below 2^61.
    divisor = points * frame.spread(game) ** 4
    factor = ((game.gain * frame.pixels << 33) + divisor) // (2 * divisor)
    enough = (256 << 52) // max(1, factor) + 1
    brightness = (np.minimum(sums, enough) * factor + (1 << 51)) >> 52
    return np.minimum(brightness, 255).astype(np.uint8)


def _spread(values: Integers, taps: tuple[int, ...], times: int) -> Integers:
    """Apply the enlarged kernel along the first axis: (h + 2 rim, w) to (h, w), with rim = len(taps) times - 1.

    The kernel is linear between its taps, which are `times` pixels apart: two running sums make the triangle that
    stands at each tap.
    """
    for _ in range(2 if times > 1 else 0):
        sums = np.concatenate((np.zeros((1, values.shape[1]), np.int64), values.cumsum(0)))
        values = sums[times:] - sums[:-times]
    reach = (len(taps) - 1) * times
    length = len(values) - 2 * reach
    spread = values[reach : reach + length] * taps[0]
    for distance, tap in enumerate(taps[1:], start=1):
        step = distance * times
        spread += tap * (values[reach - step :][:length] + values[reach + step :][:length])
    return spread
