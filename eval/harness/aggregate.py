"""Mean curves and Bjontegaard tables, computed from rows."""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping
from dataclasses import asdict, dataclass
from itertools import combinations
from statistics import fmean
from typing import Any

import numpy as np

from eval.harness import bd
from eval.harness.measure import Row
from eval.harness.metrics import decibels, psnr

METRICS: Mapping[str, Callable[[Row], float]] = {
    "psnr": lambda row: row.psnr,
    "psnr_y": lambda row: row.psnr_y,
    "ms_ssim_db": lambda row: decibels(row.ms_ssim) if row.ms_ssim == row.ms_ssim else math.nan,
    "ssim": lambda row: row.ssim,
    "ssimulacra2": lambda row: row.ssimulacra2,
    "colour": lambda row: row.colour,
    "worst_colour": lambda row: row.worst_colour,
}
"""The metrics that a curve can show over the rate."""
LOWER_IS_BETTER = frozenset(("colour", "worst_colour"))
COMPARED = ("psnr", "ms_ssim_db", "ssimulacra2", "ssim", "colour", "worst_colour")
"""The metrics of the Bjontegaard tables."""


@dataclass(frozen=True)
class MeanPoint:
    """One parameter value of a sweep, averaged over `images` pictures.

    PSNR is averaged in both usual ways: `psnr` is the mean PSNR of the pictures, `psnr_of_mse` the PSNR of
    their mean squared error.
    """

    value: float
    images: int
    bpp: float
    psnr: float
    psnr_of_mse: float
    psnr_y: float
    ssim: float
    ms_ssim: float
    ms_ssim_db: float
    ssimulacra2: float
    colour: float
    worst_colour: float


@dataclass(frozen=True)
class Comparison:
    """Bjontegaard differences of a sweep from an anchor, averaged over `images` pictures and of the mean curves.

    `rate` is in percent of bits, `metric` in the unit of the metric. `metric_range` and `rate_range` span the
    integration ranges of all pictures. A value is None if no picture (or the mean curve) allows a comparison.
    """

    images: int
    rate: float | None
    metric: float | None
    mean_curve_rate: float | None
    mean_curve_metric: float | None
    metric_range: tuple[float, float] | None
    rate_range: tuple[float, float] | None


Curves = dict[str, dict[str, list[Row]]]


def curves(rows: Iterable[Row]) -> Curves:
    """Return the successful rows by sweep label and picture, each list ordered by ascending rate."""
    grouped: Curves = defaultdict(lambda: defaultdict(list))
    for row in rows:
        if row.ok:
            grouped[row.label][row.image].append(row)
    return {
        label: {image: sorted(points, key=lambda row: row.bpp) for image, points in pictures.items()}
        for label, pictures in grouped.items()
    }


def mean_curve(pictures: Mapping[str, list[Row]]) -> list[MeanPoint]:
    """Return the mean points of a sweep over the pictures for which all of its settings succeeded.

    All points average the same pictures, so that a failure does not distort the curve.
    """
    settings = {row.settings for points in pictures.values() for row in points}
    complete = [points for points in pictures.values() if {row.settings for row in points} == settings]
    by_setting: dict[str, list[Row]] = defaultdict(list)
    for points in complete:
        for row in points:
            by_setting[row.settings].append(row)
    return sorted((_mean(rows) for rows in by_setting.values()), key=lambda point: point.bpp)


def compare(
    measured: Curves, anchor: str, test: str, metric: str, window: tuple[float, float] = bd.WINDOW
) -> Comparison:
    """Compare the sweep `test` with the sweep `anchor` on the pictures that both have.

    The difference of a metric of which less is better is negative where `test` is better, as its rate is.
    """
    value, sign = oriented(metric)
    both = sorted(set(measured[anchor]) & set(measured[test]))
    differences = [
        bd.difference(*(_curve(measured[label][image], value, sign, window) for label in (anchor, test)))
        for image in both
    ]
    return _comparison(
        [difference for difference in differences if difference],
        _of_means(measured, anchor, test, metric, window),
        sign,
    )


def oriented(metric: str) -> tuple[Callable[[Row], float], int]:
    """Return the function of a metric, and the sign that makes more of it better."""
    return METRICS[metric], -1 if metric in LOWER_IS_BETTER else 1


