"""The three kinds of maps that can be fitted, each with unconstrained parameters that yield contractions.

`line`: the similarity that takes the segment from (-1, 0) to (1, 0) to a segment with two free ends; it may
mirror. `square`: a similarity given by the image of the middle of a square, its angle and its size. `affine`:
rotation, two singular values, rotation, offset. The functions work on torch tensors. Whether a map mirrors is
fixed when a fit starts.
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
"""Parameters of a map."""

SMALLEST, LARGEST = 0.02, 0.95
"""Bounds of the singular values: maps contract and are not flat."""

Floats = NDArray[np.float64]


def maps(kind: Kind, numbers: Tensor, mirrored: Tensor) -> tuple[Tensor, Tensor]:
    """Return matrices (N, 2, 2) and offsets (N, 2) of `numbers` (N, 4 or 6); `mirrored` (N,) is -1 or 1."""
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
    """Return a length clamped to the bounds, so that lengths within them are exact."""
    return length.clamp(SMALLEST, LARGEST)


def _affine(numbers: Tensor, mirrored: Tensor) -> tuple[Tensor, Tensor]:
    sizes = SMALLEST + (LARGEST - SMALLEST) * torch.sigmoid(numbers[:, 1:3])
    left, right = _rotation(numbers[:, 0]), _rotation(numbers[:, 3])
    signed = torch.stack((sizes[:, 0], sizes[:, 1] * mirrored), 1)
    return left * signed[:, None, :] @ right, numbers[:, 4:]


def _rotation(angles: Tensor) -> Tensor:
    cosine, sine = torch.cos(angles), torch.sin(angles)
    return torch.stack((torch.stack((cosine, -sine), 1), torch.stack((sine, cosine), 1)), 1)


def numbers_of(kind: Kind, matrix: Floats, offset: Floats) -> Floats:
    """Return the parameters of a map, a similarity unless the kind is affine, without its mirroring."""
    left, sizes, right = np.linalg.svd(matrix)
    if kind != "affine":
        half = matrix[:, 0]
        if kind == "line":
            return np.concatenate((offset - half, offset + half))
        return np.array((*offset, math.atan2(half[1], half[0]), _logit(math.hypot(*half))))
    # Both rotations proper: reflections in the factors are moved into the sign of the second singular value.
    if np.linalg.det(left) < 0:
        left = left * np.array((1.0, -1.0))
    if np.linalg.det(right) < 0:
        right = right * np.array((1.0, -1.0))[:, None]
    first, second = math.atan2(left[1, 0], left[0, 0]), math.atan2(right[1, 0], right[0, 0])
    return np.array((first, _logit(sizes[0]), _logit(sizes[1]), second, *offset))


def _logit(size: float) -> float:
    """Return the argument of the sigmoid that gives a singular value."""
    share = min(max((size - SMALLEST) / (LARGEST - SMALLEST), 0.01), 0.99)
    return math.log(share / (1 - share))
