from fractions import Fraction

import numpy as np
import pytest
from collages import KINDS, Kind, make
from hypothesis import given, settings
from hypothesis import strategies as st

from collagecodec.codecs.collage.torch.lapped import dct_basis, lot_basis, separable_atoms
from collagecodec.operator.atoms import AtomTable
from collagecodec.operator.code import Code
from collagecodec.operator.fixed_point import closed_form, collage_bound, iterate, iterations_for, solve
from collagecodec.operator.geometry import Geometry, domain_grid
from collagecodec.operator.operator import Operator

kinds = pytest.mark.parametrize("kind", KINDS.values(), ids=KINDS)


def brute_force(operator: Operator, code: Code, z: np.ndarray) -> np.ndarray:
    """F(z) for boxes, straight from the definition, one sample at a time."""
    geometry = operator.geometry
    n, pool = geometry.cell, geometry.pool
    out = np.zeros_like(z)
    atoms = operator.auxiliary(n)
    for b, ch, k in np.ndindex(z.shape[0], z.shape[1], geometry.cells):
        cell = np.full((n, n), code.offset[b, ch, k])
        own = min(ch, code.domain.shape[1] - 1)
        for m, weight in enumerate(code.domain[b, own, k]):
            candidate = m if code.index is None else code.index[b, min(ch, code.index.shape[1] - 1), k, m]
            isometry, number = divmod(int(candidate), geometry.domains)
            y, x = geometry.corners[number]
            domain = z[b, ch, y : y + n * pool, x : x + n * pool].reshape(n, pool, n, pool).mean((1, 3))
            turned = np.rot90(domain, geometry.isometries[isometry] % 4)
            cell += weight * (turned[::-1] if geometry.isometries[isometry] >= 4 else turned)
        for v, weight in enumerate(code.auxiliary[b, min(ch, code.auxiliary.shape[1] - 1), k]):
            if atoms.ndim == 4:
                cell += weight * atoms[v, min(ch, atoms.shape[1] - 1)]
            else:
                cell += weight * atoms[b, ch, k, v]
        row, column = divmod(k, geometry.columns)
        out[b, ch, row * n : (row + 1) * n, column * n : (column + 1) * n] = cell
    return out


@pytest.mark.parametrize("kind", [k for k in KINDS.values() if not k.lapped])
def test_boxes_follow_the_definition(kind: Kind) -> None:
    operator, code = make(kind)
    z = np.random.default_rng(1).normal(size=(2, 3, 12, 24))
    np.testing.assert_allclose(operator(code, z), brute_force(operator, code, z), atol=1e-12)


@kinds
def test_every_start_leads_to_the_closed_form(kind: Kind) -> None:
    operator, code = make(kind)
    exact = closed_form(operator, code)
    rng = np.random.default_rng(2)
    for start in (None, rng.normal(size=exact.shape) * 1000, rng.uniform(0, 255, exact.shape)):
        np.testing.assert_allclose(solve(operator, code, 1e-10, start), exact, atol=1e-9)
    np.testing.assert_allclose(operator(code, exact), exact, atol=1e-10)


@kinds
@settings(deadline=None, max_examples=20)
@given(seed=st.integers(0, 2**32), factor=st.floats(0.0, 0.99))
def test_the_map_contracts_by_its_factor(kind: Kind, seed: int, factor: float) -> None:
    operator, code = make(kind, seed, factor)
    one, other = np.random.default_rng(seed).normal(size=(2, 2, 3, 12, 24))
    before, after = np.abs(one - other).max(), np.abs(operator(code, one) - operator(code, other)).max()
    assert code.lipschitz() <= factor + 1e-12
    assert after <= code.lipschitz() * before * (1 + 1e-9)


def test_the_factor_is_reached() -> None:
    operator, code = make(Kind(), factor=0.7)
    # A picture whose pooled domain cells are all +1 gives sum(c); take the code's absolute value.
    positive = Code(np.abs(code.domain), code.auxiliary, code.offset)
    ones = np.ones((2, 3, 12, 24))
    assert operator.contract(positive, ones).max() == pytest.approx(positive.lipschitz())


