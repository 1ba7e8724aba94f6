"""RSSCN7 (Zou et al. 2015), aerial scenes of seven classes: a split, and mosaics of them for codecs.

A picture of 96x96 pixels is too small for a fair file: headers and priors would decide. The pictures of the test
are therefore laid out in mosaics of 960x960, coded as one picture each, and cut out of the decoded mosaic.
"""

from __future__ import annotations

import io
import zipfile
from collections import defaultdict
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from collagecodec.sampling.request import Image8

ARCHIVE = "rsscn7/rsscn7_96px.zip"
SIDE = 96
ACROSS = 10
"""Pictures in a row of a mosaic."""


@dataclass(frozen=True)
class Scenes:
    """Pictures, uint8 (N, 96, 96, 3), their classes, int64 (N,), and the names of the classes."""

    pictures: Image8
    classes: NDArray[np.int64]
    names: tuple[str, ...]


def load(root: Path, test_share: float = 0.25) -> tuple[Scenes, Scenes]:
    """Return the scenes to train on and those to test on: of each class, the last ones by name are the test.

    Raises `FileNotFoundError` if the archive is not below `root`.
    """
    path = root / ARCHIVE
    if not path.exists():
        raise FileNotFoundError(f"no {ARCHIVE} in {root}: set COLLAGE_DATA or --data-root")
    by_class: dict[str, list[Image8]] = defaultdict(list)
    with zipfile.ZipFile(path) as archive:
        for name in sorted(archive.namelist()):
            folder, _, file = name.rpartition("/")
            if file and folder:
                by_class[folder].append(np.asarray(Image.open(io.BytesIO(archive.read(name))).convert("RGB")))
    names = tuple(sorted(by_class))
    parts: tuple[list[Image8], list[Image8]] = ([], [])
    classes: tuple[list[int], list[int]] = ([], [])
    for number, name in enumerate(names):
        pictures = by_class[name]
        border = len(pictures) - round(len(pictures) * test_share)
        for place, part in enumerate((pictures[:border], pictures[border:])):
            parts[place].extend(part)
            classes[place].extend([number] * len(part))
    train, test = (
        Scenes(np.stack(part), np.array(kind), names) for part, kind in zip(parts, classes, strict=True)
    )
    return train, test


def mosaics(scenes: Scenes, seed: int = 0) -> list[tuple[Image8, NDArray[np.int64]]]:
    """Return pictures of up to 10x10 scenes in random order, each with the indices of its scenes, row by row.

    The last mosaic has as many complete rows as there are scenes for; what remains is left out.
    """
    order = np.random.default_rng(seed).permutation(len(scenes.pictures))
    found = []
    for start in range(0, len(order), ACROSS**2):
        chosen = order[start : start + ACROSS**2]
        chosen = chosen[: len(chosen) // ACROSS * ACROSS]
        if len(chosen):
            grid = scenes.pictures[chosen].reshape(-1, ACROSS, SIDE, SIDE, 3)
            image = grid.transpose(0, 2, 1, 3, 4).reshape(-1, ACROSS * SIDE, 3)
            found.append((np.ascontiguousarray(image), chosen))
    return found


def cut(mosaic: Image8) -> Image8:
    """Return the scenes of a mosaic, row by row."""
    rows = mosaic.shape[0] // SIDE
    return mosaic.reshape(rows, SIDE, ACROSS, SIDE, 3).transpose(0, 2, 1, 3, 4).reshape(-1, SIDE, SIDE, 3)
