"""Reading pictures and labels of MNIST, Fashion-MNIST and KMNIST from IDX files."""

from __future__ import annotations

import gzip
import math
import struct
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from eval.harness.datasets import ROOT_VARIABLE, DataError, default_root

SETS = {
    "mnist": "MNIST, http://yann.lecun.com/exdb/mnist",
    "fmnist": "Fashion-MNIST, https://github.com/zalandoresearch/fashion-mnist",
    "kmnist": "KMNIST, http://codh.rois.ac.jp/kmnist",
}
FOLDER = "mnist"
SIDE = 32

Pixels = NDArray[np.uint8]


def images(name: str, part: str = "t10k", root: Path | None = None) -> Pixels:
    """Return the pictures of a set, uint8 (count, 28, 28). `part`: 'train' or 't10k'. Raises `DataError`."""
    return _read(name, f"{name}-{part}-images-idx3-ubyte.gz", 3, root)


def labels(name: str, part: str = "t10k", root: Path | None = None) -> Pixels:
    """Return the classes of a set's pictures, uint8 (count,), 0 to 9. Raises `DataError`."""
    return _read(name, f"{name}-{part}-labels-idx1-ubyte.gz", 1, root)


def enlarged(pictures: Pixels, side: int = SIDE) -> NDArray[np.float32]:
    """Return `pictures` (count, H, W) resized bilinearly, float32 (count, side, side) from 0 to 1."""
    resized = [Image.fromarray(picture).resize((side, side), Image.Resampling.BILINEAR) for picture in pictures]
    return (np.stack([np.asarray(picture) for picture in resized]) / 255).astype(np.float32)


def chosen(text: str, known: tuple[str, ...], what: str) -> list[str]:
    """Return the comma-separated names in `text`; raises `ValueError` for a name that is not `known`."""
    parts = [part.strip() for part in text.split(",") if part.strip()]
    for part in parts:
        if part not in known:
            raise ValueError(f"unknown {what} {part!r}: choose from {', '.join(known)}")
    return parts


def _read(name: str, file: str, axes: int, root: Path | None) -> Pixels:
    path = (root or default_root()) / FOLDER / file
    if not path.is_file():
        raise DataError(
            f"{name} needs {FOLDER}/{file} under --data-root or ${ROOT_VARIABLE}: download it from {SETS[name]} "
            f"and prefix its name with '{name}-'"
        )
    try:
        data = gzip.decompress(path.read_bytes())
        zero, kind, dimensions, *shape = struct.unpack_from(f">HBB{axes}i", data)
    except (OSError, EOFError, struct.error) as error:
        raise DataError(f"{FOLDER}/{file} cannot be read: {error}") from error
    header = 4 + 4 * axes
    if (zero, kind, dimensions) != (0, 8, axes) or min(shape) < 0 or len(data) != header + math.prod(shape):
        raise DataError(f"{FOLDER}/{file} is not an IDX file of {axes} axes of bytes")
    return np.frombuffer(data, np.uint8, offset=header).reshape(shape)
