"""The recipe of a model, read from a TOML file."""

from __future__ import annotations

import tomllib
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any


@dataclass(frozen=True)
class Stage:
    """A number of updates that train the parts `train` of a network with the learning rates `rates`."""

    name: str
    batch: int
    updates: int
    train: tuple[str, ...]
    rates: dict[str, float]
    options: dict[str, Any] = field(default_factory=dict)
    """Further settings, whose meaning depends on the kind of model."""

    def __post_init__(self) -> None:
        if self.batch < 1 or self.updates < 1:
            raise ValueError(f"stage {self.name}: batch and updates are at least 1")
        missing = set(self.train) - set(self.rates)
        if missing:
            raise ValueError(f"stage {self.name}: no learning rate for {', '.join(sorted(missing))}")


@dataclass(frozen=True)
class Recipe:
    """All settings of a training run except the pictures."""

    kind: str
    name: str
    seed: int
    weights: tuple[float, ...]
    crop: int
    stages: tuple[Stage, ...]
    options: dict[str, Any] = field(default_factory=dict)
    """Tables of the file whose meaning depends on the kind of model, such as `[rate]`."""


def read_recipe(path: Path) -> Recipe:
    """Read a recipe from a TOML file; ValueError names the missing entry or the fault."""
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
