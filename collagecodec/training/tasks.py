"""Which task trains a model, by the `kind` that its recipe names."""

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
        "collage": "collagecodec.training.collage:CollageTask",
        "paper": "collagecodec.training.paper:PaperTask",
    }
)
"""Kind of model -> module and class of its task; nothing is imported before it is asked for."""


def make_task(recipe: Recipe) -> Task:
    """Return the task of a recipe; ValueError if its kind is not one of `TASKS`."""
    if recipe.kind not in TASKS:
        raise ValueError(
            f"there is no kind of model {recipe.kind!r}; a recipe's kind is {' or '.join(TASKS)}"
        )
    module, name = TASKS[recipe.kind].split(":")
    task: Task = getattr(importlib.import_module(module), name)(recipe)
    return task
