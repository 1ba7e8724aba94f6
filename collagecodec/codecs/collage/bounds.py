"""The largest sums that a model of the codec `collage` can reach, which prove that its arithmetic is exact.

float32 holds every integer up to 2^24, float64 up to 2^53. A sum of integers whose magnitudes add up to less is
exact in any order, on every machine. The bounds follow from the model alone, whatever a file holds.
"""

from __future__ import annotations

import numpy as np

from collagecodec.codecs.collage.decoder import MAX_PRODUCT
from collagecodec.codecs.collage.integers import EXACT_FLOAT32
from collagecodec.codecs.collage.prior import MAX_CODE
from collagecodec.codecs.models import Tensors

EXACT_FLOAT64 = 2**53
LARGEST_INPUT = 128
"""Magnitude of the inputs of layers: pixel levels are -128 .. 127, activations 0 .. 127."""
LARGEST_RATE_INDEX = 127


def largest_sums(tensors: Tensors) -> dict[str, tuple[int, int]]:
    """Return the largest magnitude of every kind of sum, and the bound below which it is exact.

    The names are those of layers (`restoration.0`), of predictions (`predict.direct`) and of the synthesis of a
    plane (`atoms.0`).
    """
    sums = {}
    for key in tensors:
        if key.endswith(".weight"):
            name = key.removesuffix(".weight")
            sums[name] = _of_layer(tensors, name), EXACT_FLOAT32
    for name in ("predict.diagonal", "predict.direct", "predict.around"):
        if name not in tensors:
            continue
        weights = np.abs(tensors[name].astype(np.int64)).sum(-2)
        sums[name] = int(weights.max(initial=0)) * MAX_CODE + 128, EXACT_FLOAT64
    for plane in range(3):
        atoms = np.abs(tensors[f"atoms.{plane}"].astype(np.int64))
        # All four cells that cover a sample contribute, each at most the largest sample of every atom.
        sums[f"atoms.{plane}"] = 4 * int(atoms.max(1, initial=0).sum()) * MAX_PRODUCT, EXACT_FLOAT64
    return sums


def _of_layer(tensors: Tensors, name: str) -> int:
    weight, bias, slope = (
        np.abs(tensors[f"{name}.{part}"].astype(np.int64)) for part in ("weight", "bias", "slope")
    )
    sums = weight.sum(0) * LARGEST_INPUT + bias + LARGEST_RATE_INDEX * slope
    return int(sums.max(initial=0)) + 2 ** int(tensors[f"{name}.shift"][0])


def check_sums(tensors: Tensors) -> None:
    """Raise ValueError for a model one of whose sums could be inexact."""
    for name, (largest, bound) in largest_sums(tensors).items():
        if largest >= bound:
            raise ValueError(f"a sum of {name} can reach {largest}, beyond the exact {bound}")
