"""Keypoints of a decoded picture against those of its original: what registration and matching depend on.

SIFT (Lowe 2004) by OpenCV. A keypoint is *repeated* if the decoded picture has one within 1.5 pixels whose scale
is within a factor of the square root of 2 (after Mikolajczyk et al. 2005). It is *matched* if its descriptor and
that of such a keypoint are each other's nearest.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from collagecodec.sampling.request import Image8
from collagecodec.sampling.threads import thread_count

STRONGEST = 500
"""The number of keypoints of a picture, those of the strongest contrast."""
_DISTANCE = 1.5
_SCALE = 2**0.5


@dataclass(frozen=True)
class Keypoints:
    """Places x and y in pixels, (N, 2), sizes in pixels, (N,), and descriptors, (N, 128)."""

    places: NDArray[np.float32]
    sizes: NDArray[np.float32]
    descriptors: NDArray[np.float32]


def detected(image: Image8) -> Keypoints:
    """Return the strongest keypoints of a uint8 picture (H, W, 3)."""
    cv2.setNumThreads(thread_count())
    grey = cv2.cvtColor(image, cv2.COLOR_RGB2GRAY)
    points, descriptors = cv2.SIFT.create(nfeatures=STRONGEST).detectAndCompute(grey, None)
    if not points:
        return Keypoints(np.zeros((0, 2), np.float32), np.zeros(0, np.float32), np.zeros((0, 128), np.float32))
    return Keypoints(
        _places(points),
        np.array([point.size for point in points], np.float32),
        np.asarray(descriptors, np.float32),
    )


def kept(original: Keypoints, decoded: Keypoints) -> tuple[float, float]:
    """Return the shares of the original's keypoints that are repeated and that are matched, 0 to 1.

    Both are `nan` if the original has no keypoint.
    """
    if not len(original.sizes):
        return float("nan"), float("nan")
    if not len(decoded.sizes):
        return 0.0, 0.0
    distances = np.linalg.norm(original.places[:, None] - decoded.places[None], axis=2)
    ratios = np.abs(np.log(original.sizes[:, None] / decoded.sizes[None]))
    same = (distances <= _DISTANCE) & (ratios <= np.log(_SCALE))
    near = _squared(original.descriptors, decoded.descriptors)
    forward, backward = near.argmin(axis=1), near.argmin(axis=0)
    numbers = np.arange(len(original.sizes))
    matched = (backward[forward] == numbers) & same[numbers, forward]
    return float(same.any(axis=1).mean()), float(matched.mean())


def _squared(one: NDArray[np.float32], other: NDArray[np.float32]) -> NDArray[np.float32]:
    """Return the squared distances between all descriptors."""
    return np.asarray((one**2).sum(1)[:, None] + (other**2).sum(1)[None] - 2 * one @ other.T)


def _places(points: Sequence[cv2.KeyPoint]) -> NDArray[np.float32]:
    return np.array([point.pt for point in points], np.float32)
