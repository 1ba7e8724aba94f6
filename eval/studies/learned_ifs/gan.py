"""IFS learned as the generators of a GAN, and the value of pre-training on their pictures.

This repeats the extension to distributions and Figure 5 of Tu et al. 2023: a hundred IFS are trained against a
LeNet that discriminates their pictures from those of a data set. Then a second LeNet learns to classify the
pictures by the IFS that made them, and a linear classifier on its features, trained on the data set, measures
their quality. The random IFS before the first step are the reference. The paper names the data sets, the
networks and the number of steps; batch sizes and learning rates are our choice.
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
    """Settings of the experiment; `seed` determines all random numbers.

    `systems` is the number of IFS and `every` the number of steps between snapshots. `pretraining` is the number
    of steps of the second LeNet, each with a picture of every IFS. `labelled` and `unseen` are the numbers of
    pictures that the linear classifier is trained and tested on.
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
    """Return the pictures for training and for testing. Raises `DataError`.

    They are the first pictures of the training part and of the test part. Of KMNIST, whose training part may be
    missing, the two halves of the test part are used.
    """
    if name == "kmnist":
        images, labels = idx.images(name, root=root), idx.labels(name, root=root)
        half = len(images) // 2
        parts = [(images[:half], labels[:half]), (images[half:], labels[half:])]
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
    """Yield step and parameters (systems, maps, 8) before the first step and after each `config.every` steps.

    `real` are the pictures (count, 1, 32, 32) to imitate. `on_step` receives the step and the discriminator's
    loss. In a step the discriminator sees a picture of every IFS and as many real ones, then the IFS are
    updated.
    """
    torch.manual_seed(config.seed)
    generator = torch.Generator().manual_seed(config.seed)
    # Each IFS has its own random start, of the same distribution as in `fit`.
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
    """Return a picture of each IFS, (systems, 1, 32, 32), clipped at 1. `numbers` are those of `snapshots`."""
    A, b = FORMS["rotations"].maps(numbers)
    # All IFS use the same random numbers but map them to indices differently.
    indices = renderer.sample(A, torch.rand(1, points, generator=generator))
    pictures: Tensor = renderer(A, b, indices).clamp(max=1)
    return pictures


def accuracy(numbers: Tensor, seen: Split, unseen: Split, config: GanConfig) -> tuple[float, float]:
    """Return the accuracies after pre-training on the IFS `numbers`: on the IFS, and linearly on the data set."""
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
