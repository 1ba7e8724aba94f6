"""Random crops of pictures, which are kept in memory as 8-bit RGB."""

from __future__ import annotations

import zlib
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image
from torch import Tensor

from collagecodec.errors import UnsupportedImageError

SUFFIXES = frozenset({".png", ".webp", ".tif", ".tiff", ".jpg", ".jpeg", ".ppm", ".bmp"})
HELD_OUT_OF = 16
"""One of 16 pictures, chosen by a checksum of its name, is reserved for validation."""


def list_pictures(folders: Sequence[Path]) -> list[Path]:
    """Return all pictures below the folders, sorted; FileNotFoundError if there are none."""
    pictures = sorted(p for folder in folders for p in Path(folder).rglob("*") if p.suffix.lower() in SUFFIXES)
    if not pictures:
        raise FileNotFoundError(
            f"no pictures below {', '.join(map(str, folders))}: give --data a folder of images"
        )
    return pictures


def is_held_out(path: Path) -> bool:
    """Return whether a picture belongs to the validation split, which depends on its file name only."""
    return zlib.crc32(path.name.encode()) % HELD_OUT_OF == 0


def load_rgb(path: Path) -> NDArray[np.uint8]:
    """Decode a picture to (H, W, 3) uint8; UnsupportedImageError if it cannot be read."""
    try:
        with Image.open(path) as image:
            return np.asarray(image.convert("RGB"))
    except OSError as error:
        raise UnsupportedImageError(f"{path} cannot be read as a picture: remove it from the data") from error


class Crops:
    """Random batches of square crops, turned and flipped at random.

    `groups` holds pairs (pictures, weight). For each crop a group is drawn by weight, then a picture by area. A
    batch depends on the seed and the step only, so it is the same on every machine and after an interruption.
    """

    def __init__(
        self, groups: Sequence[tuple[Sequence[NDArray[np.uint8]], float]], size: int, batch: int, seed: int
    ) -> None:
        self.groups = [[p for p in pictures if min(p.shape[:2]) >= size] for pictures, _ in groups]
        if not all(self.groups):
            raise ValueError(f"a data folder has no picture of at least {size}x{size} pixels")
        weights = np.array([weight for _, weight in groups], float)
        self.weights = weights / weights.sum()
        areas = [np.array([p.shape[0] * p.shape[1] for p in group], float) for group in self.groups]
        self.chances = [a / a.sum() for a in areas]
        self.size, self.batch, self.seed = size, batch, seed

    def at(self, step: int) -> Tensor:
        """Return the batch of a step: (batch, 3, size, size) uint8."""
        rng = np.random.default_rng([self.seed, step])
        return torch.from_numpy(np.stack([self._crop(rng) for _ in range(self.batch)]))

    def _crop(self, rng: np.random.Generator) -> NDArray[np.uint8]:
        group = rng.choice(len(self.groups), p=self.weights)
        picture = self.groups[group][rng.choice(len(self.groups[group]), p=self.chances[group])]
        y = rng.integers(picture.shape[0] - self.size + 1)
        x = rng.integers(picture.shape[1] - self.size + 1)
        crop = np.rot90(picture[y : y + self.size, x : x + self.size], int(rng.integers(4)))
        if rng.integers(2):
            crop = crop[::-1]
        return np.ascontiguousarray(crop.transpose(2, 0, 1))

    def batches(self, first: int, last: int) -> Iterator[tuple[int, Tensor]]:
        """Yield the steps first .. last - 1 and their batches."""
        for step in range(first, last):
            yield step, self.at(step)
