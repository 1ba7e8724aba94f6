"""Bjontegaard differences between two rate-quality curves, inside a window of rates.

The curves are restricted to the window first (0.1 to 1.0 bits a pixel unless told): each is interpolated at
the window's ends by a monotone cubic (PCHIP) of the metric over log-rate, and its points outside are dropped.
A curve that does not reach an end stops where it stops. The integral, over the range of the metric (for the
rate) or of log-rate (for the metric) that both restricted curves cover, is the `bjontegaard` package's, with
PCHIP; instead of its warning about little overlap, the ranges are returned.

Points that another point of the same curve beats in both rate and metric are dropped before, because the
inverse of a curve that turns back is not a function.

Two numbers come of it for a set of pictures:

- **per picture, then averaged** over the pictures: the one that the project's targets are read from. It gives
  every picture the same say and does not depend on how a codec spreads its bits over pictures.
- **of the mean curve**: mean rate and mean metric over the pictures at each setting, one difference of that.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

WINDOW = (0.1, 1.0)
"""Bits a pixel."""
_METHOD = "pchip"


@dataclass(frozen=True)
class Curve:
    """Rates in bits a pixel, ascending, and the metric at each, ascending too; both float64 of one length."""

    rate: NDArray[np.float64]
    metric: NDArray[np.float64]

    def __len__(self) -> int:
        return len(self.rate)


@dataclass(frozen=True)
class Difference:
    """How a curve stands to an anchor: `rate` in percent of bits at equal metric (negative is fewer bits),
    `metric` in the metric's unit at equal rate, and the ranges over which the two were averaged."""

    rate: float
    metric: float
    metric_range: tuple[float, float]
    rate_range: tuple[float, float]


def curve(rates: ArrayLike, metrics: ArrayLike, window: tuple[float, float] | None = WINDOW) -> Curve:
    """Return the clean curve through the points, restricted to `window` in bits a pixel (None: all of it).

    It is empty if fewer than two points are left. Points that are not finite are dropped.
    """
    rate, metric = _front(np.asarray(rates, np.float64), np.asarray(metrics, np.float64))
    if window is None or len(rate) < 2:
        return Curve(rate, metric)
    low, high = max(window[0], float(rate[0])), min(window[1], float(rate[-1]))
    if low >= high:
        return Curve(rate[:0], metric[:0])
    inside = (rate > low) & (rate < high)
    ends = value_at(Curve(rate, metric), np.array((low, high)))
    return Curve(
        np.concatenate(([low], rate[inside], [high])), np.concatenate((ends[:1], metric[inside], ends[1:]))
    )


def value_at(found: Curve, rates: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the metric at `rates` (bits a pixel) by PCHIP over log-rate; `nan` outside the curve."""
    from scipy.interpolate import PchipInterpolator

    if len(found) < 2:
        return np.full(np.shape(rates), np.nan)
    through = PchipInterpolator(np.log10(found.rate), found.metric, extrapolate=False)
    # log10 of an end may round to just outside; the ends themselves are inside.
    at = np.log10(np.where(np.isclose(rates, found.rate[0], rtol=1e-12), found.rate[0], rates))
    return np.asarray(through(at), dtype=np.float64)


def difference(anchor: Curve, test: Curve) -> Difference | None:
    """Return how `test` stands to `anchor`, or None if there is no metric or no rate that both reach.

    Bjontegaard, VCEG-M33 (2001), with PCHIP as in JCT-VC's tables. Exactly antisymmetric in the logarithm:
    exchanging the two makes 1 + rate/100 its own reciprocal.
    """
    from bjontegaard import bd_psnr, bd_rate

    if min(len(anchor), len(test)) < 2:
        return None
    metric_range = _overlap(anchor.metric, test.metric)
    rate_range = _overlap(anchor.rate, test.rate)
    if metric_range[0] >= metric_range[1] or rate_range[0] >= rate_range[1]:
        return None
    points = (anchor.rate, anchor.metric, test.rate, test.metric)
    asked = {"method": _METHOD, "require_matching_points": False, "min_overlap": 0}
    return Difference(
        float(bd_rate(*points, **asked)), float(bd_psnr(*points, **asked)), metric_range, rate_range
    )


def _front(
    rate: NDArray[np.float64], metric: NDArray[np.float64]
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return the points that no other point beats, by ascending rate."""
    usable = np.isfinite(rate) & np.isfinite(metric) & (rate > 0)
    rate, metric = rate[usable], metric[usable]
    order = np.lexsort((-metric, rate))
    rate, metric = rate[order], metric[order]
    best = np.concatenate(([-np.inf], np.maximum.accumulate(metric)[:-1])) if len(metric) else metric
    keep = metric > best
    return rate[keep], metric[keep]


def _overlap(one: NDArray[np.float64], other: NDArray[np.float64]) -> tuple[float, float]:
    return float(max(one[0], other[0])), float(min(one[-1], other[-1]))
