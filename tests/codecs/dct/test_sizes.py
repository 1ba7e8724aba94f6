"""`dct` at any scale, size and region."""

from __future__ import annotations

from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from paper_model import scene

from collagecodec.codecs.dct import rendering
from collagecodec.codecs.dct.atoms import ATOM_UNIT, coarse_cosines, cosines
from collagecodec.codecs.dct.codec import DctCodec
from collagecodec.codecs.dct.rendering import View
from collagecodec.errors import LimitError
from collagecodec.operator.atoms import area_matrix
from collagecodec.operator.blocks import BlockGrid
from collagecodec.sampling.request import Request

cells = pytest.mark.parametrize("cell", [8, 16])


def psnr(one: np.ndarray, other: np.ndarray) -> float:
    return float(10 * np.log10(255**2 / max(1e-9, ((one.astype(float) - other) ** 2).mean())))


@cells
def test_coarse_atoms_are_area_means_in_whole_numbers(cell: int) -> None:
    for n in range(1, cell + 1):
        matrix = area_matrix(cell, n)
        found = coarse_cosines(cell, n) * ATOM_UNIT
        np.testing.assert_array_equal(found, np.round(found))
        exact = matrix @ (cosines(cell) * ATOM_UNIT) @ matrix.T
        assert np.abs(found - exact).max() <= 0.5 + 1e-6
    np.testing.assert_array_equal(coarse_cosines(cell, cell), cosines(cell))
    assert (coarse_cosines(cell, 1)[1:] == 0).all()


@cells
@pytest.mark.parametrize("scale", [Fraction(1, 16), Fraction(1, 8), Fraction(3, 8), Fraction(1, 2), 1])
def test_natural_scales_render_the_same_blocks(cell: int, scale: Fraction) -> None:
    picture = scene(64, 96)
    data = DctCodec(12.0, cell).encode(picture)
    native, small = DctCodec().decode(data), DctCodec().decode(data, scale=float(scale))
    assert small.shape == (64 * scale, 96 * scale, 3)
    if 64 * scale % 8 == 0:
        factor = int(1 / scale) if scale.numerator == 1 else 0
        means = native.reshape(small.shape[0], factor, -1, factor, 3).mean((1, 3)) if factor else None
        assert means is None or psnr(small, means) > 45
    region = DctCodec().decode(data, scale=float(scale), region=(16, 32, 64, 16))
    left, top, right, bottom = (int(v * scale) for v in (16, 32, 80, 48))
    np.testing.assert_array_equal(region, small[top:bottom, left:right])


@cells
@pytest.mark.parametrize("scale", [2, 3, Fraction(3, 2), Fraction(5, 16), Fraction(3, 4)])
def test_regions_are_parts_of_the_whole(cell: int, scale: Fraction) -> None:
    data = DctCodec(12.0, cell).encode(scene(61, 83))
    whole = DctCodec().decode(data, scale=float(scale))
    for box in ((16, 32, 48, 16), (0, 0, 32, 16), (48, 16, 32, 32)):
        left, top, right, bottom = (int(v * scale) for v in (box[0], box[1], box[0] + box[2], box[1] + box[3]))
        # Where the picture's own size is rounded up, its scale is a little larger than the region's.
        exact = scale >= 1 and (61 * scale).denominator == (83 * scale).denominator == 1
        region = DctCodec().decode(data, scale=float(scale), region=box)
        assert region.shape == (bottom - top, right - left, 3)
        if exact:
            np.testing.assert_array_equal(region, whole[top:bottom, left:right])
        else:
            assert psnr(region, whole[top:bottom, left:right]) > 33


