"""Fitting IFS to pictures by gradient descent (Tu et al. 2023), many pictures at once.

Every target is optimised independently: its result depends on the target, the settings and the seed, but not on
the other targets.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from collagecodec.fractals.ifs import IFS, Floats
from collagecodec.fractals.learning.config import FitConfig
from collagecodec.fractals.learning.objective import Renderer
from collagecodec.fractals.learning.parameters import FORMS, initial, to_picture

EXPLODED = 1e3
"""A parameter beyond this has left the picture (10 wide) and will not come back."""


@dataclass(frozen=True)
class Step:
    """The argument of the callback after a step: its number from 1 on, the number of steps, and the losses (M,).

    `targets`: (M,), indices of the targets: all, or after a restart those that diverged. `maps()` returns A (M,
    N, 2, 2) and b (M, N, 2) in picture coordinates, float64, as they are now.
    """

    number: int
    steps: int
    losses: NDArray[np.float32]
    targets: NDArray[np.int64]
    maps: Callable[[], tuple[Floats, Floats]]


@dataclass(frozen=True)
class Restart:
    """A target that diverged: its index, the step, the seed, and the next seed, None if it is given up."""

    target: int
    step: int
    seed: int
    next_seed: int | None

    def __str__(self) -> str:
        begun = f"target {self.target}: diverged at step {self.step} with seed {self.seed}"
        return (
            f"{begun}; given up" if self.next_seed is None else f"{begun}; restarted with seed {self.next_seed}"
        )


@dataclass(frozen=True)
class Fitted:
    """The IFS of M targets in picture coordinates.

    `A`: float64 (M, N, 2, 2), `b`: float64 (M, N, 2). `losses`: float32 (M, steps), the mean squared error over
    the batch at each step; NaN from where a target diverged for the last time. `seeds`: (M,), the seeds of the
    last attempts. `diverged`: (M,), the targets that still diverged in the last restart; their maps are the last
    finite ones.
    """

    A: Floats
    b: Floats
    losses: NDArray[np.float32]
    seeds: NDArray[np.int64]
    diverged: NDArray[np.bool_]
    restarts: tuple[Restart, ...] = ()

    def ifs(self, number: int) -> IFS:
        """Return the IFS of target `number`."""
        return IFS(self.A[number], self.b[number])


def fit(
    targets: NDArray[np.float32],
    config: FitConfig | None = None,
    *,
    on_step: Callable[[Step], None] | None = None,
    on_restart: Callable[[Restart], None] | None = None,
) -> Fitted:
    """Return IFS whose renderings approximate `targets`, (M, H, W) from 0 (background) to 1.

    `on_step` is called after every step, `on_restart` when a target diverges, which means that its parameters are
    not finite or beyond `EXPLODED`; it is then fitted again with the next seed (`config.restarts`). Raises
    `ValueError` for targets that are not pictures of numbers from 0 to 1, or that are empty (all 0).
    """
    config, pictures = config or FitConfig(), _checked(targets)
    maps = FORMS[config.form].maps
    everyone = torch.arange(len(pictures))
    result = torch.zeros(len(pictures), config.maps, FORMS[config.form].linear + 2)
    losses = torch.zeros(len(pictures), config.steps)
    seeds = torch.full((len(pictures),), config.seed)
    left, restarts = everyone, list[Restart]()
    for attempt in range(config.restarts + 1):
        run = _Run(pictures[left], replace(config, seed=config.seed + attempt))
        run.descend(left.numpy(), on_step)
        result[left], losses[left], seeds[left] = run.parameters.detach(), run.losses, config.seed + attempt
        failed = run.diverged_at > 0
        last = attempt == config.restarts
        for target, step in zip(left[failed].tolist(), run.diverged_at[failed].tolist(), strict=True):
            seed = config.seed + attempt
            restarts.append(Restart(target, step, seed, None if last else seed + 1))
            if on_restart:
                on_restart(restarts[-1])
        left = left[failed]
        if not len(left):
            break
    A, b = to_picture(*(part.double() for part in maps(result)))
    return Fitted(
        A.numpy(), b.numpy(), losses.numpy(), seeds.numpy(), torch.isin(everyone, left).numpy(), tuple(restarts)
    )


class _Run:
    """One attempt at some targets: parameters, optimiser, and which targets have diverged."""

    def __init__(self, targets: Tensor, config: FitConfig) -> None:
        self.config, self.form = config, FORMS[config.form]
        self.generator = torch.Generator().manual_seed(config.seed)
        begin = initial(config.form, config.maps, self.generator)
        self.parameters = begin.expand(len(targets), -1, -1).clone().requires_grad_()
        self.losses = torch.full((len(targets), config.steps), torch.nan)
        self.diverged_at = torch.zeros(len(targets), dtype=torch.int64)
        self._targets = targets
        self._renderer = Renderer(targets.shape[1], targets.shape[2], config.tau, config.engine)
        self._optimiser = torch.optim.Adam([self.parameters], config.learning_rate)
        self._indices: Tensor | None = None

    def descend(self, indices: NDArray[np.int64], on_step: Callable[[Step], None] | None) -> None:
        """Take all steps, or stop when every target has diverged; `indices` are those of the targets in `fit`."""
        for number in range(1, self.config.steps + 1):
            self.step(number)
            if on_step:
                losses = self.losses[:, number - 1].numpy()
                on_step(Step(number, self.config.steps, losses, indices, self.picture_maps))
            if self.diverged_at.all():
                break

    def picture_maps(self) -> tuple[Floats, Floats]:
        A, b = to_picture(*(part.double() for part in self.form.maps(self.parameters.detach())))
        return A.numpy(), b.numpy()

    def step(self, number: int) -> None:
        """Take step `number`, counted from 1; targets that have diverged stay where they last were finite."""
        alive = self.diverged_at == 0
        self._add_noise(number)
        before = self.parameters.detach().clone()
        A, b = self.form.maps(self.parameters)
        losses = self._renderer.errors(A, b, self._drawn(A), self._targets, self.config.clamp).mean(1)
        (self.parameters.grad,) = torch.autograd.grad(losses.sum(), self.parameters)
        self._update(number)
        after = self.parameters.detach()
        sound = torch.isfinite(losses.detach()) & (after.abs().amax((1, 2)) < EXPLODED)  # False for NaN too
        after[~(alive & sound)] = before[~(alive & sound)]
        self.losses[alive & sound, number - 1] = losses.detach()[alive & sound]
        self.diverged_at[alive & ~sound] = number

    def _drawn(self, A: Tensor) -> Tensor:
        config = self.config
        if self._indices is None or config.objective == "expectation":
            uniform = torch.rand(config.batch, config.points, generator=self.generator)
            self._indices = self._renderer.sample(A, uniform)
        return self._indices

    def _add_noise(self, number: int) -> None:
        config = self.config
        if config.noise and number % config.noise_every == 0 and number < config.noise_share * config.steps:
            noise = torch.randn(config.maps, self.form.linear, generator=self.generator) * config.noise
            self.parameters.detach()[..., : self.form.linear] += noise

    def _update(self, number: int) -> None:
        """Take a step of Adam along the gradient, clipped for every target."""
        config, gradient = self.config, self.parameters.grad
        assert gradient is not None
        if config.clip:
            for part in (gradient[..., : self.form.linear], gradient[..., self.form.linear :]):
                part *= (config.clip / part.norm(dim=(1, 2), keepdim=True).clamp(min=1e-12)).clamp(max=1)
        # The rate is halved after each quarter: after the steps 250, 500, 750 of 1000.
        halvings = (number - 1) // max(1, config.steps // 4)
        self._optimiser.param_groups[0]["lr"] = config.learning_rate * 0.5**halvings
        self._optimiser.step()


def _checked(targets: NDArray[np.float32]) -> Tensor:
    pictures = np.ascontiguousarray(targets, np.float32)
    if pictures.ndim != 3 or not pictures.size:
        raise ValueError(f"targets have the shape (M, H, W), not {np.shape(targets)}")
    if not (pictures.min() >= 0 and pictures.max() <= 1):
        raise ValueError("targets are numbers from 0 (background) to 1")
    empty = np.flatnonzero(pictures.max((1, 2)) == 0)
    if empty.size:
        raise ValueError(f"target {empty[0]} is empty: there is nothing in it to fit an IFS to")
    return torch.from_numpy(pictures.copy())
