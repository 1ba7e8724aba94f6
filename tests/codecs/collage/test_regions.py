"""A region of an enlarged picture equals the cut of the whole picture, sample by sample."""

from __future__ import annotations

from fractions import Fraction

import numpy as np
import pytest
from tiny_model import scene

import collagecodec

HEIGHT, WIDTH = 118, 150
CELL = 16
KERNEL = 3
"""Stored pixels that the cubic kernel reads beyond a region on every side."""
REGIONS = [
    # The kernel's neighbourhood ends a pixel inside the next cell on all four sides, for an error of 1 to matter.
    (CELL + KERNEL - 1, 2 * CELL + KERNEL - 1, 2 * CELL - 4, 3 * CELL - 4),
    (0, 0, 30, 14),
    (WIDTH - 22, HEIGHT - 38, 22, 38),
    (17, 33, 45, 31),
    (31, 15, 1, 1),
    (3, 101, 99, 17),
]


@pytest.fixture(scope="module")
def data(tiny_model):
    return collagecodec.encode(scene(HEIGHT, WIDTH, seed=5), model="tiny", quality=60)


def cut(picture, region, scale):
    x, y, w, h = (int(value * scale) for value in region)
    return picture[y : y + h, x : x + w]


@pytest.mark.parametrize("fast", [False, True], ids=["network", "kernel"])
@pytest.mark.parametrize("scale", [Fraction(2), Fraction(4), Fraction(3), Fraction(3, 2)], ids=str)
def test_a_region_equals_the_cut_of_the_whole(data, scale, fast):
    whole = collagecodec.decode(data, scale=float(scale), fast=fast)
    assert whole.shape == (HEIGHT * scale, WIDTH * scale, 3)
    # Regions whose borders fall between output pixels have pixels of their own.
    aligned = [region for region in REGIONS if all((value * scale).denominator == 1 for value in region)]
    assert len(aligned) == (len(REGIONS) if scale.denominator == 1 else 3)
    for region in aligned:
        part = collagecodec.decode(data, scale=float(scale), region=region, fast=fast)
        np.testing.assert_array_equal(part, cut(whole, region, scale), err_msg=str(region))
