"""Searches for the rate parameter of a codec that meets a quality, a size or a PSNR."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from collagecodec.errors import LimitError

SIZE_SLACK, PSNR_SLACK = 0.01, 0.03
"""Tolerance of a search: the share by which a file may be smaller, the dB by which its PSNR may be higher."""
MAX_TRIALS = 16
"""Maximum number of encodings in a search."""
FIRST_STEP = 32.0
"""The quantiser step in pixel levels with which a search starts."""

Measure = Callable[[int], tuple[bytes, float]]
"""Encodes at a rate code; returns the file and its figure (log size or PSNR)."""


@dataclass(frozen=True)
class Target:
    """The target of an encoding, with exactly one field set.

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
            raise ValueError("give exactly one of quality, bpp, psnr and max_bytes")
        check_quality(self.quality)
        for value in (self.bpp, self.psnr, self.max_bytes):
            if value is not None and not 0 < value < math.inf:
                raise ValueError(f"a target must be above 0, not {value}")


def check_quality(quality: float | None) -> None:
    """Raise ValueError for a quality outside 0 .. 100; None passes."""
    if quality is not None and not 0 <= quality <= 100:
        raise ValueError(f"quality goes from 0 to 100, not {quality}")


def step_of_quality(quality: float) -> float:
    """Return the quantiser step in pixel levels of a quality q in 0..100: 2^(8.5 (1 - q/100)^0.74).

    The step is 1 at quality 100, about 20 at 60 and 362 at 0. Raises ValueError outside the range.
    """
    check_quality(quality)
    return float(2 ** (8.5 * (1 - quality / 100) ** 0.74))


class RateParameter(Protocol):
    """The setting of a codec that trades rate for distortion.

    A search runs over integers called rate codes, from `low`, the finest (most bytes, highest PSNR), to `high`,
    the coarsest. Size and PSNR fall as the code rises. The search starts at `first`.
    """

    @property
    def name(self) -> str:
        """Name of the codec's field."""

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
        """Return the value of the field at a rate code."""

    def code_of_quality(self, quality: float) -> int:
        """Return the rate code of a quality 0 .. 100."""


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
        """Return the step in pixel levels."""
        return code / self.unit

    def nearest(self, step: float) -> int:
        """Return the rate code of the nearest step within the limits."""
        return min(max(round(step * self.unit), self.low), self.high)

    def code_of_quality(self, quality: float) -> int:
        """See `RateParameter`. All codecs with a quantiser step use the scale of `step_of_quality`."""
        return self.nearest(step_of_quality(quality))


@dataclass(frozen=True)
class ChoiceParameter:
    """A setting with a few `choices`, finest first; rate code 1 is the first choice."""

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
        """Return the choice."""
        return self.choices[code - 1]

    def code_of_quality(self, quality: float) -> int:
        """See `RateParameter`. The choices divide 0 .. 100 evenly."""
        check_quality(quality)
        return min(int((100 - quality) / 100 * self.high), self.high - 1) + 1


@dataclass
class Search:
    """A search for the rate code at which a figure (log size or PSNR, both falling) lies in `low` .. `high`.

    If no code hits that window, `below` accepts figures of at most `high`; otherwise figures of at least `low`
    are accepted. `slope` is a rough estimate of how much the figure falls when the code grows by a factor of e.
    """

    parameter: RateParameter
    low: float
    high: float
    below: bool
    slope: float

    def run(self, measure: Measure, start: int | None = None) -> tuple[int, bytes]:
        """Return the rate code with a figure in the window, or else the nearest accepted figure, and its file.

        The search starts at `start`. Raises LimitError if no code has an accepted figure.
        """
        fine, coarse = (self.parameter.low - 1, math.inf), (self.parameter.high + 1, -math.inf)
        best: tuple[float, int, bytes] | None = None
        code = self.parameter.first if start is None else start
        for _ in range(MAX_TRIALS):
            data, figure = measure(code)
            if self._accepts(figure) and (best is None or abs(figure - self._aim) < abs(best[0] - self._aim)):
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

    def _accepts(self, figure: float) -> bool:
        return figure <= self.high if self.below else figure >= self.low

    def _next(self, fine: tuple[int, float], coarse: tuple[int, float], code: int, figure: float) -> int:
        if math.isfinite(fine[1]) and math.isfinite(coarse[1]):
            share = (fine[1] - self._aim) / (fine[1] - coarse[1])
            share = min(max(share, 0.05), 0.95)
            guess = math.exp(math.log(fine[0]) + share * math.log(coarse[0] / fine[0]))
        else:
            # A lossless file has an infinite figure; the clamp keeps the guess finite.
            guess = code * math.exp(min(max((figure - self._aim) / self.slope, -12.0), 12.0))
        return min(max(round(guess), fine[0] + 1), coarse[0] - 1)

    def _extreme(self, measure: Measure) -> tuple[int, bytes]:
        code = self.parameter.high if self.below else self.parameter.low
        data, figure = measure(code)
        if not self._accepts(figure):
            target = "so few bytes" if self.below else "so high a PSNR"
            reached = f"{len(data)} bytes" if self.below else f"{figure:.2f} dB"
            raise LimitError(
                f"{target} cannot be reached for this picture: the extreme {self.parameter.name}, "
                f"{self.parameter.value(code)}, gives {reached}"
            )
        return code, data


def size_search(parameter: RateParameter, limit: int) -> Search:
    """Return a search for at most `limit` bytes; its figure is the natural logarithm of the size."""
    return Search(parameter, math.log(max(limit, 1)) - SIZE_SLACK, math.log(max(limit, 1)), True, 0.9)


def psnr_search(parameter: RateParameter, decibels: float) -> Search:
    """Return a search for a PSNR of at least `decibels`."""
    return Search(parameter, decibels, decibels + PSNR_SLACK, False, 3.5)
