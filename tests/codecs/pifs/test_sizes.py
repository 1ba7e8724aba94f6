"""`pifs` at any scale, size and region."""

from __future__ import annotations

from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pifs_scenes import known, scene

from collagecodec.codecs.pifs import decoder
from collagecodec.codecs.pifs.codec import PifsCodec
from collagecodec.errors import LimitError

CODECS = {
    "tree": PifsCodec(step=40.0, window=8),
    "tiles": PifsCodec(step=40.0, tile_size=256, largest=16, smallest=4, window=8),
    "fixed": PifsCodec(coding="fixed", largest=8, smallest=8, domain_step=8, window=0),
}
names = pytest.mark.parametrize("name", CODECS)


@pytest.fixture(scope="module")
def files() -> dict[str, bytes]:
    return {name: codec.encode(scene(270, 261, 1)) for name, codec in CODECS.items()}


def psnr(one: np.ndarray, other: np.ndarray) -> float:
    return float(10 * np.log10(255**2 / max(1e-9, ((one.astype(float) - other) ** 2).mean())))


@names
@pytest.mark.parametrize("scale", [Fraction(1, 8), Fraction(1, 2), 1, 2, Fraction(3, 2), 3])
def test_scales_show_the_same_picture(name: str, scale: Fraction, files: dict[str, bytes]) -> None:
    found = PifsCodec().decode(files[name], scale=float(scale))
    assert found.shape == (-(-270 * scale // 1), -(-261 * scale // 1), 3)
    coarse = []
    for one in (1, float(scale)):
        part = PifsCodec().decode(files[name], scale=one, region=(0, 0, 240, 240))
        side = part.shape[0] // 10
        coarse.append(part.reshape(10, side, 10, side, 3).mean((1, 3)))
    assert np.abs(coarse[0] - coarse[1]).mean() < 1.5


@names
@pytest.mark.parametrize("scale", [1, 2, 4])
def test_regions_are_parts_of_the_whole(name: str, scale: int, files: dict[str, bytes]) -> None:
    whole = PifsCodec().decode(files[name], scale=scale)
    for x, y, w, h in ((0, 0, 9, 7), (250, 250, 11, 20), (13, 100, 200, 31)):
        region = PifsCodec().decode(files[name], scale=scale, region=(x, y, w, h))
        part = whole[y * scale : (y + h) * scale, x * scale : (x + w) * scale]
        np.testing.assert_array_equal(region, part)


@settings(max_examples=15, deadline=None)
@given(st.data(), st.integers(1, 40), st.integers(1, 40), st.booleans())
def test_every_region_comes_in_the_size_that_is_asked_for(
    data: st.DataObject, width: int, height: int, grey: bool
) -> None:
    stored = PifsCodec(step=40.0, smallest=2, largest=8).encode(scene(height, width, 2, grey))
    x, y = data.draw(st.integers(0, width - 1)), data.draw(st.integers(0, height - 1))
    w, h = data.draw(st.integers(1, width - x)), data.draw(st.integers(1, height - y))
    scale = data.draw(st.fractions(Fraction(1, 20), 5, max_denominator=20))
    found = PifsCodec().decode(stored, scale=float(scale), region=(x, y, w, h))
    assert found.shape[:2] == (-(-h * scale // 1), -(-w * scale // 1))
    assert found.ndim == (2 if grey else 3)
    size = data.draw(st.tuples(st.integers(1, 60), st.integers(1, 60)))
    assert PifsCodec().decode(stored, size=size, region=(x, y, w, h)).shape[1::-1] == size


def test_only_the_tiles_of_a_region_are_decoded(files: dict[str, bytes], monkeypatch: pytest.MonkeyPatch) -> None:
    seen = []
    original = decoder.Picture.trees
    monkeypatch.setattr(decoder.Picture, "trees", lambda self, tile: seen.append(tile) or original(self, tile))
    PifsCodec().decode(files["tiles"], region=(10, 10, 30, 30))
    assert seen == [0]
    seen.clear()
    PifsCodec().decode(files["tiles"], region=(250, 258, 10, 5))
    assert seen == [2, 3]


def test_detail_appears_when_a_known_code_is_enlarged() -> None:
    """Domain cells twice as large hold more than the pixels show: the fixed point is finer than its means."""
    data, _ = known(8, 96, 3)
    native, double = (PifsCodec().decode(data, scale=scale).astype(float) for scale in (1, 2))
    means = double.reshape(96, 2, 96, 2).mean((1, 3))
    assert psnr(means, native) > 28.8
    assert np.abs(double - np.kron(means, np.ones((2, 2)))).mean() > 3


def test_requests_that_make_no_sense(files: dict[str, bytes]) -> None:
    for options in ({"region": (0, 0, 262, 1)}, {"scale": 0}, {"size": (0, 4)}):
        with pytest.raises(ValueError, match=r"must be|does not lie"):
            PifsCodec().decode(files["tree"], **options)  # type: ignore[arg-type]
    with pytest.raises(LimitError):
        PifsCodec().decode(files["tree"], scale=2**24)
