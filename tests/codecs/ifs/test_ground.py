"""The whole border of a picture decides on which ground its shape stands, not the top row alone."""

import numpy as np
import pytest
from numpy.typing import NDArray

pytest.importorskip("torch")
from collagecodec.codecs.ifs.encoder import light_ground, shape_of
from collagecodec.codecs.ifs.format import BINARY, INVERTED

SIDES = {
    "top": np.s_[0, :],
    "bottom": np.s_[-1, :],
    "left": np.s_[:, 0],
    "right": np.s_[:, -1],
}


def bordered(ground: int, **sides: int) -> NDArray[np.uint8]:
    """A picture (20, 24) on `ground` with a shape of the opposite level, and some sides of other levels."""
    grey = np.full((20, 24), ground, np.uint8)
    grey[6:14, 8:16] = 255 - ground
    for side, level in sides.items():
        grey[SIDES[side]] = level
    return grey


@pytest.mark.parametrize("side", SIDES)
@pytest.mark.parametrize("ground", [0, 255])
def test_no_side_decides_alone(side: str, ground: int) -> None:
    grey = bordered(ground, **{side: 255 - ground})
    assert light_ground(grey) is (ground == 255)
    levels, flags = shape_of(grey)
    assert flags == BINARY | INVERTED * (ground == 255)
    np.testing.assert_array_equal(levels, 255 - grey if ground else grey)


@pytest.mark.parametrize("side", SIDES)
@pytest.mark.parametrize("ground", [0, 255])
def test_every_side_counts(side: str, ground: int) -> None:
    """Two neighbouring sides are level with the other two; the one in question tips the balance."""
    opposite = {"top": "bottom", "bottom": "top", "left": "right", "right": "left"}[side]
    grey = np.full((24, 24), 255 - ground, np.uint8)
    grey[8:16, 8:16] = ground
    grey[SIDES[opposite]] = ground
    assert light_ground(grey) is (ground == 0)
    grey[SIDES[side]] = ground
    assert light_ground(grey) is (ground == 255)


def test_only_the_border_counts() -> None:
    grey = np.zeros((20, 24), np.uint8)
    grey[1:-1, 1:-1] = 255
    assert not light_ground(grey)
    assert light_ground(255 - grey)
