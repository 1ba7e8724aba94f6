"""Which quantiser step gives the quality, the size or the PSNR that was asked for."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

from collagecodec.codecs.collage.quantiser import MAX_STEP, MIN_STEP, step_units
from collagecodec.errors import LimitError

DEFAULT_QUALITY = 60.0
SIZE_SLACK, PSNR_SLACK = 0.01, 0.03
"""How far below the size (share), or above the PSNR (dB), a result may stay."""
MAX_TRIALS = 16
FIRST_STEP = 32.0

Measure = Callable[[int], tuple[bytes, float]]
"""A stored step to the file and the figure that is searched."""


def step_of_quality(quality: float) -> int:
    """Stored step of a quality 0..100: 2^(8.5 (1 - q/100)^0.74) pixel levels, 1 at 100, about 20 at 60, 362 at 0.

    Raises ValueError outside the range.
    """
    if not 0 <= quality <= 100:
        raise ValueError(f"quality goes from 0 to 100, not {quality}")
    return step_units(2 ** (8.5 * (1 - quality / 100) ** 0.74))


@dataclass
class Search:
    """Looks for the step at which a figure that falls with the step (size, PSNR) lies in `low` .. `high`.

    `below` says which side will do where no step hits the window: at most `high`, or at least `low`.
    `slope` is the expected change of the figure for a step e times as large, about right.
    """

    low: float
    high: float
    below: bool
    slope: float

    def run(self, measure: Measure, start: int = step_units(FIRST_STEP)) -> tuple[int, bytes]:
        """The stored step whose figure is in the window or nearest to it on the allowed side, and its file.

        `measure(units)` encodes at a stored step; `start` is tried first. Raises LimitError if no step reaches
        the allowed side.
        """
        fine, coarse = (MIN_STEP - 1, math.inf), (MAX_STEP + 1, -math.inf)
        best: tuple[float, int, bytes] | None = None
        units = start
        for _ in range(MAX_TRIALS):
            data, figure = measure(units)
            if self._allowed(figure) and (best is None or abs(figure - self._aim) < abs(best[0] - self._aim)):
                best = figure, units, data
            if self.low <= figure <= self.high:
                return units, data
            if figure > self.high:
                fine = units, figure
            else:
                coarse = units, figure
            if coarse[0] - fine[0] <= 1:
                break
            units = self._next(fine, coarse, units, figure)
        if best is not None:
            return best[1:]
        return self._extreme(measure)

    @property
    def _aim(self) -> float:
        return (self.low + self.high) / 2

    def _allowed(self, figure: float) -> bool:
        return figure <= self.high if self.below else figure >= self.low

    def _next(self, fine: tuple[int, float], coarse: tuple[int, float], units: int, figure: float) -> int:
        if math.isfinite(fine[1]) and math.isfinite(coarse[1]):
            share = (fine[1] - self._aim) / (fine[1] - coarse[1])
            share = min(max(share, 0.05), 0.95)
            guess = math.exp(math.log(fine[0]) + share * math.log(coarse[0] / fine[0]))
        else:
            guess = units * math.exp((figure - self._aim) / self.slope)
        return min(max(round(guess), fine[0] + 1), coarse[0] - 1)

    def _extreme(self, measure: Measure) -> tuple[int, bytes]:
        units = MAX_STEP if self.below else MIN_STEP
        data, figure = measure(units)
        if not self._allowed(figure):
            wanted = "so few bytes" if self.below else "so high a PSNR"
            reached = f"{len(data)} bytes" if self.below else f"{figure:.2f} dB"
            raise LimitError(f"{wanted} cannot be had for this picture: the extreme step gives {reached}")
        return units, data


def size_search(limit: int) -> Search:
    """A search for at most `limit` bytes; the figure is the logarithm of the size."""
    return Search(math.log(max(limit, 1)) - SIZE_SLACK, math.log(max(limit, 1)), True, 0.9)


def psnr_search(decibels: float) -> Search:
    """A search for at least this PSNR."""
    return Search(decibels, decibels + PSNR_SLACK, False, 3.5)
