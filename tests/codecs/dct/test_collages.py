"""The files of `dct` and `collage-paper` as collages: iterating the operator gives the decoded planes."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from paper_model import ATOMS, install, scene

import collagecodec
from collagecodec.codecs.dct.atoms import coarse_cosines
from collagecodec.codecs.dct.codec import DctCodec
from collagecodec.codecs.paper import codec as codec_module
from collagecodec.codecs.paper.codec import PaperCollageCodec
from collagecodec.codecs.paper.decoder import load_paper
from collagecodec.operator.blocks import BlockGrid
from collagecodec.operator.code import Code
from collagecodec.operator.fixed_point import iterate
from collagecodec.sampling.colour import pixels_of


@pytest.fixture(scope="module")
def models(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("models")
    install(root)
    return root


@pytest.fixture
def _paper(models: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from collagecodec.codecs.paper.encoder import load_paper_encoder

    monkeypatch.setenv("COLLAGE_MODELS", str(models))
    load_paper.cache_clear()
    load_paper_encoder.cache_clear()


def check_factors(code: Code, shape: tuple[int, int, int, int]) -> None:
    """a, b and gamma have one entry a block, channel, cell (and term), and multiply to the code."""
    assert code.a.shape == code.gamma.shape == code.terms.shape == shape
    assert code.b.shape[0::2] == shape[0::2]
    assert (code.gamma >= 0).all()
    np.testing.assert_allclose(code.gamma.sum(-1), 1)
    np.testing.assert_allclose(code.a * code.gamma, code.terms, atol=1e-9)


@pytest.mark.parametrize("cell", [8, 16])
@pytest.mark.parametrize("coding", ["entropy", "fixed"])
@pytest.mark.parametrize("channels", [1, 3])
def test_dct_planes_are_the_fixed_point(cell: int, coding: str, channels: int) -> None:
    picture = scene(37, 50)[..., :channels].reshape((37, 50, 3)[: 2 + (channels == 3)])
    codec = DctCodec(15.0, cell, coding)  # type: ignore[arg-type]
    data = codec.encode(picture)
    (found,) = collagecodec.collages(data)
    assert found.planes == {1: "Y", 3: "YCbCr"}[channels]
    assert found.code.lipschitz() == 0
    blocks = BlockGrid(37, 50, cell).count
    check_factors(found.code, (1, channels, blocks, cell**2))
    start = np.random.default_rng(0).normal(0, 99, found.operator.start(found.code).shape)
    planes = iterate(found.operator, found.code, 3, start)[0]
    # Whole numbers of 2^-20 level: the planes of the decoder, before it rounds them to 1/16.
    np.testing.assert_array_equal(planes * 2**20, np.round(planes * 2**20))
    pixels = pixels_of(np.floor(planes * 16 + 0.5).astype(np.float32))
    np.testing.assert_array_equal(pixels[:37, :50], codec.decode(data))


def test_dct_at_another_scale() -> None:
    data = DctCodec(15.0).encode(scene(40, 48))
    (found,) = collagecodec.collages(data)
    half = found.operator.at(0.5)
    assert half.auxiliary(4) is coarse_cosines(8, 4)
    pixels = pixels_of(np.floor(iterate(half, found.code, 1)[0] * 16 + 0.5).astype(np.float32))
    np.testing.assert_array_equal(pixels, DctCodec().decode(data, scale=0.5))
    double = iterate(found.operator.at(2), found.code, 1)[0]
    native = iterate(found.operator, found.code, 1)[0]
    assert np.abs(double.reshape(3, 40, 2, 48, 2).mean((2, 4)) - native).mean() < 1


@pytest.mark.usefixtures("_paper")
@pytest.mark.parametrize("shape", [(90, 130, 3), (50, 41)])
def test_paper_blocks_are_the_fixed_point(shape: tuple[int, ...], monkeypatch: pytest.MonkeyPatch) -> None:
    codec = PaperCollageCodec(0.31)
    picture = scene(*shape[:2])[..., : 3 if len(shape) == 3 else 1].reshape(shape)
    monkeypatch.setattr(codec_module, "TILE", 80)
    data = codec.encode(picture)
    (found,) = collagecodec.collages(data)
    grid = BlockGrid(*shape[:2], 40)
    assert found.planes == "RGB"
    assert found.code.blocks == grid.count
    assert 0 < found.code.lipschitz() <= 0.75
    check_factors(found.code, (grid.count, 1, 4, 1 + ATOMS))
    assert found.code.b.shape == (grid.count, 3, 4)
    start = np.random.default_rng(0).normal(0, 99, (grid.count, 3, 40, 40))
    fixed = iterate(found.operator, found.code, 60, start)
    # The decoder is off by 1/32 after each application, and by what its number of applications leaves.
    left = 0.75 ** load_paper(codec.fingerprint).iterations * 300
    levels = np.clip(grid.join(fixed) + 128, 0, 255)
    if len(shape) == 2:
        levels = (levels[..., 0] + 2 * levels[..., 1] + levels[..., 2]) / 4
    assert np.abs(levels - codec.decode(data)).max() <= 0.5 + 1 / 32 / (1 - 0.75) + 1 / 16 + left
    native = load_paper(codec.fingerprint).render(found.code, 20)
    iterations = load_paper(codec.fingerprint).iterations
    exact = iterate(found.operator, found.code, iterations)
    assert np.abs(exact - native).max() <= 1 / 32 / (1 - found.code.lipschitz())
