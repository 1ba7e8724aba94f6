"""Fits a system of maps to a binary picture by gradient descent on distance fields, coarse to fine.

The loss compares two fields at random points: the system's at a depth, and the signed distance of the picture,
both through tanh(d / tau). tau shrinks from a tenth of the picture to a pixel while the depth grows. Beside it
stands the collage loss: the same comparison after the maps are applied once to the *picture*; where it is
small, the attractor is near the picture at every depth (Barnsley's collage theorem).
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.nn.functional import grid_sample

from collagecodec.errors import CollageError
from collagecodec.fractals.distance_fields.initialise import start
from collagecodec.fractals.distance_fields.kinds import KINDS, Kind, maps, numbers_of
from collagecodec.fractals.distance_fields.shapes import Shape, image_distances, smooth_union
from collagecodec.fractals.distance_fields.system import MAX_MAPS, System, compose
from collagecodec.fractals.distance_fields.target import Target
from collagecodec.io.files import atomic

MAX_LEAVES = 300
"""Images of the shape in the deepest field that is fitted."""


class DivergedError(CollageError):
    """Every attempt ended in numbers that are not finite; the message names the seeds."""


class CheckpointError(CollageError, ValueError):
    """The file is not a checkpoint, or belongs to another fit."""


@dataclass(frozen=True)
class Settings:
    """How to fit. `depth` 0: the deepest with at most `MAX_LEAVES` images. ValueError for settings out of range.

    `maps` N maps of a `kind` over a `shape`; `steps` of Adam at `rate`, falling to a tenth; `points` a step;
    `tau` begins at `coarse` (units of the plane: the longer side of the picture is 2) and ends at `fine`
    pixels.
    """

    maps: int = 8
    kind: Kind = "affine"
    shape: Shape = "disk"
    steps: int = 1000
    points: int = 600
    depth: int = 0
    rate: float = 0.02
    coarse: float = 0.15
    fine: float = 1.0
    collage: float = 1.0
    seed: int = 0

    def __post_init__(self) -> None:
        if not 2 <= self.maps <= MAX_MAPS:
            raise ValueError(f"a system has 2 .. {MAX_MAPS} maps, not {self.maps}")
        if self.kind not in KINDS:
            raise ValueError(f"kinds of maps are {', '.join(KINDS)}, not {self.kind!r}")
        if min(self.steps, self.points) < 1 or min(self.rate, self.coarse, self.fine) <= 0:
            raise ValueError("steps, points, rate, coarse and fine must be positive")
        if self.depth < 0 or (self.depth and self.maps**self.depth > 64 * MAX_LEAVES):
            raise ValueError(f"{self.maps} maps at depth {self.depth} are too many images to fit")

    @property
    def deepest(self) -> int:
        """The depth of the last stage."""
        return self.depth or max(1, int(math.log(MAX_LEAVES) / math.log(self.maps) + 1e-9))

    def stage(self, step: int) -> tuple[int, float]:
        """Return the depth at a step, and how far the fit is from coarse to fine (0 .. 1)."""
        share = step / max(1, self.steps - 1)
        return min(self.deepest, 1 + int(share * 1.2 * self.deepest)), share


Watch = Callable[[int, float, "Fit"], None]
"""Callback after every step: the number of steps done, the loss and the fit itself."""


class Fit:
    """A fit that can be stepped, saved and resumed."""

    def __init__(self, target: Target, settings: Settings) -> None:
        self.target, self.settings, self.done = target, settings, 0
        self.generator = torch.Generator().manual_seed(settings.seed)
        rng = np.random.default_rng(settings.seed)
        begin = start(target.points(), settings.maps, settings.kind == "affine", rng)
        numbers = [
            numbers_of(settings.kind, matrix, offset)
            for matrix, offset in zip(begin.matrices, begin.offsets, strict=True)
        ]
        self.mirrors = torch.tensor(np.sign(np.linalg.det(begin.matrices)), dtype=torch.float32)
        self.numbers = torch.tensor(np.array(numbers), dtype=torch.float32, requires_grad=True)
        inside = target.points()
        middle = inside.mean(0)
        self.size = float(np.sqrt(((inside - middle) ** 2).sum(1).mean()))
        axes = np.linalg.svd(inside - middle, full_matrices=False)[2] if len(inside) > 2 else np.eye(2)
        angle = math.atan2(axes[0, 1], axes[0, 0])
        # The shape on which the maps act: its middle, angle, and the logarithms of its two half sides.
        self.base = torch.tensor(
            (*middle, angle, math.log(1.2 * self.size), math.log(1.2 * self.size)), dtype=torch.float32
        ).requires_grad_()
        widest = float(-target.distances().min())
        self.stroke = torch.tensor(math.log(max(widest, 0.5 * target.unit)), requires_grad=True)
        self.optimiser = torch.optim.Adam([self.numbers, self.base, self.stroke], settings.rate)
        self._field = torch.from_numpy(target.distances())

    def maps(self) -> tuple[Tensor, Tensor]:
        """Return matrices (N, 2, 2) and offsets (N, 2)."""
        return maps(self.settings.kind, self.numbers, self.mirrors)

    def placed(self) -> tuple[Tensor, Tensor]:
        """Return matrix (2, 2) and origin (2,) of the shape that the maps act on."""
        cosine, sine = torch.cos(self.base[2]), torch.sin(self.base[2])
        # A similarity takes a disk to a disk: its two half sides are the same number.
        second = (
            self.base[3] if self.settings.kind != "affine" and self.settings.shape == "disk" else self.base[4]
        )
        sides = torch.exp(torch.stack((self.base[3], second)))
        turn = torch.stack((torch.stack((cosine, -sine)), torch.stack((sine, cosine))))
        return turn * sides, self.base[:2]

    def width(self) -> Tensor | float:
        """Return the width added to the shape on every side: only lines have a stroke."""
        return torch.exp(self.stroke) if self.settings.shape == "line" else 0.0

    def step(self) -> float:
        """Take a step of gradient descent and return its loss."""
        depth, share = self.settings.stage(self.done)
        tau = self.settings.coarse ** (1 - share) * (self.settings.fine * self.target.unit) ** share
        for group in self.optimiser.param_groups:
            group["lr"] = self.settings.rate * (0.1 + 0.9 * 0.5 * (1 + math.cos(math.pi * share)))
        points = self._points(tau)
        target = torch.tanh(self._sampled(points) / tau)
        loss = (torch.tanh(self._distances(points, depth, tau) / tau) - target).square().mean()
        if self.settings.collage:
            laid = torch.tanh(self._collage(points, tau) / tau)
            loss = loss + self.settings.collage * (laid - target).square().mean()
        self.optimiser.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        torch.nn.utils.clip_grad_norm_([self.numbers, self.base, self.stroke], 1.0)
        self.optimiser.step()
        self.done += 1
        return float(loss.detach())

    def _points(self, tau: float) -> Tensor:
        """Return random points (P, 2): half in the picture and its surroundings, half near the boundary."""
        height, width = self.target.mask.shape
        extent = torch.tensor((width, height)) / max(height, width)
        count = self.settings.points
        anywhere = (2 * torch.rand((4 * count, 2), generator=self.generator) - 1) * (1.1 * extent)
        near = self._sampled(anywhere).abs() < 2 * tau
        chosen = torch.cat((anywhere[near][: count // 2], anywhere[: count - min(int(near.sum()), count // 2)]))
        return chosen

    def _sampled(self, points: Tensor) -> Tensor:
        """Return the signed distance of the picture at points (..., 2).

        Outside the picture, the distance to the nearest point inside is added.
        """
        height, width = self.target.mask.shape
        extent = torch.tensor((width, height)) / max(height, width)
        nearest = torch.minimum(torch.maximum(points, -extent), extent)
        sampled = grid_sample(
            self._field[None, None],
            (nearest / extent).reshape(1, 1, -1, 2),
            padding_mode="border",
            align_corners=False,
        )
        away = torch.sqrt((points - nearest).square().sum(-1) + 1e-18)
        return sampled.reshape(points.shape[:-1]) + away

    def _distances(self, points: Tensor, depth: int, tau: float) -> Tensor:
        base, origin = self.placed()
        matrices, offsets = compose(*self.maps(), base, origin, depth, torch)
        distances = image_distances(self.settings.shape, matrices, offsets, points, torch)
        return smooth_union(distances, 8 / tau, torch) - self.width()

    def _collage(self, points: Tensor, tau: float) -> Tensor:
        """Return distances to the union of the images of the picture under the maps."""
        matrices, offsets = self.maps()
        inverse = torch.linalg.inv(matrices)
        back = torch.einsum("nij,pnj->pni", inverse, points[:, None] - offsets)
        sizes = torch.sqrt(torch.linalg.det(matrices).abs() + 1e-12)
        return smooth_union(self._sampled(back) * sizes, 8 / tau, torch)

    @property
    def finite(self) -> bool:
        """Whether every parameter is finite."""
        return all(bool(torch.isfinite(part).all()) for part in (self.numbers, self.base, self.stroke))

    def system(self) -> System:
        """Return the system as it is now."""
        with torch.no_grad():
            matrices, offsets = self.maps()
            base, origin = self.placed()
            tensors = (matrices, offsets, base, origin)
            arrays = [tensor.detach().numpy().astype(np.float64) for tensor in tensors]
            depth = self.settings.stage(max(0, self.done - 1))[0]
            height, width = self.target.mask.shape
            return System(
                arrays[0], arrays[1], self.settings.shape, arrays[2], arrays[3], float(self.width()), depth,
                width / height,
            )  # fmt: skip

    def save(self, path: Path) -> None:
        """Write a checkpoint from which `load` resumes the fit, to the same result."""
        state = {
            "settings": asdict(self.settings), "done": self.done, "numbers": self.numbers.detach(),
            "base": self.base.detach(), "stroke": self.stroke.detach(), "mirrors": self.mirrors,
            "optimiser": self.optimiser.state_dict(), "generator": self.generator.get_state(),
            "target": _digest(self.target),
        }  # fmt: skip
        with atomic(path, force=True) as partial:
            torch.save(state, partial)

    def load(self, path: Path) -> None:
        """Resume from a checkpoint of the same target and settings; CheckpointError for any other."""
        try:
            state: dict[str, Any] = torch.load(path, weights_only=True)
            settings, digest = state["settings"], state["target"]
        except Exception as error:
            raise CheckpointError(f"{path} is not a checkpoint of a fit ({type(error).__name__})") from error
        if settings != asdict(self.settings) or digest != _digest(self.target):
            raise CheckpointError(
                f"{path} belongs to another picture or other settings: remove it or choose another name"
            )
        with torch.no_grad():
            for parameter, name in ((self.numbers, "numbers"), (self.base, "base"), (self.stroke, "stroke")):
                parameter.copy_(state[name])
        self.mirrors, self.done = state["mirrors"], state["done"]
        self.optimiser.load_state_dict(state["optimiser"])
        self.generator.set_state(state["generator"])


def _digest(target: Target) -> str:
    import hashlib

    return hashlib.sha256(repr(target.mask.shape).encode() + np.packbits(target.mask).tobytes()).hexdigest()


def fit(
    target: Target,
    settings: Settings,
    *,
    watch: Watch | None = None,
    checkpoint: Path | None = None,
    every: int = 100,
    restarts: int = 2,
    on_restart: Callable[[str], None] | None = None,
) -> System:
    """Fit a system to `target`.

    With `checkpoint` the fit is kept there every `every` steps, and resumed from there if the file exists. A fit
    whose numbers stop being finite starts again with the next seed, at most `restarts` times; `on_restart` gets
    a message each time. Raises DivergedError, CheckpointError.
    """
    for attempt in range(restarts + 1):
        current = Fit(target, replace(settings, seed=settings.seed + attempt))
        if checkpoint is not None and checkpoint.exists() and attempt == 0:
            current.load(checkpoint)
        while current.done < settings.steps and current.finite:
            loss = current.step()
            if watch is not None and current.finite:
                watch(current.done, loss, current)
            due = current.done % every == 0 or current.done == settings.steps
            if checkpoint is not None and current.finite and due:
                current.save(checkpoint)
        if current.finite:
            return current.system()
        if on_restart is not None and attempt < restarts:
            seed = current.settings.seed
            on_restart(f"the fit diverged with seed {seed}; restarted with seed {seed + 1}")
    raise DivergedError(
        f"the fit diverged with the seeds {settings.seed} .. {settings.seed + restarts}: choose another seed"
    )
