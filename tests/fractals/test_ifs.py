import numpy as np
import pytest

from collagecodec.fractals import fractaldb
from collagecodec.fractals.ifs import IFS, probabilities

HALF = np.eye(2) / 2
SIERPINSKI = IFS([HALF] * 3, [[0, 0], [0.5, 0], [0, 0.5]])
# Barnsley 1988, Fractals Everywhere, table 3.8.3; the stem has determinant 0.
FERN = IFS(
    [
        [[0, 0], [0, 0.16]],
        [[0.85, 0.04], [-0.04, 0.85]],
        [[0.2, -0.26], [0.23, 0.22]],
        [[-0.15, 0.28], [0.26, 0.24]],
    ],
    [[0, 0], [0, 1.6], [0, 1.6], [0, 0.44]],
)


def _sequences(ifs: IFS, length: int = 2000) -> np.ndarray:
    random = np.random.default_rng(0)
    return random.choice(len(ifs), (5, length), p=ifs.probabilities)


def test_the_gasket_of_sierpinski() -> None:
    points = SIERPINSKI.points(_sequences(SIERPINSKI))
    # In the gasket of the right angle no bit is set in both coordinates.
    x, y = (np.floor(points[..., axis] * 2**20).astype(int) for axis in (0, 1))
    assert not (x & y).any()
    assert points.min() >= 0
    assert points.max() > 0.99


def test_the_fern_of_barnsley() -> None:
    points = FERN.points(_sequences(FERN))[:, 50:].reshape(-1, 2)
    assert FERN.probabilities[0] == 0
    assert points.min(0) == pytest.approx([-2.18, 0.6], abs=0.7)
    assert points.max(0) == pytest.approx([2.65, 10.0], abs=0.3)


def test_probabilities_go_with_the_areas() -> None:
    ifs = IFS([HALF, np.diag([1, -0.5])], np.zeros((2, 2)))
    assert ifs.probabilities == pytest.approx([1 / 3, 2 / 3])
    assert probabilities(np.zeros((4, 2, 2))) == pytest.approx([0.25] * 4)


def test_points_begin_at_the_fixed_point_and_follow_the_maps() -> None:
    indices = np.array([0, 0, 2, 1])
    assert SIERPINSKI.points(indices).tolist() == [[0, 0], [0, 0], [0, 0.5], [0.5, 0.25]]
    assert SIERPINSKI.points(indices[:1], start=(1, 1)).tolist() == [[0.5, 0.5]]


def test_a_moved_ifs_has_the_attractor_moved() -> None:
    indices = _sequences(SIERPINSKI, 50)
    scale, offset = np.array([3.0, -0.5]), np.array([0.25, 7.0])
    moved = SIERPINSKI.moved(scale, offset)
    assert moved.points(indices) == pytest.approx(SIERPINSKI.points(indices) * scale + offset)
    assert FERN.moved((2, 5), (1, 1)).moved((1 / 2, 1 / 5), (-1 / 2, -1 / 5)).b == pytest.approx(FERN.b)


def test_contraction() -> None:
    assert SIERPINSKI.contraction == pytest.approx(0.5)
    assert IFS([np.diag([0.3, -1.25])], [[0, 0]]).contraction == pytest.approx(1.25)


@pytest.mark.parametrize(
    ("A", "b"),
    [
        (np.zeros((2, 2)), np.zeros((1, 2))),
        (np.zeros((3, 2, 2)), np.zeros((2, 2))),
        (np.zeros((0, 2, 2)), np.zeros((0, 2))),
        (np.zeros((256, 2, 2)), np.zeros((256, 2))),
        (np.full((1, 2, 2), np.nan), np.zeros((1, 2))),
    ],
)
def test_what_is_no_ifs_is_refused(A: np.ndarray, b: np.ndarray) -> None:
    with pytest.raises(ValueError, match="an IFS has"):
        IFS(A, b)


SMALL = {"side": 64, "points": 8000}


def test_random_ifs_fill_the_picture() -> None:
    systems = fractaldb.systems(7, **SMALL)
    random = np.random.default_rng(0)
    for ifs in (next(systems) for _ in range(4)):
        hit = fractaldb.pixels(ifs, random, **SMALL)
        assert 2 <= len(ifs) <= 8
        assert hit.mean() > fractaldb.FILLING_RATE - 0.02
        for places in (np.flatnonzero(hit.any(1)), np.flatnonzero(hit.any(0))):
            assert places[0] == pytest.approx(2, abs=4)
            assert places[-1] == pytest.approx(61, abs=4)


def test_random_ifs_come_from_their_seed() -> None:
    first, again, other = (next(fractaldb.systems(seed, **SMALL)) for seed in (3, 3, 4))
    assert (first.A == again.A).all()
    assert first.A.shape != other.A.shape or not np.allclose(first.A, other.A)


def test_a_higher_rate_passes_more_of_them_over() -> None:
    ifs = next(fractaldb.systems(3, rate=0.4, **SMALL))
    assert fractaldb.pixels(ifs, np.random.default_rng(0), **SMALL).mean() > 0.38
