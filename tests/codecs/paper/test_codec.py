import sys
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest
from paper_model import install, scene

from bitstream.container import Header, Reader, write
from collagecodec.codecs.paper import codec as codec_module
from collagecodec.codecs.paper.codec import PaperCollageCodec
from collagecodec.codecs.paper.decoder import BLOCK_BITS, RATES, PaperDecoder, exact_weights, load_paper
from collagecodec.errors import (
    DamagedTileError,
    FormatError,
    MissingLibraryError,
    ModelMismatchError,
    UnsupportedImageError,
)
from collagecodec.operator.atoms import resample_matrix


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("models")
    install(root)
    return root


@pytest.fixture(autouse=True)
def _installed(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from collagecodec.codecs.paper.encoder import load_paper_encoder

    monkeypatch.setenv("COLLAGE_MODELS", str(folder))
    load_paper.cache_clear()
    load_paper_encoder.cache_clear()


def psnr(one: np.ndarray, other: np.ndarray) -> float:
    return float(10 * np.log10(255**2 / ((one.astype(float) - other) ** 2).mean()))


@pytest.mark.parametrize("bpp", RATES)
@pytest.mark.parametrize("shape", [(80, 120, 3), (41, 39, 3), (1, 1, 3), (100, 65), (3, 90)])
def test_pictures_keep_their_shape_and_most_of_their_look(bpp: float, shape: tuple[int, ...]) -> None:
    picture = scene(*shape[:2])[..., : 3 if len(shape) == 3 else 1].reshape(shape)
    codec = PaperCollageCodec(bpp)
    data = codec.encode(picture)
    decoded = codec.decode(data)
    assert decoded.shape == picture.shape
    assert decoded.dtype == np.uint8
    assert psnr(decoded, picture) > 33.5
    blocks = -(-shape[0] // 40) * -(-shape[1] // 40)
    header = len(data) - blocks * BLOCK_BITS[RATES.index(bpp)] // 8
    assert 0 < header <= 40


def test_the_rates_are_those_of_the_paper() -> None:
    sizes = [8 * len(PaperCollageCodec(bpp).encode(scene(400, 400))) / 160_000 for bpp in RATES]
    assert sizes == pytest.approx(RATES, abs=0.003)


def test_the_higher_rate_is_better() -> None:
    picture = scene(120, 120, 5)
    low, high = (PaperCollageCodec(bpp).decode(PaperCollageCodec(bpp).encode(picture)) for bpp in RATES)
    assert psnr(high, picture) > psnr(low, picture) + 1


@pytest.mark.parametrize("scale", [Fraction(1, 20), Fraction(1, 4), Fraction(1, 2), 1, Fraction(7, 5), 2])
def test_natural_scales_render_the_same_blocks(scale: Fraction) -> None:
    picture = scene(80, 160)
    codec = PaperCollageCodec()
    data = codec.encode(picture)
    decoded = codec.decode(data, scale=float(scale))
    assert decoded.shape == (80 * scale, 160 * scale, 3)
    region = codec.decode(data, scale=float(scale), region=(40, 20, 100, 40))
    left, top, right, bottom = (int(v * scale) for v in (40, 20, 140, 60))
    np.testing.assert_array_equal(region, decoded[top:bottom, left:right])


def test_other_sizes_are_close_to_their_natural_neighbours() -> None:
    codec = PaperCollageCodec()
    data = codec.encode(scene(120, 120))
    native = codec.decode(data).astype(float)
    assert codec.decode(data, size=(77, 31)).shape == (31, 77, 3)
    assert codec.decode(data, scale=0.333).shape == (40, 40, 3)
    third = codec.decode(data, size=(40, 40))
    assert psnr(third, native.reshape(40, 3, 40, 3, 3).mean((1, 3))) > 30
    double = codec.decode(data, scale=2).astype(float)
    assert psnr(double.reshape(120, 2, 120, 2, 3).mean((1, 3)), native) > 30
    huge = codec.decode(data, scale=9, region=(50, 50, 4, 4)).astype(float)
    assert huge.shape == (36, 36, 3)
    assert psnr(huge.reshape(4, 9, 4, 9, 3).mean((1, 3)), native[50:54, 50:54]) > 56


def test_regions_read_only_their_tiles(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(codec_module, "TILE", 80)
    codec = PaperCollageCodec(0.13)
    picture = scene(170, 210)
    data = codec.encode(picture)
    assert Reader(data).header.tile_count == 9
    whole = codec.decode(data)
    np.testing.assert_array_equal(codec.decode(data, region=(60, 70, 101, 93)), whole[70:163, 60:161])
    monkeypatch.setattr(codec_module, "TILE", 1280)
    np.testing.assert_array_equal(codec.decode(codec.encode(picture)), whole)
    # The last tile is damaged: what does not touch it is still there.
    broken = bytearray(data)
    broken[-10] ^= 1
    corner = codec.decode(bytes(broken), region=(0, 0, 80, 80))
    np.testing.assert_array_equal(corner, whole[:80, :80])
    with pytest.raises(DamagedTileError):
        codec.decode(bytes(broken))


def test_blocks_do_not_depend_on_each_other() -> None:
    codec = PaperCollageCodec()
    one, other = scene(80, 80, 1), scene(80, 80, 2)
    other[:40, :40] = one[:40, :40]
    first, second = (codec.decode(codec.encode(picture)) for picture in (one, other))
    np.testing.assert_array_equal(first[:40, :40], second[:40, :40])
    assert (first != second).any()


def test_a_codec_is_its_configuration(folder: Path) -> None:
    codec = PaperCollageCodec(rate=0.13)
    assert codec.config == {"name": "collage-paper", "rate": 0.13, "model": "paper"}
    assert PaperCollageCodec(**{k: v for k, v in codec.config.items() if k != "name"}) == codec
    assert (folder / "paper" / f"decoder-{codec.fingerprint}.safetensors").exists()
    with pytest.raises(ValueError, match=r"0\.13 and 0\.31"):
        PaperCollageCodec(rate=0.2)


@pytest.mark.parametrize(
    ("picture", "reason"),
    [
        (np.zeros((4, 4, 4), np.uint8), "RGBA: convert it to RGB"),
        (np.zeros((0, 4), np.uint8), "no pixels"),
        (np.zeros((4, 4), np.float32), "float32"),
    ],
)
def test_other_pictures_are_refused(picture: np.ndarray, reason: str) -> None:
    with pytest.raises(UnsupportedImageError, match=reason):
        PaperCollageCodec().encode(picture)


def test_files_that_do_not_fit_are_refused() -> None:
    codec = PaperCollageCodec()
    fingerprint = bytes.fromhex(codec.fingerprint)
    good = Header(codec=2, width=40, height=40, fingerprint=fingerprint, params=b"\0")
    assert codec.decode(write(good, [bytes(26)])).shape == (40, 40, 3)

    def damaged(**changes: object) -> bytes:
        return write(Header(**{**good.__dict__, **changes}), [bytes(26)])

    with pytest.raises(FormatError, match="codec 1"):
        codec.decode(damaged(codec=1))
    for params in (b"", b"\2", b"\0\0"):
        with pytest.raises(FormatError, match="does not belong"):
            codec.decode(damaged(params=params))
    with pytest.raises(FormatError, match="no RGBA"):
        codec.decode(damaged(channels=4))
    with pytest.raises(ModelMismatchError, match="0123456789abcdef"):
        codec.decode(damaged(fingerprint=bytes.fromhex("0123456789abcdef")))
    with pytest.raises(DamagedTileError, match="26 bytes for 2 blocks"):
        codec.decode(damaged(width=41))
    with pytest.raises(ValueError, match="region"):
        codec.decode(write(good, [bytes(26)]), region=(0, 0, 41, 1))


@pytest.mark.parametrize("rate", range(len(RATES)))
def test_every_symbol_can_be_decoded(rate: int) -> None:
    model = load_paper(PaperCollageCodec().fingerprint)
    noise = np.random.default_rng(rate).integers(256, size=(40, BLOCK_BITS[rate] // 8)).astype(np.uint8)
    symbols = model.unpack(noise, rate)
    assert len(np.unique(symbols[:, 0])) > 4
    assert model.pack(symbols, rate) == noise.tobytes()
    code = model.code(symbols, rate)
    assert code.lipschitz() <= 0.75
    np.testing.assert_allclose(code.a * code.gamma, code.terms)
    pictures = model.render(code, 20)
    np.testing.assert_array_equal(pictures * 16, np.round(pictures * 16))


def test_arithmetic_is_exact_in_any_order() -> None:
    model = load_paper(PaperCollageCodec().fingerprint)
    noise = np.random.default_rng(1).integers(256, size=(5, 62)).astype(np.uint8)
    symbols = model.unpack(noise, 1)
    code = model.code(symbols, 1)
    # The same sums with whole numbers of unlimited size.
    for block, cell in ((0, 0), (4, 3)):
        mode = model.rates[1][symbols[block, 0]]
        stored = symbols[block, 5 : 5 + mode.widths.size]
        y = [int(mode.levels[q, s] * 16) for q, s in enumerate(stored)]
        mixing = (model.mixing * 2**14).astype(np.int64).astype(object)[: len(y)]
        theta = mixing.T.dot(np.array(y, object)) + (model.mean * 2**18).astype(np.int64).astype(object)
        own = theta.reshape(4, -1)[cell]
        found = [int(v * 2**18) for v in code.auxiliary[block, 0, cell]]
        assert found == [(int(t) + 2**14) >> 15 for t in own[: len(found)]]
        atoms = (model.auxiliary(20) * 4).astype(np.int64).astype(object)
        total = sum(c * atom for c, atom in zip(found, atoms, strict=True))
        constant = model.operator.offset(code)[block].reshape(3, 2, 20, 2, 20)[:, cell // 2, :, cell % 2]
        offset = [int(v * 16) << 16 for v in code.offset[block, :, cell]]
        exact = total + np.array(offset, object)[:, None, None]
        np.testing.assert_array_equal((constant * 2**20).astype(np.int64), exact.astype(np.int64))


def test_incomplete_models_are_refused(folder: Path) -> None:
    from safetensors.numpy import load_file

    path = next((folder / "paper").glob("decoder-*.safetensors"))
    tensors = load_file(path)
    assert PaperDecoder.from_tensors(tensors, "x").iterations == 12
    for name in tensors:
        with pytest.raises(ModelMismatchError, match="incomplete"):
            PaperDecoder.from_tensors({k: v for k, v in tensors.items() if k != name}, "x")
    for name, value in (
        ("levels", tensors["levels"][:-1]),
        ("widths", tensors["widths"] * 0),
    ):
        with pytest.raises(ModelMismatchError, match="incomplete"):
            PaperDecoder.from_tensors({**tensors, name: value}, "x")
    for name, value in (
        ("atoms", tensors["atoms"][:-1]),
        ("mean", tensors["mean"][:-1]),
        ("domain_levels", tensors["domain_levels"] + 4096),
        ("domain_levels", tensors["domain_levels"][:3]),
        ("iterations", tensors["iterations"] * 0),
    ):
        with pytest.raises(ModelMismatchError, match="do not fit"):
            PaperDecoder.from_tensors({**tensors, name: value}, "x")


def test_weights_of_other_sizes_are_those_of_the_operator_rounded() -> None:
    for size in (1, 7, 19, 20, 33, 96, 160):
        close = exact_weights(size) - resample_matrix(20, size)
        assert np.abs(close).max() <= 0.5001 / 4096
        assert np.array_equal(exact_weights(size) * 4096, np.rint(exact_weights(size) * 4096))


def test_tiles_that_cut_blocks_are_refused() -> None:
    header = Header(2, 200, 200, 3, tile_size=50, params=bytes([0]))
    with pytest.raises(FormatError, match="do not fit blocks"):
        PaperCollageCodec().decode(write(header, [b""] * header.tile_count))


def test_encoding_without_pytorch_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "collagecodec.codecs.paper.encoder", None)
    with pytest.raises(MissingLibraryError, match="pip install"):
        PaperCollageCodec().encode(np.zeros((40, 40), np.uint8))
