"""The task that trains and exports a model, chosen by the `kind` of its recipe."""

from __future__ import annotations

import importlib
from collections.abc import Mapping
from types import MappingProxyType
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collagecodec.training.config import Recipe
    from collagecodec.training.loop import Task

TASKS: Mapping[str, str] = MappingProxyType(
    {
        "collage": "collagecodec.codecs.collage.torch.task:CollageTask",
        "paper": "collagecodec.codecs.paper.torch.task:PaperTask",
    }
)
"""Module and class of the task of each kind of model, imported on first use."""


def make_task(recipe: Recipe) -> Task:
    """Return the task of a recipe; ValueError if its kind is not in `TASKS`."""
    if recipe.kind not in TASKS:
        raise ValueError(f"there is no kind of model {recipe.kind!r}; a recipe's kind is {' or '.join(TASKS)}")
    module, name = TASKS[recipe.kind].split(":")
    task: Task = getattr(importlib.import_module(module), name)(recipe)
    return task
