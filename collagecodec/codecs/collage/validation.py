"""Validation of the arrays of a model of the codec `collage`, before anything is computed with them.

A model file may come from anywhere. Names, shapes, types and ranges are checked here, and every layer shows that
its sums stay exact (`IntegerLayer.check_exact`). Arrays of other names are ignored.
"""

from __future__ import annotations

from itertools import pairwise
from typing import Any

import numpy as np
from numpy.typing import NDArray

from bitstream.entropy import MAX_TABLES
from collagecodec.codecs.collage.hierarchical_order import FIRST_PASSES, passes_of
from collagecodec.codecs.collage.integers import ACTIVATION_MAX
from collagecodec.codecs.collage.prior import MAX_CODE
from collagecodec.codecs.collage.tile_head import HEAD_TABLE, MAP_TABLES
from collagecodec.codecs.models import Tensors

MAX_CELL = 64
MAX_CHANNELS = 4096
MAX_GAIN = 2**24
MAX_SHIFT = 22
MAX_LAYERS = 16
_PLACES = 9


class _Arrays:
    """Access to arrays by name that checks their shape, type and range; ValueError."""

    def __init__(self, tensors: Tensors) -> None:
        self.tensors = tensors

    def get(
        self, name: str, kind: str, shape: tuple[int | None, ...], low: int | None = None, high: int | None = None
    ) -> NDArray[Any]:
        if name not in self.tensors:
            raise ValueError(f"there is no array {name!r}")
        array = self.tensors[name]
        fits = len(shape) == array.ndim and all(
            wanted is None or wanted == found for wanted, found in zip(shape, array.shape, strict=True)
        )
        if array.dtype != np.dtype(kind) or not fits:
            raise ValueError(f"{name} is {array.dtype} {array.shape}, not {kind} {shape}")
        if array.size and ((low is not None and array.min() < low) or (high is not None and array.max() > high)):
            raise ValueError(f"{name} has values outside {low} .. {high}")
        return array

    def layer(self, name: str, inputs: int, outputs: int | None = None) -> int:
        """Check a layer; return the number of its outputs."""
        weight = self.get(f"{name}.weight", "i1", (inputs, outputs))
        count = int(weight.shape[1])
        self.get(f"{name}.bias", "i4", (count,), -(2**24), 2**24)
        self.get(f"{name}.slope", "i4", (count,), -(2**17), 2**17)
        self.get(f"{name}.shift", "i4", (1,), 1, MAX_SHIFT)
        return count


def validate(tensors: Tensors) -> None:
    """Raise ValueError, which says what is wrong, for arrays that are not those of a decoder (FORMAT.md 5.2)."""
    arrays = _Arrays(tensors)
    channels = _dictionary(arrays)
    bounds = arrays.get("slices", "i4", (None,), 0, channels).tolist()
    if len(bounds) < 2 or bounds[0] != 0 or bounds[-1] != channels or any(a >= b for a, b in pairwise(bounds)):
        raise ValueError(f"the slices {bounds} do not divide {channels} channels")
    _prior(arrays, bounds)
    _convolutions(arrays, "restoration", 12)
    _convolutions(arrays, "enlargement", 48)
    sizes = arrays.get("tables.sizes", "i4", (None,), 1)
    arrays.get("tables.counts", "i4", (int(sizes.sum(dtype=np.int64)),), 1)
    if not 1 <= sizes.size <= MAX_TABLES:
        raise ValueError(f"there are {sizes.size} tables, not 1 .. {MAX_TABLES}")


def _dictionary(arrays: _Arrays) -> int:
    """Check atoms, channels and gains; return the number of channels."""
    quads = arrays.get("atoms.0", "i2", (None, None)).shape[1]
    cell = round((quads / 4) ** 0.5)
    if 4 * cell * cell != quads or cell % 2 or not 2 <= cell <= MAX_CELL:
        raise ValueError(
            f"atoms of {quads} samples do not have four square quadrants of even sides to {MAX_CELL}"
        )
    found = []
    for plane in range(3):
        count = arrays.get(f"atoms.{plane}", "i2", (None, quads)).shape[0]
        found.append(arrays.get(f"channels.{plane}", "i4", (count,)))
    order = np.sort(np.concatenate(found))
    if not 1 <= order.size <= MAX_CHANNELS or (order != np.arange(order.size)).any():
        raise ValueError(f"the channels of the planes are not 0 .. {order.size - 1}, each once")
    arrays.get("gains", "i4", (order.size,), 0, MAX_GAIN)
    return int(order.size)


def _prior(arrays: _Arrays, bounds: list[int]) -> None:
    arrays.get("magnitudes", "u1", (256,), 0, ACTIVATION_MAX)
    first = bounds[1]
    arrays.get("predict.left", "i2", (first,))
    if "slices.finest" in arrays.tensors:
        _hierarchical_prior(arrays, bounds)
        return
    for name in ("predict.diagonal", "predict.direct"):
        _means(name, arrays.get(name, "i2", (4 * first, first)))
    for index, (start, stop) in enumerate(pairwise(bounds)):
        before = arrays.layer(f"prior.{index}.before", start) if index else 0
        own = arrays.layer(f"prior.{index}.own", stop - start)
        for number in range(2 if index else 3):
            name = f"prior.{index}.{number}"
            near = arrays.layer(f"{name}.near", _PLACES * (before + own + 2))
            arrays.layer(f"{name}.out", arrays.layer(f"{name}.mix", near), stop - start)


def _hierarchical_prior(arrays: _Arrays, bounds: list[int]) -> None:
    finest = arrays.get("slices.finest", "i4", (len(bounds) - 1,), 1, MAX_CELL)
    if (np.diff(finest) < 0).any():
        raise ValueError(f"the widest cells of the slices fall: {finest.tolist()}")
    if arrays.get("tables.sizes", "i4", (None,)).size <= max(HEAD_TABLE, *MAP_TABLES):
        raise ValueError("there are fewer tables than the heads of tiles name")
    first = bounds[1]
    for weights in arrays.get("predict.around", "i2", (len(FIRST_PASSES) - 1, 4 * first, first)):
        _means("predict.around", weights)
    for index, (start, stop) in enumerate(pairwise(bounds)):
        known = [start, stop - start]
        for place, part in enumerate(("before", "own")):
            if f"prior.{index}.{part}.weight" in arrays.tensors:
                known[place] = arrays.layer(f"prior.{index}.{part}", known[place])
        for number, each in enumerate(passes_of(index)):
            name = f"prior.{index}.{number}"
            near = arrays.layer(f"{name}.near", _PLACES * (known[0] + 1) + len(each.taps) * known[1])
            arrays.layer(f"{name}.out", arrays.layer(f"{name}.mix", near), stop - start)


def _means(name: str, weights: NDArray[Any]) -> None:
    """Check that a mean, this sum times the largest code / 256, fits 32 bits together with a symbol."""
    if int(np.abs(weights.astype(np.int64)).sum(0).max()) * MAX_CODE >> 8 >= 2**30:
        raise ValueError(f"the weights of {name} could give a mean beyond 32 bits")


def _convolutions(arrays: _Arrays, name: str, outputs: int) -> None:
    depth = sum(key.startswith(f"{name}.") and key.endswith(".weight") for key in arrays.tensors)
    if depth > MAX_LAYERS:
        raise ValueError(f"{name} has {depth} layers, more than {MAX_LAYERS}")
    inputs = 12
    for number in range(depth):
        inputs = arrays.layer(f"{name}.{number}", _PLACES * inputs, outputs if number + 1 == depth else None)
