"""The inverse encoder, the baseline of Tu et al. 2023: a network that predicts an IFS from a picture.

A residual network in the shape of ResNet-18 (He et al. 2016) with a quarter of its channels and a first layer for
32x32 pixels, trained on pairs of a random IFS and a rendering of it. The maps of an IFS have no order: the error
of a prediction is taken under the best assignment of predicted to true maps (Hungarian method).
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from itertools import pairwise
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from safetensors.torch import load_file, save_file
from scipy.optimize import linear_sum_assignment
from torch import Tensor, nn

from collagecodec.cli.progress import Progress
from collagecodec.fractals.ifs import Floats
from collagecodec.fractals.learning.objective import Renderer
from collagecodec.fractals.learning.parameters import FORMS, to_picture
from eval.studies.learned_ifs.idx import SIDE
from eval.studies.learned_ifs.rows import Result, Solver


@dataclass(frozen=True)
class Training:
    """How the encoder is trained: with Adam and a learning rate that falls to 0 along half a cosine."""

    maps: int = 10
    points: int = 300
    channels: int = 16
    batch: int = 32
    steps: int = 500
    learning_rate: float = 1e-3
    seed: int = 0


TRAINING = Training()


class Encoder(nn.Module):
    """Maps pictures (B, 1, 32, 32) to IFS in learning coordinates: A (B, N, 2, 2), b (B, N, 2)."""

    def __init__(self, maps: int, channels: int) -> None:
        super().__init__()
        widths = [channels, channels, 2 * channels, 4 * channels, 8 * channels]
        self.first = nn.Sequential(nn.Conv2d(1, channels, 3, padding=1, bias=False), nn.BatchNorm2d(channels))
        blocks = []
        for stage, (before, after) in enumerate(pairwise(widths)):
            blocks += [_Block(before, after, 2 if stage else 1), _Block(after, after, 1)]
        self.blocks = nn.Sequential(*blocks)
        self.last = nn.Linear(widths[-1], maps * 8)
        self.maps = maps

    def forward(self, pictures: Tensor) -> tuple[Tensor, Tensor]:
        """Return the IFS of `pictures`."""
        features = self.blocks(torch.relu(self.first(pictures))).mean((-2, -1))
        numbers = self.last(features).reshape(-1, self.maps, 8)
        return FORMS["rotations"].maps(numbers)


class _Block(nn.Module):
    def __init__(self, before: int, after: int, stride: int) -> None:
        super().__init__()
        self.body = nn.Sequential(
            nn.Conv2d(before, after, 3, stride, 1, bias=False),
            nn.BatchNorm2d(after),
            nn.ReLU(),
            nn.Conv2d(after, after, 3, padding=1, bias=False),
            nn.BatchNorm2d(after),
        )
        same = before == after and stride == 1
        self.aside = nn.Identity() if same else nn.Conv2d(before, after, 1, stride, bias=False)

    def forward(self, values: Tensor) -> Tensor:
        return torch.relu(self.body(values) + self.aside(values))


def drawn(count: int, maps: int, generator: torch.Generator) -> tuple[Tensor, Tensor]:
    """Return random IFS for training, A (count, maps, 2, 2) and b (count, maps, 2).

    Angles and signs are uniform, singular values uniform over [0, 1], and b uniform over the central half of the
    picture.
    """
    uniform = torch.rand(count, maps, 8, generator=generator)
    angles = (uniform[..., 0:2] * 2 - 1) * torch.pi
    sizes = torch.logit(uniform[..., 2:4], 1e-4)
    return FORMS["rotations"].maps(
        torch.cat([angles, sizes, uniform[..., 4:6] - 0.5, uniform[..., 6:] * 5 - 2.5], -1)
    )


def matched(predicted: tuple[Tensor, Tensor], true: tuple[Tensor, Tensor]) -> Tensor:
    """Return the mean squared difference of the coefficients under the best assignment of maps in each IFS."""
    ours, theirs = (torch.cat([A.flatten(-2), b], -1) for A, b in (predicted, true))
    costs = torch.cdist(ours.detach(), theirs).square()
    order = np.stack([linear_sum_assignment(cost)[1] for cost in costs.numpy()])
    chosen = torch.gather(theirs, 1, torch.from_numpy(order).unsqueeze(-1).expand_as(theirs))
    return (ours - chosen).square().mean()


def train(training: Training, on_step: Callable[[int, float], None]) -> Encoder:
    """Return an encoder trained on random IFS. `on_step` receives the step and its error."""
    torch.manual_seed(training.seed)
    generator = torch.Generator().manual_seed(training.seed)
    network, renderer = Encoder(training.maps, training.channels), Renderer(SIDE, SIDE, 1.0)
    optimiser = torch.optim.Adam(network.parameters(), training.learning_rate)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimiser, training.steps)
    for number in range(1, training.steps + 1):
        true = drawn(training.batch, training.maps, generator)
        indices = renderer.sample(true[0], torch.rand(1, training.points, generator=generator))
        error = matched(network(renderer(*true, indices).clamp(max=1)), true)
        optimiser.zero_grad()
        torch.autograd.backward([error])
        optimiser.step()
        schedule.step()
        on_step(number, error.item())
    return network.eval()


def by_encoding(path: Path, training: Training) -> Solver:
    """Return a solver that uses the encoder in `path`, which is trained first if the file is missing."""

    def solve(targets: NDArray[np.float32]) -> tuple[Floats, Floats, Result]:
        network = _kept(path, training)
        with torch.no_grad():
            A, b = to_picture(*(part.double() for part in network(torch.from_numpy(targets).unsqueeze(1))))
        return A.numpy(), b.numpy(), {}

    return solve


def _kept(path: Path, training: Training) -> Encoder:
    network = Encoder(training.maps, training.channels)
    if not path.exists():
        bar, started = Progress(training.steps), time.process_time()
        network = train(training, lambda number, error: bar.update(number, f"encoder, error {error:.3f}"))
        bar.clear()
        facts = {**asdict(training), "cpu_s": round(time.process_time() - started, 1)}
        save_file(network.state_dict(), path, {name: str(value) for name, value in facts.items()})
    network.load_state_dict(load_file(path))
    return network.eval()
