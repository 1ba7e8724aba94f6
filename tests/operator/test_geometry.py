import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from collagecodec.operator.atoms import AtomTable, area_matrix, cubic_matrix, no_atoms
from collagecodec.operator.blocks import BlockGrid
from collagecodec.operator.geometry import Geometry, apply_isometry, domain_grid


def test_isometries_are_rotations_and_flips() -> None:
    cell = np.random.default_rng(0).normal(size=(2, 5, 5))
    for e in range(4):
        turned = np.rot90(cell, e, axes=(1, 2))
        np.testing.assert_array_equal(apply_isometry(cell, e), turned)
        np.testing.assert_array_equal(apply_isometry(cell, e + 4), np.flip(turned, axis=1))
    assert len({apply_isometry(cell, e).tobytes() for e in range(8)}) == 8
    with pytest.raises(ValueError, match=r"0\.\.7"):
        apply_isometry(cell, 8)


def test_impossible_geometries_are_refused() -> None:
    with pytest.raises(ValueError, match="not a multiple of cells"):
        Geometry(10, 12, 4)
    with pytest.raises(ValueError, match="outside the block"):
        Geometry(16, 16, 8, corners=np.array([[1, 0]]))
    with pytest.raises(ValueError, match="isometries"):
        Geometry(16, 16, 8, isometries=(9,))
    with pytest.raises(ValueError, match="pairs"):
        Geometry(16, 16, 8, corners=np.zeros((2, 3), np.int64))
    with pytest.raises(ValueError, match="no domain cells"):
        domain_grid(8, 8, 16, 1)


def test_domain_cells_are_listed_row_by_row() -> None:
    assert domain_grid(8, 12, 8, 2).tolist() == [[0, 0], [0, 2], [0, 4]]


@settings(deadline=None, max_examples=20)
@given(samples=st.integers(1, 20), size=st.integers(1, 40))
def test_resampling_keeps_constants(samples: int, size: int) -> None:
    table = AtomTable(np.full((1, 1, samples, samples), 3.0))
    np.testing.assert_allclose(table(size), np.full((1, 1, size, size), 3.0))


def test_resampling_is_exact_where_it_can_be() -> None:
    np.testing.assert_allclose(area_matrix(3, 2), np.array([[2, 1, 0], [0, 1, 2]]) / 3)
    # Cubic convolution with a = -1/2 reproduces parabolas away from the ends (Keys 1981).
    x = (np.arange(12) + 0.5) / 12
    fine = (np.arange(36) + 0.5) / 36
    np.testing.assert_allclose((cubic_matrix(12, 36) @ x**2)[6:-6], (fine**2)[6:-6])
    atoms = np.random.default_rng(0).normal(size=(2, 3, 8, 8))
    np.testing.assert_allclose(AtomTable(atoms)(4), atoms.reshape(2, 3, 4, 2, 4, 2).mean((3, 5)))
    assert AtomTable(atoms)(8) is atoms
    assert no_atoms(5).shape == (0, 1, 5, 5)
    with pytest.raises(ValueError, match="atoms are"):
        AtomTable(atoms[0])


@settings(deadline=None, max_examples=20)
@given(
    height=st.integers(1, 50),
    width=st.integers(1, 50),
    size=st.integers(1, 20),
    channels=st.sampled_from([1, 3]),
)
def test_pictures_survive_being_cut_into_blocks(height: int, width: int, size: int, channels: int) -> None:
    picture = np.random.default_rng(height).integers(256, size=(height, width, channels)).astype(np.uint8)
    grid = BlockGrid(height, width, size)
    blocks = grid.split(picture)
    assert blocks.shape == (grid.count, channels, size, size)
    np.testing.assert_array_equal(grid.join(blocks), picture)
    # What overhangs repeats the edge.
    assert (blocks[-1, 0, -1, -1] == picture[-1, -1, 0]).all()


@settings(deadline=None, max_examples=20)
@given(data=st.data(), height=st.integers(1, 50), width=st.integers(1, 50), size=st.integers(1, 20))
def test_regions_need_the_blocks_that_they_touch(data: st.DataObject, height: int, width: int, size: int) -> None:
    x, y = data.draw(st.integers(0, width - 1)), data.draw(st.integers(0, height - 1))
    region = (x, y, data.draw(st.integers(1, width - x)), data.draw(st.integers(1, height - y)))
    grid = BlockGrid(height, width, size)
    number = np.arange(grid.count)[:, None, None, None] * np.ones((1, 1, size, size), int)
    touched = np.unique(grid.join(number)[y : y + region[3], x : x + region[2]])
    assert grid.take(np.arange(grid.count), region).tolist() == touched.tolist()


def test_wrong_pictures_and_regions_are_refused() -> None:
    grid = BlockGrid(10, 20, 8)
    with pytest.raises(ValueError, match="expected"):
        grid.split(np.zeros((10, 21, 3)))
    with pytest.raises(ValueError, match="expected"):
        grid.join(np.zeros((5, 3, 8, 8)))
    with pytest.raises(ValueError, match="does not lie"):
        grid.cover((0, 0, 21, 1))
    with pytest.raises(ValueError, match="cannot have blocks"):
        BlockGrid(0, 1, 8)
