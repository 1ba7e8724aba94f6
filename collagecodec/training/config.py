"""The recipe of a model: one TOML file, read into values that check themselves."""

from __future__ import annotations

import tomllib
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any


@dataclass(frozen=True)
class Stage:
    """A run of updates with one choice of what is trained and how fast."""

    name: str
    batch: int
    updates: int
    train: tuple[str, ...]
    rates: dict[str, float]
    options: dict[str, Any] = field(default_factory=dict)
    """What the kind of model lets a stage choose for itself."""

    def __post_init__(self) -> None:
        if self.batch < 1 or self.updates < 1:
            raise ValueError(f"stage {self.name}: batch and updates are at least 1")
        missing = set(self.train) - set(self.rates)
        if missing:
            raise ValueError(f"stage {self.name}: no learning rate for {', '.join(sorted(missing))}")


@dataclass(frozen=True)
class Recipe:
    """Everything that decides what a training run makes, except the pictures."""

    kind: str
    name: str
    seed: int
    weights: tuple[float, ...]
    crop: int
    stages: tuple[Stage, ...]
    options: dict[str, Any] = field(default_factory=dict)
    """The tables of the file that belong to the kind of model (`[rate]`, `[code]` and so on)."""


def read_recipe(path: Path) -> Recipe:
    """Read a TOML recipe; ValueError names what is missing or unknown."""
    try:
        table = tomllib.loads(path.read_text())
    except (OSError, tomllib.TOMLDecodeError) as error:
        raise ValueError(f"{path} is not a readable recipe: {error}") from error
    try:
        data = table.pop("data")
        stages = tuple(_stage(dict(entry)) for entry in table.pop("stage"))
        return Recipe(
            kind=table.pop("kind"),
            name=table.pop("name"),
            seed=table.pop("seed"),
            weights=tuple(data["weights"]),
            crop=data["crop"],
            stages=stages,
            options=table,
        )
    except KeyError as error:
        raise ValueError(f"{path} lacks the entry {error}") from error


def _stage(entry: dict[str, Any]) -> Stage:
    name, batch, updates = entry.pop("name"), entry.pop("batch"), entry.pop("updates")
    train, rates = tuple(entry.pop("train")), dict(entry.pop("rates"))
    return Stage(name, batch, updates, train, rates, entry)