@kinds
def test_the_collage_theorem_bounds_the_error(kind: Kind) -> None:
    operator, code = make(kind)
    exact = closed_form(operator, code)
    guess = exact + np.random.default_rng(3).normal(size=exact.shape)
    error = np.abs(guess - exact).max()
    assert (
        error <= collage_bound(operator, code, guess) <= error * (1 + code.lipschitz()) / (1 - code.lipschitz())
    )


@settings(deadline=None, max_examples=20)
@given(factor=st.floats(0.01, 0.95), error=st.floats(1e-6, 1.0))
def test_enough_iterations_are_announced(factor: float, error: float) -> None:
    operator, code = make(Kind(), factor=factor)
    exact = closed_form(operator, code)
    span = float(np.abs(exact).max())
    found = iterate(operator, code, iterations_for(code.lipschitz(), span, error))
    assert np.abs(found - exact).max() <= error * (1 + 1e-6)


def test_rounding_makes_dyadic_iterations_exact() -> None:
    operator, code = make(Kind(isometries=(0, 3, 6)))
    coarse = Code(np.round(code.domain * 64) / 64 * 0.5, code.auxiliary, np.round(code.offset * 64) / 64)
    z = iterate(operator, coarse, 9, rounding=lambda z: np.floor(z * 16 + 0.5) / 16)
    assert (z * 16 == np.round(z * 16)).all()
    # Summed in another order: the reversed list of candidates.
    corners = operator.geometry.corners[::-1]
    turned = Operator(Geometry(12, 24, 4, False, corners, 2, (6, 3, 0)), channels=3)
    reversed_code = Code(coarse.domain[..., ::-1], coarse.auxiliary, coarse.offset)
    again = iterate(turned, reversed_code, 9, rounding=lambda z: np.floor(z * 16 + 0.5) / 16)
    np.testing.assert_array_equal(z, again)


