"""The share of choices that preferred one of two codecs, and the interval that it may lie in."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

CHOICES = ("first", "second", "same")
_Z = 1.959963984540054
"""The normal quantile of a two-sided 95 % interval."""


@dataclass(frozen=True)
class Preference:
    """Counts of choices between two codecs; `same` counts choices of no difference."""

    first: int
    second: int
    same: int

    @property
    def count(self) -> int:
        """All choices."""
        return self.first + self.second + self.same

    @property
    def share(self) -> float:
        """The share of the first codec, 0 to 1, with half of `same`; `nan` without choices."""
        return (self.first + self.same / 2) / self.count if self.count else math.nan

    @property
    def interval(self) -> tuple[float, float]:
        """The 95 % interval of Wilson (1927) of the share; 0 to 1 without choices.

        A choice of no difference counts as half a choice of each, which makes the interval wider than needed.
        """
        if not self.count:
            return 0.0, 1.0
        n, p = self.count, self.share
        middle = (p + _Z**2 / (2 * n)) / (1 + _Z**2 / n)
        half = _Z / (1 + _Z**2 / n) * math.sqrt(p * (1 - p) / n + _Z**2 / (4 * n**2))
        return max(0.0, middle - half), min(1.0, middle + half)


def counted(choices: Iterable[Mapping[str, Any]]) -> Preference:
    """Return the counts of records with `choice`, one of `CHOICES`; raises `ValueError` for another."""
    counts = dict.fromkeys(CHOICES, 0)
    for record in choices:
        if record.get("choice") not in counts:
            raise ValueError(f"a choice is one of {', '.join(CHOICES)}, not {record.get('choice')!r}")
        counts[record["choice"]] += 1
    return Preference(**counts)
