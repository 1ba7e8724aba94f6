"""The validation set: held-out crops that judge every stage of a training run in the same way."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from statistics import fmean
from typing import TYPE_CHECKING

import torch

from collagecodec.training.config import Recipe, Stage
from collagecodec.training.data import Crops, is_held_out, list_pictures, load_rgb

if TYPE_CHECKING:
    from collagecodec.training.loop import Task

BATCHES, BATCH = 6, 4
"""Number of batches and crops per batch; a single batch varies more than training gains in a thousand updates."""
SEED = 15_485_863
"""Seed of the crops and of what a task draws for them, such as quantiser steps."""


class Validation:
    """A fixed set of held-out crops with fixed random draws, so that its figures can be compared."""

    def __init__(self, crops: Crops) -> None:
        """`crops` are those of the held-out pictures, in batches of `BATCH`."""
        self._batches = [crops.at(number) for number in range(BATCHES)]

    @classmethod
    def of(cls, recipe: Recipe, folders: Sequence[Path]) -> Validation | None:
        """Return the set of the held-out pictures of the folders; None if no held-out picture holds a crop."""
        groups = []
        for folder, weight in zip(folders, recipe.weights, strict=True):
            pictures = [load_rgb(path) for path in list_pictures([folder]) if is_held_out(path)]
            if large := [picture for picture in pictures if min(picture.shape[:2]) >= recipe.crop]:
                groups.append((large, weight))
        return cls(Crops(groups, recipe.crop, BATCH, SEED)) if groups else None

    @torch.no_grad()
    def figures(self, task: Task, stage: Stage, device: torch.device) -> dict[str, float]:
        """Return the means over the set of the figures of `Task.loss`; training is not disturbed.

        The network is evaluated in evaluation mode; the state of the random generator is restored.
        """
        training, state = task.network.training, torch.get_rng_state()
        task.network.eval()
        try:
            torch.manual_seed(SEED)
            results = [task.loss(task.network, batch.to(device), stage)[1] for batch in self._batches]
        finally:
            task.network.train(training)
            torch.set_rng_state(state)
        return {name: fmean(figures[name] for figures in results) for name in results[0]}
