"""A small ResNet that tells the class of an aerial scene, trained on originals only.

It stands for the networks that read pictures from archives: it has never seen what a codec does to them.
"""

from __future__ import annotations

from collections.abc import Callable
from itertools import pairwise
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from safetensors.torch import load_file, save_file
from torch import Tensor, nn
from torch.nn import functional

from collagecodec.sampling.request import Image8
from eval.studies.aerial_scenes import Scenes

BATCH = 50
_RATE = 3e-3
_DECAY = 0.05
_WIDTHS = (16, 32, 64, 128)


class _Block(nn.Module):
    """Two 3x3 convolutions beside a shortcut (He et al. 2016); halves the picture."""

    def __init__(self, inputs: int, outputs: int) -> None:
        super().__init__()
        self.first = nn.Conv2d(inputs, outputs, 3, stride=2, padding=1, bias=False)
        self.second = nn.Conv2d(outputs, outputs, 3, padding=1, bias=False)
        self.norms = nn.ModuleList([nn.BatchNorm2d(outputs), nn.BatchNorm2d(outputs)])
        self.shortcut = nn.Conv2d(inputs, outputs, 1)

    def forward(self, x: Tensor) -> Tensor:
        y = functional.relu(self.norms[0](self.first(x)))
        return functional.relu(self.norms[1](self.second(y)) + self.shortcut(functional.avg_pool2d(x, 2)))


class SceneClassifier(nn.Module):
    """Logits (N, classes) of scenes (N, 3, H, W) from 0 to 1; H and W are multiples of 16."""

    def __init__(self, classes: int) -> None:
        super().__init__()
        blocks = [_Block(a, b) for a, b in pairwise(_WIDTHS)]
        stem = nn.Conv2d(3, _WIDTHS[0], 5, stride=2, padding=2)
        self.features = nn.Sequential(stem, nn.BatchNorm2d(_WIDTHS[0]), nn.ReLU(), *blocks)
        self.head = nn.Linear(_WIDTHS[-1], classes)

    def forward(self, x: Tensor) -> Tensor:
        """Return the logits."""
        return self.head(functional.dropout(self.features(x - 0.5).mean((2, 3)), 0.3, self.training))


def trained(scenes: Scenes, epochs: int, seed: int, progress: Callable[[int, str], None]) -> SceneClassifier:
    """Return a classifier trained on all orientations of the scenes; `progress` gets the epoch and the loss."""
    torch.manual_seed(seed)
    generator = np.random.default_rng(seed)
    model = SceneClassifier(len(scenes.names))
    optimiser = torch.optim.AdamW(model.parameters(), _RATE, weight_decay=_DECAY)
    steps = epochs * -(-len(scenes.pictures) // BATCH)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimiser, _RATE, total_steps=steps)
    for epoch in range(epochs):
        model.train()
        order, total = generator.permutation(len(scenes.pictures)), 0.0
        for start in range(0, len(order), BATCH):
            chosen = order[start : start + BATCH]
            batch = np.rot90(scenes.pictures[chosen], int(generator.integers(4)), (1, 2))
            batch = batch[:, :, ::-1] if generator.integers(2) else batch
            kinds = torch.from_numpy(scenes.classes[chosen])
            loss = functional.cross_entropy(model(_tensor(batch)), kinds, label_smoothing=0.1)
            optimiser.zero_grad()
            loss.backward()  # type: ignore[no-untyped-call]
            optimiser.step()
            schedule.step()
            total += float(loss.detach()) * len(chosen)
        progress(epoch + 1, f"loss {total / len(order):.3f}")
    return model.eval()


def classes_of(model: SceneClassifier, pictures: Image8) -> NDArray[np.int64]:
    """Return the class of every picture, uint8 (N, H, W, 3); the mean of its four orientations decides."""
    found = []
    with torch.inference_mode():
        for start in range(0, len(pictures), BATCH):
            batch = _tensor(pictures[start : start + BATCH])
            turned = (torch.rot90(batch, turns, (2, 3)) for turns in range(4))
            found.append(torch.stack([model(each).softmax(1) for each in turned]).mean(0).argmax(1).numpy())
    return np.concatenate(found)


def save(model: SceneClassifier, path: Path) -> None:
    """Write the weights as safetensors."""
    path.parent.mkdir(parents=True, exist_ok=True)
    save_file({name: value.contiguous() for name, value in model.state_dict().items()}, path)


def load(path: Path, classes: int) -> SceneClassifier:
    """Read weights that `save` wrote."""
    model = SceneClassifier(classes)
    model.load_state_dict(load_file(path))
    return model.eval()


def _tensor(pictures: Image8) -> Tensor:
    planes = np.ascontiguousarray(pictures.transpose(0, 3, 1, 2), np.float32) / 255
    return torch.from_numpy(planes).contiguous(memory_format=torch.channels_last)