def matrix(
    measured: Curves,
    metric: str,
    window: tuple[float, float] = bd.WINDOW,
    tick: Callable[[], object] = lambda: None,
) -> dict[str, dict[str, Comparison]]:
    """Return `compare` of every two sweeps as matrix[anchor][test]; `tick` is called once per pair."""
    labels = list(measured)
    table: dict[str, dict[str, Comparison]] = {label: {} for label in labels}
    for anchor, test in combinations(labels, 2):
        table[anchor][test] = compare(measured, anchor, test, metric, window)
        table[test][anchor] = compare(measured, test, anchor, metric, window)
        tick()
    return table


def summary(rows: Iterable[Row], tick: Callable[[], object] = lambda: None) -> dict[str, Any]:
    """Return mean curves, comparisons and failures as JSON-able values; metrics without rows are left out."""
    rows = list(rows)
    measured = curves(rows)
    return {
        "window_bpp": bd.WINDOW,
        "target": "bd.psnr[anchor][test].rate: Bjontegaard rate per picture, averaged over the pictures",
        "mean_curves": {
            label: [asdict(point) for point in mean_curve(pictures)] for label, pictures in measured.items()
        },
        "bd": {
            metric: {
                anchor: {test: asdict(comparison) for test, comparison in row.items()}
                for anchor, row in matrix(measured, metric, tick=tick).items()
            }
            for metric in COMPARED
            if any(math.isfinite(METRICS[metric](row)) for row in rows)
        },
        "failed": [
            {"image": row.image, "label": row.label, "settings": row.settings, "error": row.error}
            for row in rows
            if not row.ok
        ],
    }


def _curve(points: list[Row], value: Callable[[Row], float], sign: int, window: tuple[float, float]) -> bd.Curve:
    return bd.curve([row.bpp for row in points], [sign * value(row) for row in points], window)


def _of_means(
    measured: Curves, anchor: str, test: str, metric: str, window: tuple[float, float]
) -> bd.Difference | None:
    sign = oriented(metric)[1]
    means = [mean_curve(measured[label]) for label in (anchor, test)]
    return bd.difference(
        *(
            bd.curve([point.bpp for point in points], [sign * getattr(point, metric) for point in points], window)
            for points in means
        )
    )


def _comparison(pictures: list[bd.Difference], means: bd.Difference | None, sign: int) -> Comparison:
    return Comparison(
        images=len(pictures),
        rate=fmean(each.rate for each in pictures) if pictures else None,
        metric=sign * fmean(each.metric for each in pictures) if pictures else None,
        mean_curve_rate=means.rate if means else None,
        mean_curve_metric=sign * means.metric if means else None,
        metric_range=_span([_signed(each.metric_range, sign) for each in pictures]) if pictures else None,
        rate_range=_span([each.rate_range for each in pictures]) if pictures else None,
    )


def _span(ranges: list[tuple[float, float]]) -> tuple[float, float]:
    return min(low for low, _ in ranges), max(high for _, high in ranges)


def _signed(ends: tuple[float, float], sign: int) -> tuple[float, float]:
    low, high = sorted(sign * end for end in ends)
    return low, high


def _mean(rows: list[Row]) -> MeanPoint:
    return MeanPoint(
        value=rows[0].value,
        images=len(rows),
        bpp=fmean(row.bpp for row in rows),
        psnr=fmean(row.psnr for row in rows),
        psnr_of_mse=psnr(fmean(row.mse for row in rows)),
        psnr_y=fmean(row.psnr_y for row in rows),
        ssim=fmean(row.ssim for row in rows),
        ms_ssim=fmean(row.ms_ssim for row in rows),
        ms_ssim_db=fmean(METRICS["ms_ssim_db"](row) for row in rows),
        ssimulacra2=fmean(row.ssimulacra2 for row in rows),
        colour=fmean(row.colour for row in rows),
        worst_colour=fmean(row.worst_colour for row in rows),
    )


RATES = (0.13, 0.25, 0.5, 1.0)
"""Rates of the tables, in bits per pixel."""


def psnr_at(points: list[MeanPoint], rate: float) -> str:
    """Return the PSNR of a mean curve at a rate with two decimals, or a dash if the curve does not reach it."""
    rates = np.log([point.bpp for point in points])
    if not points or not rates[0] <= np.log(rate) <= rates[-1]:
        return "-"
    return f"{np.interp(np.log(rate), rates, [point.psnr for point in points]):.2f}"