@settings(max_examples=40, deadline=None)
@given(st.data(), st.integers(1, 50), st.integers(1, 50), st.sampled_from((8, 16)), st.booleans())
def test_every_region_comes_in_the_size_that_is_asked_for(
    data: st.DataObject, width: int, height: int, cell: int, grey: bool
) -> None:
    picture = scene(height, width)
    codec = DctCodec(30.0, cell)
    stored = codec.encode(picture[..., 0] if grey else picture)
    x, y = data.draw(st.integers(0, width - 1)), data.draw(st.integers(0, height - 1))
    w, h = data.draw(st.integers(1, width - x)), data.draw(st.integers(1, height - y))
    scale = data.draw(st.fractions(Fraction(1, 40), 3, max_denominator=40))
    found = codec.decode(stored, scale=float(scale), region=(x, y, w, h))
    assert found.shape[:2] == (-(-h * scale // 1), -(-w * scale // 1))
    assert found.ndim == (2 if grey else 3)
    size = data.draw(st.tuples(st.integers(1, 90), st.integers(1, 90)))
    assert codec.decode(stored, size=size, region=(x, y, w, h)).shape[1::-1] == size
    native = codec.decode(stored, region=(x, y, w, h))
    np.testing.assert_array_equal(native, codec.decode(stored)[y : y + h, x : x + w])


def test_only_the_blocks_of_a_region_are_rendered(monkeypatch: pytest.MonkeyPatch) -> None:
    data = DctCodec(30.0).encode(scene(80, 120))
    rendered = []
    original = rendering.code_of
    monkeypatch.setattr(rendering, "code_of", lambda levels: rendered.append(len(levels)) or original(levels))
    for scale, box, blocks in (
        (1, (8, 16, 16, 8), 2),
        (1, (7, 15, 18, 10), 12),
        (0.125, (8, 16, 16, 8), 2),
        (0.3, (8, 16, 16, 8), 2),
        # Three pixels around are what the kernel sees.
        (2, (11, 19, 2, 2), 1),
        (2, (8, 16, 8, 8), 9),
    ):
        rendered.clear()
        DctCodec().decode(data, scale=scale, region=box)
        assert sum(rendered) == blocks


def test_bands_do_not_show(monkeypatch: pytest.MonkeyPatch) -> None:
    data = DctCodec(30.0).encode(scene(70, 60))
    options: list[dict[str, object]] = [{}, {"scale": 1.7}, {"scale": 0.4}, {"size": (9, 200)}]
    before = [DctCodec().decode(data, **o) for o in options]  # type: ignore[arg-type]
    monkeypatch.setattr(rendering, "BAND_CELLS", 1)
    for option, expected in zip(options, before, strict=True):
        np.testing.assert_array_equal(DctCodec().decode(data, **option), expected)  # type: ignore[arg-type]


@cells
def test_sums_are_exact_in_any_order(cell: int) -> None:
    rng = np.random.default_rng(cell)
    levels = rng.integers(-(2**24), 2**24, (6, 3, cell**2)).astype(float)
    grid = BlockGrid(2 * cell, 3 * cell, cell)
    view = View.of(grid, Request(Fraction(3, 4)))
    n = view.n
    assert n == 3 * cell // 4
    (band,) = view._bands(levels)
    atoms = (coarse_cosines(cell, n) * ATOM_UNIT).astype(np.int64).astype(object)[:, 0]
    for block in (0, 4):
        row, column = divmod(block, 3)
        total = sum(int(c) * atom for c, atom in zip(levels[block, 1], atoms, strict=True))
        exact = np.array([[min(max((int(t) + 2**15) >> 16, -(2**13)), 2**13) for t in line] for line in total])
        np.testing.assert_array_equal(band[1, row * n : row * n + n, column * n : column * n + n], exact)


def test_requests_that_make_no_sense() -> None:
    data = DctCodec(30.0).encode(scene(20, 30))
    for options in ({"region": (0, 0, 31, 1)}, {"scale": 0}, {"scale": -1}, {"size": (0, 4)}):
        with pytest.raises(ValueError, match=r"must be|does not lie"):
            DctCodec().decode(data, **options)  # type: ignore[arg-type]
    with pytest.raises(LimitError):
        DctCodec().decode(data, scale=2**24)
