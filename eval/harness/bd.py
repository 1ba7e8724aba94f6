"""Bjontegaard differences between two rate-quality curves, inside a window of rates.

Points that are dominated by another point of the same curve, in rate and in metric, are dropped first, because
the inverse of a curve that turns back is not a function.

Both curves are then restricted to the window, by default 0.1 to 1.0 bits per pixel: each is interpolated at the
window's ends by a monotone cubic (PCHIP) of the metric over log-rate, and its points outside are dropped. A curve
that does not reach an end of the window is not extrapolated. The `bjontegaard` package integrates, with PCHIP,
over the range of the metric (for the rate) or of log-rate (for the metric) that both restricted curves cover. The
ranges are returned, which replaces the package's warning about little overlap.

A set of pictures is summarised by two numbers:

- **The mean of the per-picture differences.** The project's targets refer to this number. It weighs all pictures
  equally and does not depend on how a codec distributes its bits over the pictures.
- **The difference of the mean curves**, which average rate and metric over the pictures at each setting.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

WINDOW = (0.1, 1.0)
"""Bits per pixel."""
_METHOD = "pchip"


@dataclass(frozen=True)
class Curve:
    """Ascending rates in bits per pixel and the ascending metric at each, both float64 of equal length."""

    rate: NDArray[np.float64]
    metric: NDArray[np.float64]

    def __len__(self) -> int:
        return len(self.rate)


@dataclass(frozen=True)
class Difference:
    """The difference of a curve from an anchor.

    `rate` is in percent of bits at equal metric, where negative means fewer bits. `metric` is in the unit of the
    metric, at equal rate. The ranges are those over which the two were averaged.
    """

    rate: float
    metric: float
    metric_range: tuple[float, float]
    rate_range: tuple[float, float]


def curve(rates: ArrayLike, metrics: ArrayLike, window: tuple[float, float] | None = WINDOW) -> Curve:
    """Return the curve through the undominated points, restricted to `window` in bits per pixel unless None.

    The curve is empty if it does not overlap the window. Points that are not finite are dropped.
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


def value_at(points: Curve, rates: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the metric at `rates` (bits per pixel) by PCHIP over log-rate; `nan` outside the curve."""
    from scipy.interpolate import PchipInterpolator

    if len(points) < 2:
        return np.full(np.shape(rates), np.nan)
    interpolate = PchipInterpolator(np.log10(points.rate), points.metric, extrapolate=False)
    # Rounding of log10 may move an end of the curve just outside of it.
    at = np.log10(np.where(np.isclose(rates, points.rate[0], rtol=1e-12), points.rate[0], rates))
    return np.asarray(interpolate(at), dtype=np.float64)


def difference(anchor: Curve, test: Curve) -> Difference | None:
    """Return the difference of `test` from `anchor`, or None if their metrics or their rates do not overlap.

    The method is that of Bjontegaard, VCEG-M33 (2001), with PCHIP as in the tables of JCT-VC. It is antisymmetric
    in the logarithm: swapping the curves inverts 1 + rate/100.
    """
    from bjontegaard import bd_psnr, bd_rate

    if min(len(anchor), len(test)) < 2:
        return None
    metric_range = _overlap(anchor.metric, test.metric)
    rate_range = _overlap(anchor.rate, test.rate)
    if metric_range[0] >= metric_range[1] or rate_range[0] >= rate_range[1]:
        return None
    points = (anchor.rate, anchor.metric, test.rate, test.metric)
    options = {"method": _METHOD, "require_matching_points": False, "min_overlap": 0}
    return Difference(
        float(bd_rate(*points, **options)), float(bd_psnr(*points, **options)), metric_range, rate_range
    )


def _front(
    rate: NDArray[np.float64], metric: NDArray[np.float64]
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return the undominated points by ascending rate."""
    usable = np.isfinite(rate) & np.isfinite(metric) & (rate > 0)
    rate, metric = rate[usable], metric[usable]
    order = np.lexsort((-metric, rate))
    rate, metric = rate[order], metric[order]
    best = np.concatenate(([-np.inf], np.maximum.accumulate(metric)[:-1])) if len(metric) else metric
    keep = metric > best
    return rate[keep], metric[keep]


def _overlap(first: NDArray[np.float64], second: NDArray[np.float64]) -> tuple[float, float]:
    return float(max(first[0], second[0])), float(min(first[-1], second[-1]))
