"""The training loop for a CPU, a GPU or many nodes (Lightning Fabric), which can resume at any update.

A task (`Task`) defines the network and the loss; the loop handles stages, learning rates, checkpoints, the log
and progress. The crops and the noise of an update depend on (seed, update) only, so a resumed run gives the same
result as an uninterrupted run. A validation set judges every stage from before its first update to its last,
and the stage ends with its best weights: with those it began with, if no update improved them.
"""

from __future__ import annotations

import json
import math
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, Protocol

import torch
from lightning_fabric import Fabric
from torch import Tensor, nn

from collagecodec.training.config import Recipe, Stage
from collagecodec.training.data import Crops, is_held_out, list_pictures, load_rgb
from collagecodec.training.validation import Validation

CHECKPOINT_EVERY = 250
LOG_EVERY = 25
VALIDATE_EVERY = 500
"""Updates between two validations; a stage is also validated before its first and after its last update."""
GRADIENT_LIMIT = 1.0
LAST_RATE = 0.02
"""Share of the peak learning rate at the end of the cosine in every stage."""


class Task(Protocol):
    """The network of a kind of model and its loss."""

    network: nn.Module

    def start_from(self, folder: Path) -> None:
        """Begin with the weights of the model in a folder; ValueError if this kind of model cannot."""

    def prepare(self, crops: Crops) -> None:
        """Set initial values that are measured on the data; called once, before the first update."""

    def enter(self, stage: Stage) -> None:
        """Change the network according to the options of a stage; called before its first update."""

    def loss(self, network: nn.Module, batch: Tensor, stage: Stage) -> tuple[Tensor, dict[str, float]]:
        """Return the loss of crops (B, 3, H, W) uint8 and the figures for the log.

        `network` is `self.network` wrapped by Fabric. A task may only call it, so that processes share their
        gradients.
        """

    def export(self, crops: Crops, folder: Path) -> str:
        """Write the files of the trained model to `folder`; return its fingerprint.

        Probabilities are counted on `crops`. Raises ValueError if the network leaves the range of exact
        arithmetic.
        """


def load_crops(recipe: Recipe, folders: Sequence[Path], batch: int) -> Crops:
    """Load the training pictures of the folders; ValueError unless the recipe has a weight for each folder."""
    if len(folders) != len(recipe.weights):
        raise ValueError(f"the recipe needs {len(recipe.weights)} folders (--data), {len(folders)} were given")
    groups = [
        ([load_rgb(p) for p in list_pictures([folder]) if not is_held_out(p)], weight)
        for folder, weight in zip(folders, recipe.weights, strict=True)
    ]
    return Crops(groups, recipe.crop, batch, recipe.seed)


def optimiser_for(network: nn.Module, stage: Stage) -> torch.optim.Optimizer:
    """Return Adam for the children of the network that the stage trains, and freeze all others."""
    groups = []
    for name, child in network.named_children():
        child.requires_grad_(name in stage.train)
        if name in stage.train:
            groups.append(
                {"params": list(child.parameters()), "lr": stage.rates[name], "peak": stage.rates[name]}
            )
    return torch.optim.Adam(groups, betas=(0.9, 0.98))


def rate_factor(done: int, total: int) -> float:
    """Return the share of the peak learning rate: 100 updates of warm-up, then a cosine."""
    warm = min(1.0, (done + 1) / 100)
    return warm * (LAST_RATE + (1 - LAST_RATE) * 0.5 * (1 + math.cos(math.pi * done / total)))


