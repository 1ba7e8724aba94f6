"""IFS learned as the generators of a GAN, and what pre-training on their pictures is worth.

Tu et al. 2023, the extension to distributions and Figure 5: a hundred IFS are trained against a LeNet that tells
their pictures from those of a set. Then a second LeNet learns to tell the hundred IFS apart by their pictures; a
linear classifier on its features, trained on the set, says how good they are. Random IFS, those before the first
step, are what it is compared with. Sizes of batches and rates of learning are this project's choice: the paper's
text names the sets, the networks and the steps.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn

from collagecodec.fractals.learning.objective import Renderer
from collagecodec.fractals.learning.parameters import FORMS, initial
from eval.studies.learned_ifs import idx
from eval.studies.learned_ifs.lenet import LeNet, linear_accuracy


@dataclass(frozen=True)
class GanConfig:
    """Settings of the whole experiment; `seed` decides all that is random.

    `systems`: IFS learned. `every`: steps between two snapshots. `pretraining`: steps of the second LeNet, each
    with one picture of every IFS. `labelled`, `unseen`: pictures of the set that the linear classifier is
    trained and tested on.
    """

    systems: int = 100
    maps: int = 10
    points: int = 300
    steps: int = 5000
    every: int = 1000
    generator_rate: float = 0.01
    discriminator_rate: float = 2e-4
    pretraining: int = 500
    pretraining_rate: float = 1e-3
    labelled: int = 5000
    unseen: int = 5000
    seed: int = 0


Split = tuple[Tensor, Tensor]
"""Pictures (count, 1, 32, 32) from 0 to 1, and their labels (count,)."""


def pictures(name: str, config: GanConfig, root: Path | None) -> tuple[Split, Split]:
    """Return the pictures to learn from and those to test on. Raises `DataError`.

    The first of the training part and of the test part; of KMNIST, where only the test part may be at hand, the
    first half of the test part and the second.
    """
    if name == "kmnist":
        found, labels = idx.images(name, root=root), idx.labels(name, root=root)
        half = len(found) // 2
        parts = [(found[:half], labels[:half]), (found[half:], labels[half:])]
    else:
        parts = [(idx.images(name, part, root), idx.labels(name, part, root)) for part in ("train", "t10k")]
    splits = []
    for (some, classes), count in zip(parts, (config.labelled, config.unseen), strict=True):
        enlarged = torch.from_numpy(idx.enlarged(some[:count])).unsqueeze(1)
        splits.append((enlarged, torch.from_numpy(classes[:count].astype(np.int64))))
    return splits[0], splits[1]


def snapshots(
    real: Tensor, config: GanConfig, on_step: Callable[[int, float], None]
) -> Iterator[tuple[int, Tensor]]:
    """Yield step and parameters (systems, maps, 8) before the first step and after every `config.every` of them.

    `real`: pictures (count, 1, 32, 32) to be like. `on_step` is told the step and the discriminator's loss. A
    step: the discriminator sees one picture of every IFS and as many real ones, then the IFS move against it.
    """
    torch.manual_seed(config.seed)
    generator = torch.Generator().manual_seed(config.seed)
    # Every IFS begins elsewhere; each is what `fit` would begin with.
    numbers = torch.stack([initial("rotations", config.maps, generator) for _ in range(config.systems)])
    numbers.requires_grad_()
    judge, renderer = LeNet(1, slope=0.2), Renderer(idx.SIDE, idx.SIDE, 1.0)
    moves = torch.optim.Adam([numbers], config.generator_rate, betas=(0.5, 0.999))
    learns = torch.optim.Adam(judge.parameters(), config.discriminator_rate, betas=(0.5, 0.999))
    yield 0, numbers.detach().clone()
    for step in range(1, config.steps + 1):
        made = rendered(numbers, renderer, config.points, generator)
        chosen = real[torch.randint(len(real), (config.systems,), generator=generator)]
        loss = _logistic(judge(chosen), True) + _logistic(judge(made.detach()), False)
        learns.zero_grad()
        torch.autograd.backward([loss])
        learns.step()
        moves.zero_grad()
        torch.autograd.backward([_logistic(judge(made), True)], inputs=[numbers])
        moves.step()
        on_step(step, loss.item())
        if step % config.every == 0:
            yield step, numbers.detach().clone()


def rendered(numbers: Tensor, renderer: Renderer, points: int, generator: torch.Generator) -> Tensor:
    """Return a picture of each IFS, (systems, 1, 32, 32), cut at 1; `numbers` as `snapshots` yields them."""
    A, b = FORMS["rotations"].maps(numbers)
    # One row of random numbers serves all: what differs is how the IFS read them.
    indices = renderer.sample(A, torch.rand(1, points, generator=generator))
    pictures: Tensor = renderer(A, b, indices).clamp(max=1)
    return pictures


def accuracy(numbers: Tensor, seen: Split, unseen: Split, config: GanConfig) -> tuple[float, float]:
    """Return what pre-training on the IFS `numbers` gives: accuracies on the IFS and, linearly, on the set."""
    torch.manual_seed(config.seed)
    generator = torch.Generator().manual_seed(config.seed)
    network, renderer = LeNet(len(numbers)), Renderer(idx.SIDE, idx.SIDE, 1.0)
    optimiser = torch.optim.Adam(network.parameters(), config.pretraining_rate)
    labels = torch.arange(len(numbers))
    right = []
    for _ in range(config.pretraining):
        with torch.no_grad():
            made = rendered(numbers, renderer, config.points, generator)
        guesses = network(made)
        right.append(float((guesses.argmax(1) == labels).float().mean()))
        optimiser.zero_grad()
        torch.autograd.backward([nn.functional.cross_entropy(guesses, labels)])
        optimiser.step()
    network.eval()
    features = [(network.features(some), classes) for some, classes in (seen, unseen)]
    late = right[-max(1, len(right) // 10) :]
    return sum(late) / len(late), linear_accuracy(features[0], features[1])


def _logistic(values: Tensor, real: bool) -> Tensor:
    wanted = torch.full_like(values, float(real))
    return nn.functional.binary_cross_entropy_with_logits(values, wanted)
