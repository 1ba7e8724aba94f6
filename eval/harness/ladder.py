"""What the production codec is held to: the targets of `ladder.toml`, and where measured rows stand."""

from __future__ import annotations

import math
import tomllib
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

from eval.harness import aggregate
from eval.harness.aggregate import LOWER_IS_BETTER, Curves
from eval.harness.equal_rate import by_picture


@dataclass(frozen=True)
class Target:
    """One target; `ladder.toml` explains the fields. An empty `data` or an `effort` of 0 means any."""

    title: str
    against: tuple[str, ...]
    measure: str
    metric: str
    must: float
    goal: float
    data: str = ""
    effort: int = 0
    rate: float = math.nan

    @property
    def lower_is_better(self) -> bool:
        """Whether a smaller result is the better one."""
        return self.measure in ("rate", "worse")


@dataclass(frozen=True)
class Standing:
    """The result of a target on `pictures` pictures, against the codec that is hardest to reach."""

    target: Target
    result: float
    against: str
    pictures: int

    @property
    def verdict(self) -> str:
        """'goal', 'reached' or 'missed'."""
        sign = -1 if self.target.lower_is_better else 1
        if sign * self.result >= sign * self.target.goal:
            return "goal"
        return "reached" if sign * self.result >= sign * self.target.must else "missed"


@lru_cache(maxsize=1)
def targets() -> tuple[Target, ...]:
    """Return all targets."""
    content = tomllib.loads(Path(__file__).with_suffix(".toml").read_text(encoding="utf-8"))
    return tuple(Target(**{**entry, "against": tuple(entry["against"])}) for entry in content["target"])


def standings(curves: Curves, test: str, data: str, effort: int) -> list[Standing]:
    """Return where the sweep `test` stands, for the targets of a data set and an effort that can be judged.

    The middles of pictures are judged as the whole ones are.
    """
    found = []
    data = data.removesuffix("-middle")
    for target in targets():
        if target.data in ("", data) and target.effort in (0, effort):
            results = [
                (result, label, count)
                for label in target.against
                if label in curves and label != test
                for result, count in [_result(curves, label, test, target)]
                if math.isfinite(result)
            ]
            if results:
                hardest = max if target.lower_is_better else min
                result, label, count = hardest(results)
                found.append(Standing(target, result, label, count))
    return found


def _result(curves: Curves, anchor: str, test: str, target: Target) -> tuple[float, int]:
    """Return what a target asks for against one codec, and the number of pictures; `nan` without any."""
    if target.measure in ("rate", "metric"):
        compared = aggregate.compare(curves, anchor, test, target.metric)
        value = compared.rate if target.measure == "rate" else compared.metric
        return (math.nan if value is None else value), compared.images
    ours, theirs = (by_picture(curves, label, target.metric, target.rate) for label in (test, anchor))
    shared = sorted(set(ours) & set(theirs))
    if not shared:
        return math.nan, 0
    differences = [ours[image] - theirs[image] for image in shared]
    if target.measure == "worse":
        sign = -1 if target.metric in LOWER_IS_BETTER else 1
        return sum(sign * difference < 0 for difference in differences), len(shared)
    return sum(differences) / len(shared), len(shared)
