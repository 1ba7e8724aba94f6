"""From rows to mean curves and Bjontegaard tables."""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping
from dataclasses import asdict, dataclass, replace
from itertools import combinations
from statistics import fmean
from typing import Any

from eval.harness import bd
from eval.harness.measure import Row
from eval.harness.metrics import decibels, psnr

METRICS: Mapping[str, Callable[[Row], float]] = {
    "psnr": lambda row: row.psnr,
    "psnr_y": lambda row: row.psnr_y,
    "ms_ssim_db": lambda row: decibels(row.ms_ssim) if row.ms_ssim == row.ms_ssim else math.nan,
    "ssim": lambda row: row.ssim,
}
"""What can stand on the vertical axis of a curve."""


@dataclass(frozen=True)
class MeanPoint:
    """One setting of a series, averaged over `images` pictures. Both ways of averaging PSNR are given:
    `psnr` is the mean of the pictures' PSNR, `psnr_of_mse` the PSNR of their mean squared error."""

    value: float
    images: int
    bpp: float
    psnr: float
    psnr_of_mse: float
    psnr_y: float
    ssim: float
    ms_ssim: float
    ms_ssim_db: float


@dataclass(frozen=True)
class Comparison:
    """A series against an anchor: Bjontegaard differences over `images` pictures, and of the mean curves.

    `rate` in percent of bits, `metric` in the metric's unit; `metric_range` and `rate_range` are the widest
    ranges that any picture's integral covered. None where no picture (or the mean curve) allows one.
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
    """Return the successful rows by series and picture, each list by ascending rate."""
    found: Curves = defaultdict(lambda: defaultdict(list))
    for row in rows:
        if row.ok:
            found[row.label][row.image].append(row)
    return {
        label: {image: sorted(points, key=lambda row: row.bpp) for image, points in pictures.items()}
        for label, pictures in found.items()
    }


def mean_curve(pictures: Mapping[str, list[Row]]) -> list[MeanPoint]:
    """Return a series' points averaged over the pictures for which every one of its settings succeeded.

    The same pictures stand behind every point, so that a failure cannot bend the curve.
    """
    settings = {row.settings for points in pictures.values() for row in points}
    whole = [points for points in pictures.values() if {row.settings for row in points} == settings]
    by_setting: dict[str, list[Row]] = defaultdict(list)
    for points in whole:
        for row in points:
            by_setting[row.settings].append(row)
    return sorted((_mean(rows) for rows in by_setting.values()), key=lambda point: point.bpp)


def compare(
    found: Curves, anchor: str, test: str, metric: str, window: tuple[float, float] = bd.WINDOW
) -> Comparison:
    """Return how the series `test` stands to `anchor` over the pictures that both have."""
    value = METRICS[metric]
    images = sorted(set(found[anchor]) & set(found[test]))
    pairs = [
        bd.difference(_curve(found[anchor][image], value, window), _curve(found[test][image], value, window))
        for image in images
    ]
    return _comparison([one for one in pairs if one], _of_means(found, anchor, test, metric, window))


def matrix(
    found: Curves,
    metric: str,
    window: tuple[float, float] = bd.WINDOW,
    tick: Callable[[], object] = lambda: None,
) -> dict[str, dict[str, Comparison]]:
    """Return `compare` of every two series as matrix[anchor][test]; `tick` is called once a pair."""
    labels = list(found)
    table: dict[str, dict[str, Comparison]] = {label: {} for label in labels}
    for anchor, test in combinations(labels, 2):
        table[anchor][test] = compare(found, anchor, test, metric, window)
        table[test][anchor] = compare(found, test, anchor, metric, window)
        tick()
    return table


def summary(rows: Iterable[Row], tick: Callable[[], object] = lambda: None) -> dict[str, Any]:
    """Return the aggregate as JSON-able values: mean curves, failures, and the PSNR and MS-SSIM tables."""
    rows = list(rows)
    found = curves(rows)
    return {
        "window_bpp": bd.WINDOW,
        "target": "bd.psnr[anchor][test].rate: Bjontegaard rate per picture, averaged over the pictures",
        "mean_curves": {
            label: [asdict(point) for point in mean_curve(pictures)] for label, pictures in found.items()
        },
        "bd": {
            metric: {
                anchor: {test: asdict(one) for test, one in row.items()}
                for anchor, row in matrix(found, metric, tick=tick).items()
            }
            for metric in ("psnr", "ms_ssim_db")
        },
        "failed": [
            {"image": row.image, "label": row.label, "settings": row.settings, "error": row.error}
            for row in rows
            if not row.ok
        ],
    }


def _curve(points: list[Row], value: Callable[[Row], float], window: tuple[float, float]) -> bd.Curve:
    return bd.curve([row.bpp for row in points], [value(row) for row in points], window)


def _of_means(
    found: Curves, anchor: str, test: str, metric: str, window: tuple[float, float]
) -> bd.Difference | None:
    both = [mean_curve(found[label]) for label in (anchor, test)]
    one, other = (
        bd.curve([point.bpp for point in points], [getattr(point, metric) for point in points], window)
        for points in both
    )
    return bd.difference(one, other)


def _comparison(pairs: list[bd.Difference], means: bd.Difference | None) -> Comparison:
    empty = Comparison(len(pairs), None, None, None, None, None, None)
    if means:
        empty = replace(empty, mean_curve_rate=means.rate, mean_curve_metric=means.metric)
    if not pairs:
        return empty
    return replace(
        empty,
        rate=fmean(one.rate for one in pairs),
        metric=fmean(one.metric for one in pairs),
        metric_range=_widest([one.metric_range for one in pairs]),
        rate_range=_widest([one.rate_range for one in pairs]),
    )


def _widest(ranges: list[tuple[float, float]]) -> tuple[float, float]:
    return min(low for low, _ in ranges), max(high for _, high in ranges)


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
    )
