"""The three kinds of maps that can be fitted, each as unconstrained numbers from which contractions are made.

`line`: a similarity, the one that takes the segment from (-1, 0) to (1, 0) to a segment with two free ends; it
may mirror. `square`: a similarity given by the corner to which the middle of a square goes, its angle and its
size. `affine`: rotation, two singular values, rotation, offset. Works with torch; a sign that says whether a
map mirrors is fixed when a fit begins.
"""

from __future__ import annotations

import math
from types import MappingProxyType
from typing import Literal, get_args

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

Kind = Literal["line", "square", "affine"]
KINDS = get_args(Kind)
NUMBERS = MappingProxyType({"line": 4, "square": 4, "affine": 6})
"""Free numbers of a map."""

SMALLEST, LARGEST = 0.02, 0.95
"""Singular values stay between these: contractions that are not flat."""

Floats = NDArray[np.float64]


def maps(kind: Kind, numbers: Tensor, mirrored: Tensor) -> tuple[Tensor, Tensor]:
    """Matrices (N, 2, 2) and offsets (N, 2) of `numbers` (N, 4 or 6); `mirrored` (N,) is -1 or 1."""
    if kind == "affine":
        return _affine(numbers, mirrored)
    if kind == "line":
        first, second = numbers[:, :2], numbers[:, 2:]
        middle, half = (first + second) / 2, (second - first) / 2
        length = torch.sqrt((half * half).sum(1) + 1e-12)
        half = half * (_within(length) / length)[:, None]
    else:
        middle, size = numbers[:, :2], SMALLEST + (LARGEST - SMALLEST) * torch.sigmoid(numbers[:, 3])
        half = torch.stack((torch.cos(numbers[:, 2]), torch.sin(numbers[:, 2])), 1) * size[:, None]
    across = torch.stack((-half[:, 1], half[:, 0]), 1) * mirrored[:, None]
    return torch.stack((half, across), 2), middle


def _within(length: Tensor) -> Tensor:
    """A length between the bounds: itself between them, so that ends of segments are where they are put."""
    return length.clamp(SMALLEST, LARGEST)


def _affine(numbers: Tensor, mirrored: Tensor) -> tuple[Tensor, Tensor]:
    sizes = SMALLEST + (LARGEST - SMALLEST) * torch.sigmoid(numbers[:, 1:3])
    left, right = _rotation(numbers[:, 0]), _rotation(numbers[:, 3])
    signed = torch.stack((sizes[:, 0], sizes[:, 1] * mirrored), 1)
    return left * signed[:, None, :] @ right, numbers[:, 4:]


def _rotation(angles: Tensor) -> Tensor:
    cosine, sine = torch.cos(angles), torch.sin(angles)
    return torch.stack((torch.stack((cosine, -sine), 1), torch.stack((sine, cosine), 1)), 1)


def numbers_of(kind: Kind, scale: float, angle: float, mirror: float, offset: Floats) -> Floats:
    """The free numbers of one similarity: `scale` times a rotation, after mirroring y if `mirror` is -1."""
    if kind == "line":
        half = scale * np.array((math.cos(angle), math.sin(angle)))
        return np.concatenate((offset - half, offset + half))
    share = min(max((scale - SMALLEST) / (LARGEST - SMALLEST), 0.01), 0.99)
    logit = math.log(share / (1 - share))
    if kind == "square":
        return np.array((*offset, angle, logit))
    return np.array((angle, logit, logit, 0.0, *offset))
