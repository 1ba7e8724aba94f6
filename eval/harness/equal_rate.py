"""Metrics of codecs at equal rate, interpolated on the curve of each picture."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from eval.harness import bd
from eval.harness.aggregate import METRICS, Curves, oriented
from eval.harness.measure import Row

GRID = tuple(float(rate) for rate in np.geomspace(0.1, 1.0, 11).round(3))
"""Bits per pixel of the mean curves at equal rate."""


def value_at(points: Sequence[Row], metric: str, rate: float) -> float:
    """Return a metric of one picture at a rate in bits per pixel; `nan` outside of the curve.

    The curve is the monotone cubic of Bjontegaard differences, over the logarithm of the rate.
    """
    value, sign = oriented(metric)
    curve = bd.curve([row.bpp for row in points], [sign * value(row) for row in points], window=None)
    return sign * float(bd.value_at(curve, np.array(rate)))


def by_picture(curves: Curves, label: str, metric: str, rate: float) -> dict[str, float]:
    """Return the metric of every picture whose curve reaches the rate."""
    values = {image: value_at(points, metric, rate) for image, points in curves[label].items()}
    return {image: value for image, value in values.items() if np.isfinite(value)}


def means(curves: Curves, labels: Sequence[str], metric: str, rate: float) -> tuple[Mapping[str, float], int]:
    """Return the mean metric of each codec over the pictures on which all reach the rate, and their number.

    The means are `nan` if there is no such picture.
    """
    values = {label: by_picture(curves, label, metric, rate) for label in labels}
    shared = set.intersection(*(set(pictures) for pictures in values.values()))
    if not shared:
        return dict.fromkeys(labels, float("nan")), 0
    return {label: float(np.mean([values[label][image] for image in shared])) for label in labels}, len(shared)


def mean_curves(curves: Curves) -> dict[str, dict[str, list[tuple[float, float]]]]:
    """Return mean curves by metric and codec: pairs of bits per pixel and the mean of all pictures at this rate.

    A rate that one of the pictures does not reach is left out, because a mean over other pictures could not be
    compared.
    """
    found: dict[str, dict[str, list[tuple[float, float]]]] = {}
    for metric in METRICS:
        for label, pictures in curves.items():
            values = [(rate, by_picture(curves, label, metric, rate)) for rate in GRID]
            points = [(rate, float(np.mean(list(v.values())))) for rate, v in values if len(v) == len(pictures)]
            if points:
                found.setdefault(metric, {})[label] = points
    return found
