"""The targets: binary pictures of 32x32 pixels to which IFS are fitted."""

from __future__ import annotations

from itertools import islice
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from collagecodec.fractals import fractaldb
from eval.studies.learned_ifs import idx

NAMES = ("fractaldb", *idx.SETS)
THRESHOLD = 0.2
"""Brighter pixels become white, as in the authors' code for FMNIST and KMNIST."""
_CLASSES = 10


def targets(name: str, count: int, root: Path | None = None, kept: Path | None = None) -> NDArray[np.float32]:
    """Return `count` targets, float32 (count, 32, 32) of 0 and 1. Raises `DataError` if pictures are missing.

    Of MNIST and similar sets these are the first pictures of each class of the test part, with alternating
    classes, as the authors choose them (ten of each class for 100). Of 'fractaldb' they are the first random IFS
    of seed 0. Generating those takes a while, so that they are read from the PNG file `kept`, which stacks them
    vertically, or written to it if it contains too few.
    """
    if name != "fractaldb":
        return (_first_of_classes(name, count, root) > THRESHOLD).astype(np.float32)
    if kept is not None and kept.exists():
        with Image.open(kept) as picture:
            stored = np.asarray(picture, np.float32).reshape(-1, idx.SIDE, idx.SIDE)
        if len(stored) >= count:
            return stored[:count]
    fractals = (_fractals(count) > THRESHOLD).astype(np.float32)
    if kept is not None:
        kept.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(fractals.reshape(-1, idx.SIDE) > 0).save(kept, "PNG")
    return fractals


def _fractals(count: int) -> NDArray[np.float32]:
    random = np.random.default_rng(0)
    cell = fractaldb.SIDE // idx.SIDE
    pictures = [fractaldb.pixels(ifs, random) for ifs in islice(fractaldb.systems(0), count)]
    shares = np.stack(pictures).reshape(count, idx.SIDE, cell, idx.SIDE, cell).mean((2, 4))
    return shares.astype(np.float32)


def _first_of_classes(name: str, count: int, root: Path | None) -> NDArray[np.float32]:
    pictures, labels = idx.images(name, root=root), idx.labels(name, root=root)
    each = -(-count // _CLASSES)
    chosen = np.stack([np.flatnonzero(labels == number)[:each] for number in range(_CLASSES)], 1)
    return idx.enlarged(pictures[chosen.ravel()[:count]])
