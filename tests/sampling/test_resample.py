"""Resampling: whole weights, exact where it can be, never shifted."""

from __future__ import annotations

from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from collagecodec.sampling.bands import resampled
from collagecodec.sampling.resample import UNIT, Axis, cubic_weights


def run(values: np.ndarray, height: int, width: int) -> np.ndarray:
    h, w = values.shape
    bands = resampled([values[None].astype(np.float32)], Axis(0, h, 1, height, h), Axis(0, w, 1, width, w))
    return np.concatenate(list(bands), axis=1)[0]


def test_cubic_weights_sum_to_the_unit_and_interpolate():
    weights = cubic_weights()
    assert (weights.sum(1) == UNIT).all()
    assert weights[0].tolist() == [0, 0, UNIT, 0, 0, 0]


@given(st.integers(1, 40), st.integers(1, 90))
def test_every_axis_has_weights_that_sum_to_the_unit(length, count):
    axis = Axis(0, length, 1, count, length)
    assert axis.taps.shape == axis.weights.shape
    assert (axis.weights.sum(1) == UNIT).all()
    assert axis.taps.min() >= 0
    assert axis.taps.max() < length


@given(st.integers(1, 30), st.integers(1, 30), st.integers(1, 60), st.integers(1, 60))
def test_constant_pictures_stay_constant(h, w, height, width):
    assert (run(np.full((h, w), 777), height, width) == 777).all()


def test_reduction_is_the_area_average():
    values = np.arange(36).reshape(6, 6) * 16
    expected = values.reshape(2, 3, 3, 2).mean((1, 3))
    assert np.array_equal(run(values, 2, 3), np.floor(expected + 0.5))


def test_enlarging_a_ramp_keeps_it_in_place():
    values = np.broadcast_to(np.arange(40) * 160, (8, 40))
    out = run(values, 8, 80)
    position = (np.arange(80) + 0.5) / 2 - 0.5
    assert np.abs(out[4, 8:-8] - position[8:-8] * 160).max() <= 1


@pytest.mark.parametrize("size", [(13, 7), (50, 61), (100, 30)])
def test_bands_do_not_show(size):
    rng = np.random.default_rng(0)
    values = rng.integers(-2000, 2000, (2, 37, 29)).astype(np.float32)
    axes = Axis(0, 37, 1, size[0], 37), Axis(0, 29, 1, size[1], 29)
    whole = np.concatenate(list(resampled([values], *axes)), axis=1)
    parts = [values[:, a : a + 5] for a in range(0, 37, 5)]
    assert np.array_equal(np.concatenate(list(resampled(parts, *axes, height=4)), axis=1), whole)
    assert whole.shape == (2, *size)


def test_a_part_of_an_axis_is_the_part_of_the_whole():
    rng = np.random.default_rng(1)
    values = rng.integers(0, 4000, (1, 64, 1)).astype(np.float32)
    whole = Axis(0, 64, 1, 128, 64).apply(values, 0, 128)
    part = Axis(16, 20, 1, 40, 64).apply(values, 0, 40)
    assert np.array_equal(part[0, :, 0], whole[0, 32:72, 0])


def test_fractional_starts():
    axis = Axis(56, 16 * 5, 16, 5, 20)
    assert Fraction(56, 16) == Fraction(7, 2)
    assert not axis.plain
    ramp = (np.arange(20) * 320).astype(np.float32).reshape(1, 20, 1)
    assert np.abs(axis.apply(ramp, 0, 5)[0, :, 0] - (np.arange(5) + 3.5) * 320).max() <= 1
