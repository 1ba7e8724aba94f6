"""A tiny `collage-paper` model on made-up pictures, calibrated and not trained, for tests."""

import copy
from functools import lru_cache
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

from collagecodec.codecs.paper.torch.calibration import calibrate
from collagecodec.codecs.paper.torch.network import PaperNetwork
from collagecodec.codecs.paper.torch.task import export

ATOMS = 24


def scene(height: int, width: int, seed: int = 0) -> NDArray[np.uint8]:
    """A smooth coloured picture with edges and a little noise: uint8 (H, W, 3)."""
    rng = np.random.default_rng(seed)
    y, x = np.mgrid[:height, :width]
    total = np.zeros((height, width, 3))
    for _ in range(8):
        angle, frequency = rng.uniform(0, np.pi), rng.uniform(0.01, 0.2)
        wave = np.sin(frequency * (x * np.cos(angle) + y * np.sin(angle)) + rng.uniform(0, 6))
        total += np.where(wave > rng.uniform(-1, 1), 1, wave)[..., None] * rng.normal(10, 8, 3)
    return np.clip(128 + total + rng.normal(0, 2, total.shape), 0, 255).astype(np.uint8)


def blocks(count: int, seed: int = 1) -> torch.Tensor:
    """Blocks (count, 3, 40, 40) uint8 of scenes."""
    crops = [scene(40, 40, seed * 10_000 + i).transpose(2, 0, 1) for i in range(count)]
    return torch.from_numpy(np.stack(crops))


@lru_cache(maxsize=1)
def _calibrated() -> PaperNetwork:
    torch.manual_seed(0)
    calibrated = PaperNetwork(ATOMS)
    calibrate(calibrated, blocks(400))
    return calibrated


def network() -> PaperNetwork:
    """A calibrated network with `ATOMS` atoms; the calibration, which takes seconds, is done once a process."""
    return copy.deepcopy(_calibrated())


def install(root: Path) -> str:
    """Export a model called `paper` below `root`; return its fingerprint."""
    return export(network(), root / "paper")
