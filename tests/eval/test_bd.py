import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from eval.harness import bd

RATES = np.geomspace(0.05, 2, 9)


def test_half_the_bits_exactly() -> None:
    # Quality linear in log-rate, 6 dB an octave; the second curve needs half the bits everywhere.
    anchor = bd.curve(RATES, 30 + 6 * np.log2(RATES))
    test = bd.curve(RATES, 36 + 6 * np.log2(RATES))
    difference = bd.difference(anchor, test)
    assert difference is not None
    assert difference.rate == pytest.approx(-50)
    assert difference.metric == pytest.approx(6)
    assert difference.rate_range == pytest.approx((0.1, 1.0))
    assert difference.metric_range == pytest.approx((36 + 6 * math.log2(0.1), 30))


def test_the_window_is_what_is_compared() -> None:
    # Equal below 1 bit a pixel, far apart above: nothing of the latter may be seen.
    anchor = 30 + 6 * np.log2(RATES)
    test = np.where(RATES > 1.3, anchor + 5, anchor)
    rates = np.concatenate((RATES, [1.0, 1.1]))
    both = [bd.curve(rates, np.concatenate((metric, [30, 30 + 6 * math.log2(1.1)]))) for metric in (anchor, test)]
    difference = bd.difference(*both)
    assert difference is not None
    assert difference.rate == pytest.approx(0, abs=1e-9)
    whole = bd.difference(bd.curve(RATES, anchor, window=None), bd.curve(RATES, test, window=None))
    assert whole is not None
    assert whole.rate < -0.5


def test_a_curve_that_stops_inside_the_window() -> None:
    inside = bd.curve([0.2, 0.4, 0.8], [30, 33, 36])
    assert (inside.rate[0], inside.rate[-1]) == (0.2, 0.8)
    assert inside.metric.tolist() == [30, 33, 36]


def test_a_curve_is_cut_at_the_ends_of_the_window() -> None:
    cut = bd.curve(RATES, 30 + 6 * np.log2(RATES))
    assert (cut.rate[0], cut.rate[-1]) == (0.1, 1.0)
    assert cut.rate[1:-1].tolist() == [rate for rate in RATES if 0.1 < rate < 1]
    assert cut.metric == pytest.approx(30 + 6 * np.log2(cut.rate))


def test_points_at_the_ends_of_the_window_stay_and_are_not_doubled() -> None:
    cut = bd.curve([0.05, 0.1, 0.5, 1.0, 2.0], [1, 2, 3, 4, 5])
    assert cut.rate.tolist() == [0.1, 0.5, 1.0]
    assert cut.metric == pytest.approx([2, 3, 4])


def test_a_curve_that_only_touches_the_window_is_empty() -> None:
    assert len(bd.curve([1.0, 2.0], [30, 33])) == 0
    assert len(bd.curve([0.05, 0.1], [30, 33])) == 0
    assert len(bd.curve([0.05, 0.1 + 1e-9], [30, 33])) == 2


def test_curves_that_only_touch_cannot_be_compared() -> None:
    low = bd.curve([0.2, 0.4, 0.8], [30, 33, 36])
    assert bd.difference(low, bd.curve([0.2, 0.4, 0.8], [36, 38, 40])) is None
    assert bd.difference(low, bd.curve([0.8, 0.9, 1.0], [30, 33, 36])) is None
    assert bd.difference(low, bd.curve([0.2, 0.4, 0.8], [35.9, 38, 40])) is not None


def test_points_of_equal_rate_or_equal_metric_keep_the_better_one() -> None:
    clean = bd.curve([0.2, 0.2, 0.4, 0.5, -1, 0], [30, 31, 31, 32, 1, 2], window=None)
    assert clean.rate.tolist() == [0.2, 0.5]
    assert clean.metric.tolist() == [31, 32]


def test_points_that_others_beat_are_dropped() -> None:
    clean = bd.curve([0.2, 0.4, 0.5, 0.8, 0.4, np.nan], [30, 33, 32, 36, 31, 40], window=None)
    assert clean.rate.tolist() == [0.2, 0.4, 0.8]
    assert clean.metric.tolist() == [30, 33, 36]


@pytest.mark.parametrize(
    "other",
    [([], []), ([0.2], [30]), ([0.2, 0.4], [50, 53]), ([2.0, 3.0], [30, 33]), ([0.3, 0.6], [math.inf] * 2)],
)
def test_curves_that_cannot_be_compared(other: tuple[list[float], list[float]]) -> None:
    assert bd.difference(bd.curve([0.2, 0.4, 0.8], [30, 33, 36]), bd.curve(*other)) is None


def test_value_at() -> None:
    through = bd.curve(RATES, 30 + 6 * np.log2(RATES), window=None)
    values = bd.value_at(through, np.array([0.25, RATES[0], RATES[-1], 2.001, 0.0499]))
    assert values[:3] == pytest.approx([18, 30 + 6 * math.log2(0.05), 36])
    assert np.isnan(values[3:]).all()
    assert bd.value_at(bd.curve([0.13], [1]), np.array([0.13])).shape == (1,)


_steps = st.lists(st.floats(0.3, 4), min_size=5, max_size=5)


@given(_steps, _steps, st.floats(-2, 2))
def test_exchanging_the_curves_inverts_the_ratio(one: list[float], other: list[float], shift: float) -> None:
    rates = np.geomspace(0.1, 1, 5)
    curves = [bd.curve(rates, 25 + np.cumsum(steps) + add) for steps, add in ((one, 0.0), (other, shift))]
    there, back = bd.difference(*curves), bd.difference(*reversed(curves))
    if there is None or back is None:
        assert there is back
        return
    assert (1 + there.rate / 100) * (1 + back.rate / 100) == pytest.approx(1)
    assert there.metric == pytest.approx(-back.metric, abs=1e-9)
