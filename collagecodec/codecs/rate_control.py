"""The search for the parameter of a codec that meets a quality, a size or a PSNR."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from collagecodec.errors import LimitError

SIZE_SLACK, PSNR_SLACK = 0.01, 0.03
"""How far below the size (share), or above the PSNR (dB), a result may stay."""
MAX_TRIALS = 16
FIRST_STEP = 32.0
"""Quantiser step, in pixel levels, that a search tries first."""

Measure = Callable[[int], tuple[bytes, float]]
"""Encodes at a rate code; returns the file and the figure that is searched."""


@dataclass(frozen=True)
class Target:
    """What the file has to meet: exactly one of the four.

    quality    0 (smallest) to 100 (finest)
    bpp        bits per pixel of the whole file, at most
    psnr       dB over the colour samples, at least
    max_bytes  size of the whole file, at most

    Raises ValueError for none or several, and for values out of range.
    """

    quality: float | None = None
    bpp: float | None = None
    psnr: float | None = None
    max_bytes: int | None = None

    def __post_init__(self) -> None:
        if sum(value is not None for value in (self.quality, self.bpp, self.psnr, self.max_bytes)) != 1:
            raise ValueError("give one of quality, bpp, psnr and max_bytes, not several")
        check_quality(self.quality)
        for value in (self.bpp, self.psnr, self.max_bytes):
            if value is not None and not 0 < value < math.inf:
                raise ValueError(f"a target must be above 0, not {value}")


def check_quality(quality: float | None) -> None:
    """Raise ValueError for a quality outside 0 .. 100; None passes."""
    if quality is not None and not 0 <= quality <= 100:
        raise ValueError(f"quality goes from 0 to 100, not {quality}")


def step_of_quality(quality: float) -> float:
    """Quantiser step in pixel levels of a quality 0..100: 2^(8.5 (1 - q/100)^0.74).

    That is 1 at 100, about 20 at 60 and 362 at 0. Raises ValueError outside the range.
    """
    check_quality(quality)
    return float(2 ** (8.5 * (1 - quality / 100) ** 0.74))


class RateParameter(Protocol):
    """The setting of a codec that trades rate for distortion.

    A search moves along integers, the rate code: `low` is the finest (most bytes, highest PSNR), `high` the
    coarsest, and size and PSNR fall as the code rises. `first` is tried first.
    """

    @property
    def name(self) -> str:
        """Field of the codec."""

    @property
    def low(self) -> int:
        """Rate code of the finest value."""

    @property
    def high(self) -> int:
        """Rate code of the coarsest value."""

    @property
    def first(self) -> int:
        """Rate code at which a search begins."""

    def value(self, code: int) -> Any:
        """Value of the field at a rate code."""

    def code_of_quality(self, quality: float) -> int:
        """Rate code of a quality 0 .. 100."""


@dataclass(frozen=True)
class StepParameter:
    """A quantiser step, stored as a multiple of 1 / `unit` pixel level; the multiple is the rate code."""

    unit: int
    low: int
    high: int
    name: str = "step"

    @property
    def first(self) -> int:
        """See `RateParameter`."""
        return self.nearest(FIRST_STEP)

    def value(self, code: int) -> float:
        """The step in pixel levels."""
        return code / self.unit

    def nearest(self, step: float) -> int:
        """Rate code of the nearest step within the limits."""
        return min(max(round(step * self.unit), self.low), self.high)

    def code_of_quality(self, quality: float) -> int:
        """See `RateParameter`; `step_of_quality` is the scale of all codecs that quantise by a step."""
        return self.nearest(step_of_quality(quality))


@dataclass(frozen=True)
class ChoiceParameter:
    """A setting with a few `choices`, the finest first; rate code 1 is the first choice."""

    name: str
    choices: Sequence[Any]
    low: int = 1

    @property
    def high(self) -> int:
        """See `RateParameter`."""
        return len(self.choices)

    @property
    def first(self) -> int:
        """See `RateParameter`."""
        return self.low

    def value(self, code: int) -> Any:
        """The choice."""
        return self.choices[code - 1]

    def code_of_quality(self, quality: float) -> int:
        """See `RateParameter`; the choices share 0 .. 100 evenly."""
        check_quality(quality)
        return min(int((100 - quality) / 100 * self.high), self.high - 1) + 1


@dataclass
class Search:
    """A search for the rate code at which a figure (size or PSNR, both fall with it) lies in `low` .. `high`.

    `below` says which side will do where no code hits the window: at most `high`, or at least `low`.
    `slope` is the expected change of the figure for an code e times as large, about right.
    """

    parameter: RateParameter
    low: float
    high: float
    below: bool
    slope: float

    def run(self, measure: Measure, start: int | None = None) -> tuple[int, bytes]:
        """The rate code whose figure is in the window, or nearest to it on the allowed side, and its file.

        `start` is tried first. Raises LimitError if no code reaches the allowed side.
        """
        fine, coarse = (self.parameter.low - 1, math.inf), (self.parameter.high + 1, -math.inf)
        best: tuple[float, int, bytes] | None = None
        code = self.parameter.first if start is None else start
        for _ in range(MAX_TRIALS):
            data, figure = measure(code)
            if self._allowed(figure) and (best is None or abs(figure - self._aim) < abs(best[0] - self._aim)):
                best = figure, code, data
            if self.low <= figure <= self.high:
                return code, data
            if figure > self.high:
                fine = code, figure
            else:
                coarse = code, figure
            if coarse[0] - fine[0] <= 1:
                break
            code = self._next(fine, coarse, code, figure)
        if best is not None:
            return best[1:]
        return self._extreme(measure)

    @property
    def _aim(self) -> float:
        return (self.low + self.high) / 2

    def _allowed(self, figure: float) -> bool:
        return figure <= self.high if self.below else figure >= self.low

    def _next(self, fine: tuple[int, float], coarse: tuple[int, float], code: int, figure: float) -> int:
        if math.isfinite(fine[1]) and math.isfinite(coarse[1]):
            share = (fine[1] - self._aim) / (fine[1] - coarse[1])
            share = min(max(share, 0.05), 0.95)
            guess = math.exp(math.log(fine[0]) + share * math.log(coarse[0] / fine[0]))
        else:
            # The figure of a lossless file is infinite; no code is expected to be that far away.
            guess = code * math.exp(min(max((figure - self._aim) / self.slope, -12.0), 12.0))
        return min(max(round(guess), fine[0] + 1), coarse[0] - 1)

    def _extreme(self, measure: Measure) -> tuple[int, bytes]:
        code = self.parameter.high if self.below else self.parameter.low
        data, figure = measure(code)
        if not self._allowed(figure):
            wanted = "so few bytes" if self.below else "so high a PSNR"
            reached = f"{len(data)} bytes" if self.below else f"{figure:.2f} dB"
            raise LimitError(
                f"{wanted} cannot be had for this picture: the extreme {self.parameter.name}, "
                f"{self.parameter.value(code)}, gives {reached}"
            )
        return code, data


def size_search(parameter: RateParameter, limit: int) -> Search:
    """A search for at most `limit` bytes; the figure is the natural logarithm of the size."""
    return Search(parameter, math.log(max(limit, 1)) - SIZE_SLACK, math.log(max(limit, 1)), True, 0.9)


def psnr_search(parameter: RateParameter, decibels: float) -> Search:
    """A search for at least this PSNR in dB."""
    return Search(parameter, decibels, decibels + PSNR_SLACK, False, 3.5)
