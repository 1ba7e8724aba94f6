"""Metrics of codecs at equal rate, interpolated on the curve of each picture."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from eval.harness import bd
from eval.harness.aggregate import Curves, oriented
from eval.harness.measure import Row


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