class Run:
    """A training run, whose folder holds checkpoint.pt, best.pt (the best weights of the stage) and log.jsonl.

    Without a `validation` set a stage ends with its last weights.
    """

    def __init__(
        self, recipe: Recipe, task: Task, folder: Path, fabric: Fabric, validation: Validation | None = None
    ) -> None:
        self.recipe, self.task, self.folder, self.fabric = recipe, task, folder, fabric
        self.validation = validation
        self.best: dict[str, Any] | None = None
        self.stage, self.update, self.prepared = 0, 0, False
        self.saved_optimiser: dict[str, Any] | None = None
        folder.mkdir(parents=True, exist_ok=True)
        self.task.network.to(fabric.device)

    @property
    def checkpoint(self) -> Path:
        """Path of the newest checkpoint."""
        return self.folder / "checkpoint.pt"

    @property
    def best_file(self) -> Path:
        """Path of the best weights of the present stage."""
        return self.folder / "best.pt"

    def resume(self) -> bool:
        """Load the newest checkpoint; return False if there is none."""
        if not self.checkpoint.exists():
            return False
        state = torch.load(self.checkpoint, map_location=self.fabric.device, weights_only=True)
        for stage in self.recipe.stages[: state["stage"] + bool(state["update"])]:
            self.task.enter(stage)
        self.task.network.load_state_dict(state["network"])
        self.stage, self.update, self.prepared = state["stage"], state["update"], True
        self.saved_optimiser = state["optimiser"]
        if self.best_file.exists():
            best = torch.load(self.best_file, map_location=self.fabric.device, weights_only=True)
            self.best = best if best["stage"] == self.stage else None
        return True

    def save(self, optimiser: torch.optim.Optimizer | None) -> None:
        """Write the checkpoint atomically."""
        if not self.fabric.is_global_zero:
            return
        state = {
            "network": self.task.network.state_dict(),
            "optimiser": optimiser.state_dict() if optimiser else None,
            "stage": self.stage,
            "update": self.update,
        }
        _save(state, self.checkpoint)

    def train(self, crops: Callable[[int], Crops], progress: Callable[[Stage, int, str], None]) -> None:
        """Run the remaining stages.

        `crops(batch)` returns the data for a batch size; `progress` receives stage, update and figures.
        """
        if not self.prepared:
            self.task.prepare(crops(16))
            self.prepared = True
        while self.stage < len(self.recipe.stages):
            stage = self.recipe.stages[self.stage]
            self._train_stage(stage, crops(stage.batch), progress)
            self.stage, self.update = self.stage + 1, 0
            self.save(None)

    def _train_stage(self, stage: Stage, crops: Crops, progress: Callable[[Stage, int, str], None]) -> None:
        if not self.update:
            self.task.enter(stage)
            self.best = None
            self._validate(stage)
        optimiser = optimiser_for(self.task.network, stage)
        if self.saved_optimiser:
            optimiser.load_state_dict(self.saved_optimiser)
            self.saved_optimiser = None
        network, optimiser = self.fabric.setup(self.task.network, optimiser, move_to_device=True)
        offset = 1_000_000 * self.stage
        begun = time.perf_counter()
        for update, batch in crops.batches(offset + self.update, offset + stage.updates):
            self.update = update - offset
            torch.manual_seed(self.recipe.seed * 1_000_003 + update + 7919 * self.fabric.global_rank)
            for group in optimiser.param_groups:
                group["lr"] = group["peak"] * rate_factor(self.update, stage.updates)
            loss, figures = self.task.loss(network, batch.to(self.fabric.device), stage)
            optimiser.zero_grad()
            self.fabric.backward(loss)
            trained = [p for group in optimiser.param_groups for p in group["params"]]
            norm = float(nn.utils.clip_grad_norm_(trained, GRADIENT_LIMIT))
            if math.isfinite(norm):
                optimiser.step()
            self.update += 1
            if self.update % LOG_EVERY == 0:
                self._log(stage, {**figures, "norm": norm, "seconds": time.perf_counter() - begun})
            if self.update % VALIDATE_EVERY == 0 or self.update == stage.updates:
                self._validate(stage)
            if self.update % CHECKPOINT_EVERY == 0:
                self.save(optimiser)
            progress(stage, self.update, "  ".join(f"{k} {v:.3f}" for k, v in figures.items()))

        if self.best is not None:
            self.task.network.load_state_dict(self.best["network"])

    def _validate(self, stage: Stage) -> None:
        """Log the figures of the validation set, and keep the weights if they are the best of the stage."""
        if self.validation is None:
            return
        figures = self.validation.figures(self.task, stage, self.fabric.device)
        self._log(stage, {"validation": figures})
        if self.best is None or figures["loss"] < self.best["loss"]:
            weights = {name: value.detach().clone() for name, value in self.task.network.state_dict().items()}
            self.best = {"stage": self.stage, "update": self.update, "loss": figures["loss"], "network": weights}
            if self.fabric.is_global_zero:
                _save(self.best, self.best_file)

    def _log(self, stage: Stage, figures: dict[str, Any]) -> None:
        if self.fabric.is_global_zero:
            with (self.folder / "log.jsonl").open("a") as log:
                log.write(json.dumps({"stage": stage.name, "update": self.update, **figures}) + "\n")


def _save(state: dict[str, Any], path: Path) -> None:
    """Write a file of PyTorch, whole or not at all."""
    partial = path.with_suffix(".partial")
    torch.save(state, partial)
    partial.replace(path)
