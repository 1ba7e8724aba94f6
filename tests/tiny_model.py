"""A small untrained model, written once a session, so that tests do not depend on the shipped weights."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

from collagecodec.codecs.collage.torch.export import export
from collagecodec.codecs.collage.torch.initialise import initialise
from collagecodec.codecs.collage.torch.network import CollageNetwork


def scene(height: int, width: int, channels: int = 3, seed: int = 0) -> NDArray[np.uint8]:
    """A synthetic aerial picture: smooth ground, straight roads, bright roofs, texture; uint8."""
    rng = np.random.default_rng(seed)
    y, x = np.mgrid[0:height, 0:width]
    ground = np.zeros((height, width, 3))
    for _ in range(6):
        phase, angle, period = rng.uniform(0, 6.3), rng.uniform(0, 3.2), rng.uniform(40, 200)
        wave = np.sin(phase + 6.3 * (x * np.cos(angle) + y * np.sin(angle)) / period)
        ground += wave[..., None] * rng.uniform(2, 14, 3)
    ground += [96, 110, 84]
    for _ in range(3):
        a, b = rng.uniform(-1, 1, 2)
        road = np.abs((x - width / 2) * a + (y - height / 2) * b - rng.uniform(-50, 50)) < 4 * np.hypot(a, b)
        ground[road] = rng.uniform(120, 170)
    for _ in range(12):
        top, left = rng.integers(0, max(height - 8, 1)), rng.integers(0, max(width - 8, 1))
        tall, wide = rng.integers(6, 40, 2)
        ground[top : top + tall, left : left + wide] = rng.uniform(60, 240, 3)
    picture = np.clip(ground + rng.normal(0, 3, ground.shape), 0, 255).astype(np.uint8)
    if channels == 3:
        return picture
    alpha = np.where((x - width / 2) ** 2 + (y - height / 2) ** 2 < (width * height / 9), 255, 40).astype(
        np.uint8
    )
    planes = {1: [picture[..., 0]], 2: [picture[..., 0], alpha], 4: [*picture.transpose(2, 0, 1), alpha]}
    stacked = np.stack(planes[channels], axis=2)
    return stacked[..., 0] if channels == 1 else stacked


def make_network(seed: int = 0) -> CollageNetwork:
    """A network whose every part matters: random where training has not been, measured where it can be."""
    torch.manual_seed(seed)
    network = CollageNetwork()
    pictures = torch.from_numpy(np.stack([scene(192, 192, seed=s).transpose(2, 0, 1) for s in range(3)])).float()
    initialise(network, pictures)
    with torch.no_grad():
        network.restoration.out.weight.normal_(0, 0.02)
        network.enlargement.out.weight.normal_(0, 0.02)
        network.dictionary.gain.uniform_(-0.2, 0.2)
    return network.eval()


def write_model(root: Path, name: str = "tiny") -> CollageNetwork:
    """Export `make_network` below `root` as a model; returns the network."""
    network = make_network()
    generator = torch.Generator().manual_seed(1)
    pictures = torch.from_numpy(scene(128, 128, seed=9).transpose(2, 0, 1).copy()).float()[None]
    batches = [(pictures, torch.rand(1, generator=generator) * 60 + 10) for _ in range(3)]
    export(network, batches, name, root / name)
    return network


@contextmanager
def models_in(root: Path) -> Iterator[None]:
    """Let models be found below `root` first."""
    before = os.environ.get("COLLAGE_MODELS")
    os.environ["COLLAGE_MODELS"] = str(root)
    try:
        yield
    finally:
        if before is None:
            del os.environ["COLLAGE_MODELS"]
        else:
            os.environ["COLLAGE_MODELS"] = before