def test_a_pifs_code_has_the_known_attractor() -> None:
    # Four quarters, each the whole square at half size and half contrast with its own brightness: the value
    # at a place follows from the quarter that each half-size step falls in.
    geometry = Geometry(16, 16, 8, corners=domain_grid(16, 16, 16, 16))
    brightness = np.array([0.0, 10.0, 20.0, 40.0])
    code = Code.from_factors(
        a=np.full((1, 1, 4, 1), 0.5), b=brightness.reshape(1, 1, 4), gamma=np.ones((1, 1, 4, 1)),
        index=np.zeros((1, 1, 4, 1), np.int64),
    )  # fmt: skip
    picture = closed_form(Operator(geometry), code)[0, 0]
    coarse = picture.reshape(4, 4, 4, 4).mean((1, 3))
    fine = picture.reshape(8, 2, 8, 2).mean((1, 3))
    for row, column in np.ndindex(8, 8):
        quarter = brightness[2 * (row // 4) + column // 4]
        assert fine[row, column] == pytest.approx(quarter + 0.5 * coarse[row % 4, column % 4])
    np.testing.assert_array_equal(code.gamma, np.ones((1, 1, 4, 1)))
    np.testing.assert_array_equal(code.a, np.full((1, 1, 4, 1), 0.5))
    np.testing.assert_array_equal(code.b.ravel(), brightness)


@settings(deadline=None, max_examples=20)
@given(seed=st.integers(0, 2**32))
def test_the_block_dct_is_a_collage(seed: int) -> None:
    picture = np.random.default_rng(seed).uniform(0, 255, (1, 3, 16, 24))
    atoms = separable_atoms(dct_basis(8), 64).reshape(64, 1, 8, 8)
    cells = picture.reshape(1, 3, 2, 8, 3, 8).transpose(0, 1, 2, 4, 3, 5).reshape(1, 3, 6, 64)
    code = Code.without_domains(cells @ atoms.reshape(64, 64).T)
    operator = Operator(Geometry(16, 24, 8), AtomTable(atoms), channels=3)
    np.testing.assert_allclose(iterate(operator, code, 1), picture, atol=1e-9)
    assert code.lipschitz() == 0


def test_the_lapped_transform_is_a_collage() -> None:
    picture = np.random.default_rng(5).uniform(0, 255, (2, 1, 16, 24))
    atoms = separable_atoms(lot_basis(8), 64).reshape(64, 1, 16, 16)
    framed = np.pad(picture, ((0, 0), (0, 0), (8, 8), (8, 8)), mode="reflect")
    corners = [(y, x) for y in range(0, 24, 8) for x in range(0, 32, 8)]
    cells = np.stack([framed[:, :, y : y + 16, x : x + 16].reshape(2, 1, 256) for y, x in corners], 2)
    code = Code.without_domains(cells @ atoms.reshape(64, 256).T)
    operator = Operator(Geometry(16, 24, 8, lapped=True), AtomTable(atoms))
    found = iterate(operator, code, 1)
    # Cells that reach over the frame miss their outer neighbours; one cell inside, reconstruction is perfect.
    np.testing.assert_allclose(found[..., 8:-8, 8:-8], picture[..., 8:-8, 8:-8], atol=1e-9)


def test_windows_of_lapped_cells_add_up_to_one() -> None:
    geometry = Geometry(12, 8, 4, lapped=True)
    code = Code.without_domains(np.zeros((1, 1, 12, 0)), np.full((1, 1, 12), 7.0))
    np.testing.assert_array_equal(Operator(geometry).offset(code), np.full((1, 1, 12, 8), 7.0))


@kinds
@pytest.mark.parametrize("scale", [2, 3, Fraction(1, 2), Fraction(3, 2)])
def test_any_natural_scale_has_its_own_fixed_point(kind: Kind, scale: Fraction) -> None:
    operator, code = make(kind)
    finer = operator.at(scale)
    assert finer.geometry.height == 12 * scale
    exact = closed_form(finer, code) if scale <= Fraction(3, 2) else solve(finer, code, 1e-10)
    np.testing.assert_allclose(finer(code, exact), exact, atol=1e-8)


@pytest.mark.parametrize("lapped", [False, True])
def test_a_smooth_picture_is_the_same_at_twice_the_size(lapped: bool) -> None:
    # One smooth atom over every cell and one domain: the finer picture, pooled, is the coarser one.
    n = 8 if lapped else 16
    line = np.sin(np.pi * (np.arange(16) + 0.5) / 16) ** 2
    corners = domain_grid(32, 32, 32, 32)
    operator = Operator(Geometry(32, 32, n, lapped, corners, pool=2), AtomTable(np.outer(line, line)[None, None]))
    cells = operator.geometry.cells
    rng = np.random.default_rng(0)
    code = Code(
        np.full((1, 1, cells, 1), 0.3), rng.uniform(20, 40, (1, 1, cells, 1)), np.full((1, 1, cells), 50.0)
    )
    native, double = solve(operator, code, 1e-9), solve(operator.at(2), code, 1e-9)
    pooled = double.reshape(1, 1, 32, 2, 32, 2).mean((3, 5))
    assert np.abs(pooled - native).max() < 0.01 * np.ptp(native)


def test_half_size_is_the_pooled_picture_where_cells_are_pooled_exactly() -> None:
    operator, code = make(Kind(atoms="coloured", cell=4))
    native, half = closed_form(operator, code), closed_form(operator.at(Fraction(1, 2)), code)
    np.testing.assert_allclose(native.reshape(2, 3, 6, 2, 12, 2).mean((3, 5)), half, atol=1e-9)


def test_scales_that_are_not_natural_are_refused() -> None:
    operator, _ = make(Kind())
    assert operator.geometry.unit == 4
    assert operator.geometry.natural_scale(0.3) == Fraction(1, 2)
    with pytest.raises(ValueError, match="multiples of 1/4"):
        operator.at(0.3)
    with pytest.raises(ValueError, match="positive"):
        operator.at(0)


def test_mismatched_parts_are_refused() -> None:
    operator, code = make(Kind(dense=False, atoms="shared"))
    wrong = Code(code.domain, code.auxiliary, code.offset, code.index + 1000)
    with pytest.raises(ValueError, match="candidate"):
        operator.contract(wrong, operator.start(code))
    with pytest.raises(ValueError, match="samples of"):
        operator.contract(code, np.zeros((1, 1, 12, 24)))
    with pytest.raises(ValueError, match="auxiliary domains"):
        operator.offset(Code(code.domain, code.auxiliary[..., :3], code.offset, code.index))
    with pytest.raises(ValueError, match="candidates and no indices"):
        operator.contract(Code(code.domain, code.auxiliary, code.offset), operator.start(code))
    with pytest.raises(ValueError, match="too large"):
        closed_form(operator.at(8), code)
    with pytest.raises(ValueError, match="no convergence"):
        solve(operator, code, -1.0)
