"""What a task on decoded pictures scores over the rate, from the rows of `python -m eval task`."""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from statistics import fmean
from typing import Any

import numpy as np

Points = list[tuple[float, float]]
"""Pairs of bits per pixel and a score, 0 to 1, by ascending rate."""


def curves(rows: Iterable[Mapping[str, Any]], score: str) -> dict[str, Points]:
    """Return the mean points of each codec, averaged over the pictures at each of its settings.

    Only rows that have the score count, and only settings that all pictures of a codec have.
    """
    grouped: dict[str, dict[float, dict[str, tuple[float, float]]]] = defaultdict(lambda: defaultdict(dict))
    for row in rows:
        if row.get(score) is not None:
            grouped[row["codec"]][row["value"]][row["picture"]] = (row["bpp"], row[score])
    found = {}
    for codec, settings in grouped.items():
        pictures = max(len(points) for points in settings.values())
        complete = [list(points.values()) for points in settings.values() if len(points) == pictures]
        found[codec] = sorted((fmean(rate for rate, _ in p), fmean(value for _, value in p)) for p in complete)
    return found


def score_at(points: Sequence[tuple[float, float]], rate: float) -> float:
    """Return the score at a rate, linear in the logarithm of the rate; `nan` outside of the points."""
    rates = [point[0] for point in points]
    if not points or not rates[0] <= rate <= rates[-1]:
        return math.nan
    return float(np.interp(math.log(rate), np.log(rates), [point[1] for point in points]))


def rate_for(points: Sequence[tuple[float, float]], score: float) -> float:
    """Return the rate down to which the score stays at `score` or above, coming from the highest rate.

    It is `inf` if even the highest rate scores less, and 0 if the score never falls below.
    """
    below = [number for number, (_, value) in enumerate(points) if value < score]
    if not below:
        return 0.0
    last = below[-1]
    if last == len(points) - 1:
        return math.inf
    (low, less), (high, more) = points[last], points[last + 1]
    share = (score - less) / (more - less)
    return math.exp(math.log(low) + share * (math.log(high) - math.log(low)))
