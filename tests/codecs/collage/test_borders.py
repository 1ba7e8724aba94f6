"""Reflection at the borders of pictures and tiles: exact indices, and the same as in training."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from collagecodec.codecs.collage.encoder.analysis import _mirror
from collagecodec.codecs.collage.hierarchical_order import cells_of
from collagecodec.codecs.collage.quincunx_order import neighbours
from collagecodec.codecs.collage.torch.transform import frame

CELL = 16


@pytest.mark.parametrize(
    ("first", "last", "size", "expected"),
    [
        (-3, 8, 5, [3, 2, 1, 0, 1, 2, 3, 4, 3, 2, 1]),
        (-4, 6, 3, [0, 1, 2, 1, 0, 1, 2, 1, 0, 0]),
        (-1, 4, 2, [1, 0, 1, 0, 0]),
        (-2, 3, 1, [0, 0, 0, 0, 0]),
        (2, 5, 8, [2, 3, 4]),
        (6, 10, 8, [6, 7, 6, 5]),
    ],
)
def test_crops_are_reflected_without_repeating_the_edge(first, last, size, expected):
    assert _mirror(first, last, size).tolist() == expected


@pytest.mark.parametrize("size", [33, 40, 48, 63])
def test_the_encoder_frames_a_picture_as_training_does(size):
    index = torch.arange(size, dtype=torch.float32).expand(1, 1, size, size)
    framed = frame(index, CELL)[0, 0, 0].to(torch.int64)
    assert _mirror(-CELL, -(-size // CELL) * CELL + CELL, size).tolist() == framed.tolist()


@pytest.mark.parametrize(
    ("shape", "pass_index", "expected"),
    [
        ((2, 3), 1, [[0, 2, 0, 2]]),
        ((3, 3), 1, [[0, 2, 6, 8]]),
        ((1, 3), 2, [[3, 0, 2, 3]]),
        ((3, 1), 2, [[0, 3, 3, 2]]),
        ((2, 2), 2, [[3, 0, 0, 3], [0, 3, 3, 0]]),
    ],
)
def test_neighbours_are_mirrored_at_the_border_of_a_tile(shape, pass_index, expected):
    assert np.array_equal(neighbours(*shape, pass_index), expected)


@pytest.mark.parametrize(
    ("shape", "number", "expected"),
    [
        # A cell outside gives way to that on the opposite side, which an earlier pass has coded.
        ((3, 4), 1, [[0, 0, 0, 0]]),
        ((3, 4), 2, [[10, 0, 0, 10], [0, 10, 10, 0]]),
        ((3, 4), 3, [[0, 2, 8, 10], [2, 2, 10, 10]]),
    ],
)
def test_neighbours_outside_give_way_to_the_opposite_ones(shape, number, expected):
    assert cells_of(*shape, 0)[number].mirrored.tolist() == expected
