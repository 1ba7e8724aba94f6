"""Which task trains a model, by the `kind` that its recipe names, and how it is exported."""

from __future__ import annotations

import importlib
from collections.abc import Mapping
from types import MappingProxyType
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path

    from collagecodec.training.config import Recipe
    from collagecodec.training.data import Crops
    from collagecodec.training.loop import Task

_EXPORT_BATCHES = 32
_EXPORT_SEED = 1_000_000_000
"""Crops for the tables of an export are drawn from steps that no stage reaches."""

TASKS: Mapping[str, str] = MappingProxyType(
    {
        "collage": "collagecodec.codecs.collage.torch.task:CollageTask",
        "paper": "collagecodec.codecs.paper.torch.task:PaperTask",
    }
)
"""Kind of model -> module and class of its task; nothing is imported before it is asked for."""


def make_task(recipe: Recipe) -> Task:
    """Return the task of a recipe; ValueError if its kind is not one of `TASKS`."""
    if recipe.kind not in TASKS:
        raise ValueError(f"there is no kind of model {recipe.kind!r}; a recipe's kind is {' or '.join(TASKS)}")
    module, name = TASKS[recipe.kind].split(":")
    task: Task = getattr(importlib.import_module(module), name)(recipe)
    return task


def export_model(recipe: Recipe, task: Task, crops: Crops, folder: Path) -> str:
    """Write the files of a trained model to `folder` and return its fingerprint.

    Tables are counted on `crops`. Raises ValueError if the network leaves the range of exact arithmetic.
    """
    if recipe.kind == "paper":
        from collagecodec.codecs.paper.torch.task import export as export_paper

        return export_paper(task.network, folder)  # type: ignore[arg-type]
    import math

    import torch

    from collagecodec.codecs.collage.torch.export import export

    ranges = [
        recipe.options["rate"]["steps"],
        *(s.options["steps"] for s in recipe.stages if "steps" in s.options),
    ]
    finest, coarsest = min(low for low, _ in ranges), max(high for _, high in ranges)
    draw = torch.Generator().manual_seed(recipe.seed)

    def steps(count: int) -> torch.Tensor:
        span = math.log(coarsest / finest)
        return torch.exp(torch.rand(count, generator=draw) * span + math.log(finest))

    batches = ((crops.at(_EXPORT_SEED + i).float(), steps(crops.batch)) for i in range(_EXPORT_BATCHES))
    return export(task.network, batches, recipe.name, folder)  # type: ignore[arg-type]
