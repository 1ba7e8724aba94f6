"""What every codec owes its callers, whichever it is: the contract of `collagecodec.codecs.base`."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

import collagecodec
from bitstream.container import Reader
from collagecodec.cli.main import run
from collagecodec.codecs import registry
from collagecodec.codecs.base import Codec
from collagecodec.codecs.rate_control import ChoiceParameter, StepParameter, step_of_quality
from collagecodec.errors import DamagedTileError, LimitError
from collagecodec.sampling.request import SCALE_DENOMINATOR, Request

GOLDEN = Path(__file__).parents[1] / "golden"
FILES = {
    "collage": "v1-second-tiled.clg",
    "collage-paper": "v1-paper.clg",
    "dct": "v1-dct.clg",
    "pifs": "v1-pifs.clg",
    "coin": "v1-coin.clg",
    "ifs": "v1-ifs.clg",
    "layers": "v1-layers.clg",
}
every_codec = pytest.mark.parametrize("name", sorted(FILES))
STEERED = ("collage", "collage-paper", "dct", "pifs")


def golden(name: str) -> bytes:
    return (GOLDEN / FILES[name]).read_bytes()


def scene(height: int, width: int) -> np.ndarray[Any, np.dtype[np.uint8]]:
    rng = np.random.default_rng(3)
    y, x = np.mgrid[:height, :width]
    planes = [128 + 60 * np.sin(x / 9 + c) + 40 * np.cos(y / (5 + c)) for c in range(3)]
    return np.clip(np.stack(planes, 2) + rng.normal(0, 4, (height, width, 3)), 0, 255).astype(np.uint8)


def test_every_codec_is_here() -> None:
    assert set(FILES) == set(registry.ENTRIES)
    numbers = [entry.number for entry in registry.ENTRIES.values()]
    assert numbers == [registry.codec_class(name).number for name in registry.ENTRIES]
    assert len(set(numbers)) == len(numbers)


@every_codec
def test_a_file_leads_to_its_codec(name: str) -> None:
    codec = registry.class_of(Reader(golden(name)).header)
    assert codec is registry.codec_class(name)
    assert codec.name == name == collagecodec.info(golden(name)).codec


@every_codec
def test_bands_are_the_picture(name: str) -> None:
    whole = collagecodec.decode(golden(name))
    decoded = collagecodec.decode_bands(golden(name))
    bands = list(decoded)
    assert (decoded.width, decoded.height) == whole.shape[1::-1]
    assert decoded.channels == (1 if whole.ndim == 2 else whole.shape[2])
    assert all(band.dtype == np.uint8 for band in bands)
    np.testing.assert_array_equal(np.concatenate(bands), whole)


@every_codec
def test_a_scale_is_rounded_alike(name: str) -> None:
    header = Reader(golden(name)).header
    width, height = header.width, header.height
    # The finest denominator is kept, and so is a scale that a coarser limit would round to nothing.
    for scale in (Fraction(1, 9000), Fraction(SCALE_DENOMINATOR - 1, SCALE_DENOMINATOR), Fraction(3, 65521)):
        decoded = collagecodec.decode_bands(golden(name), scale=scale)
        assert (decoded.width, decoded.height) == (-(-width * scale // 1), -(-height * scale // 1))
    assert Request.of(Fraction(1, SCALE_DENOMINATOR)).scale == Fraction(1, SCALE_DENOMINATOR)
    assert Request.of(1.7).scale == Fraction(17, 10)


@every_codec
@pytest.mark.parametrize(
    ("options", "reason"),
    [
        ({"scale": 0}, "above 0"),
        ({"scale": float("inf")}, "above 0"),
        ({"scale": float("nan")}, "above 0"),
        ({"scale": 2, "size": (5, 5)}, "not both"),
        ({"size": (5,)}, "2 integers"),
        ({"region": (0, 0, 1.5, 1)}, "4 integers"),
        ({"region": (0, 0, 10**6, 1)}, "does not lie in the picture"),
    ],
)
def test_requests_that_make_no_sense(name: str, options: dict[str, Any], reason: str) -> None:
    with pytest.raises(ValueError, match=reason):
        collagecodec.decode(golden(name), **options)


@every_codec
def test_an_absurd_output_is_refused(name: str) -> None:
    with pytest.raises(LimitError, match="no side"):
        collagecodec.decode_bands(golden(name), scale=10**6)


@every_codec
@pytest.mark.parametrize("option", ["fast", "tolerate_damage"])
def test_an_option_is_honoured_or_refused_with_the_reason(
    name: str, option: str, capsys: Any, tmp_path: Path
) -> None:
    codec = registry.codec_class(name)
    if option not in codec.refused_options:
        assert collagecodec.decode(golden(name), **{option: True}).size
        return
    with pytest.raises(ValueError, match=codec.refused_options[option]):
        collagecodec.decode(golden(name), **{option: True})
    flag = f"--{option.replace('_', '-')}"
    assert run(["decode", flag, "-o", str(tmp_path / "x.png"), str(GOLDEN / FILES[name])]) == 1
    assert codec.refused_options[option] in capsys.readouterr().err


def test_which_codecs_honour_which_options() -> None:
    refused = {name: sorted(registry.codec_class(name).refused_options) for name in FILES}
    assert refused == {
        "collage": [],
        "collage-paper": ["fast"],
        "pifs": ["fast"],
        "dct": ["fast", "tolerate_damage"],
        "coin": ["fast", "tolerate_damage"],
        "ifs": ["fast", "tolerate_damage"],
        "layers": [],
    }


TILED: dict[str, dict[str, Any]] = {
    "pifs": {"tile_size": 256, "smallest": 16, "smallest_domain": 16, "augment": False},
    "collage-paper": {},
}


@pytest.fixture(scope="module", params=TILED)
def tiled(request: pytest.FixtureRequest) -> Iterator[tuple[bytes, Codec]]:
    """A file of at least four tiles, and its codec."""
    from collagecodec.codecs.paper import codec as paper

    codec = registry.get(request.param, **TILED[request.param])
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(paper, "TILE", 240)
        yield codec.encode(scene(260, 520)), codec


def test_damage_costs_its_own_tile(tiled: tuple[bytes, Codec]) -> None:
    file, codec = tiled
    whole, reader = codec.decode(file), Reader(file)
    assert reader.header.tile_count >= 4
    broken = bytearray(file)
    broken[file.index(bytes(reader.tile(1))) + 7] ^= 0x20
    with pytest.raises(DamagedTileError, match="tolerate_damage") as caught:
        codec.decode(bytes(broken))
    assert caught.value.tile == 1
    decoded = collagecodec.decode_bands(bytes(broken), tolerate_damage=True)
    pixels = decoded.gather()
    assert decoded.damaged == [1]
    x, y, w, h = reader.header.tile_box(1)
    others = np.ones(whole.shape[:2], bool)
    others[y : y + h, x : x + w] = False
    np.testing.assert_array_equal(pixels[others], whole[others])
    np.testing.assert_array_equal(pixels[y : y + h, x : x + w], 128)
    # A region that does not touch the tile is whole, and says so.
    part = collagecodec.decode_bands(bytes(broken), region=(0, 0, x, h), tolerate_damage=True)
    np.testing.assert_array_equal(part.gather(), whole[:h, :x])
    assert part.damaged == []


def test_a_region_streams_its_tiles_one_row_after_the_other(
    tiled: tuple[bytes, Codec], monkeypatch: pytest.MonkeyPatch
) -> None:
    file, _ = tiled
    asked: list[int] = []
    original = Reader.tile
    monkeypatch.setattr(Reader, "tile", lambda self, tile: asked.append(tile) or original(self, tile))
    decoded = iter(collagecodec.decode_bands(file))
    next(decoded)
    across = Reader(file).header.tiles_across
    assert sorted(set(asked)) == list(range(across))
    list(decoded)
    assert len(set(asked)) == Reader(file).header.tile_count


PICTURE = scene(48, 64)
QUICK: dict[str, dict[str, Any]] = {"pifs": {"augment": False, "smallest": 2}}


@pytest.mark.parametrize("name", ["dct", "pifs"])
def test_sizes_are_met_and_never_passed(name: str) -> None:
    options = QUICK.get(name, {})
    for target in ({"max_bytes": 900}, {"bpp": 2.0}):
        limit = target.get("max_bytes") or int(target["bpp"] * 48 * 64 / 8)
        file = collagecodec.encode(PICTURE, codec=name, options=options, **target)  # type: ignore[arg-type]
        assert 0.9 * limit < len(file) <= limit


@pytest.mark.parametrize("name", ["dct", "pifs"])
def test_a_psnr_is_met(name: str) -> None:
    file = collagecodec.encode(PICTURE, codec=name, options=QUICK.get(name), psnr=28)
    error = np.square(collagecodec.decode(file).astype(float) - PICTURE).mean()
    assert 28 <= 10 * np.log10(255**2 / error) < 28.3


@pytest.mark.parametrize("name", STEERED)
def test_quality_is_the_same_scale_for_every_step(name: str) -> None:
    parameter = registry.get(name).rate_parameter
    assert parameter is not None
    codes = [parameter.code_of_quality(quality) for quality in (0, 30, 60, 90, 100)]
    assert codes == sorted(codes, reverse=True)
    assert all(parameter.low <= code <= parameter.high for code in codes)
    if isinstance(parameter, StepParameter):
        assert abs(parameter.value(parameter.code_of_quality(60)) - step_of_quality(60)) <= 0.5 / parameter.unit


def test_choices_share_the_quality() -> None:
    parameter = ChoiceParameter("rate", ("fine", "middle", "coarse"))
    chosen = [parameter.value(parameter.code_of_quality(quality)) for quality in (100, 67, 66, 34, 33, 0)]
    assert chosen == ["fine", "fine", "middle", "middle", "coarse", "coarse"]


def test_quality_reaches_the_codec() -> None:
    file = collagecodec.encode(PICTURE, codec="dct", quality=50)
    assert collagecodec.info(file).step == round(step_of_quality(50) * 16) / 16
    assert file == registry.get("dct", step=round(step_of_quality(50) * 16) / 16).encode(PICTURE)


def test_a_codec_without_a_parameter_refuses_targets() -> None:
    for name, options in (("coin", {}), ("ifs", {}), ("pifs", {"coding": "fixed", "largest": 8, "smallest": 8})):
        with pytest.raises(ValueError, match=f"{name} with these settings has no parameter"):
            collagecodec.encode(PICTURE, codec=name, options=options, bpp=0.5)


def test_a_target_and_the_setting_that_it_would_move_exclude_each_other() -> None:
    with pytest.raises(ValueError, match="bpp, step: each of them decides the rate"):
        collagecodec.encode(PICTURE, codec="dct", options={"step": 9.0}, bpp=0.5)
    with pytest.raises(ValueError, match="quality"):
        collagecodec.encode(PICTURE, options={"quality": 9.0}, psnr=30)


def test_a_target_on_the_command_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    Image.fromarray(PICTURE).save(tmp_path / "p.png")
    assert run(["encode", "--codec", "dct", "--bpp", "1.5", "--json", str(tmp_path / "p.png")]) == 0
    figures = json.loads(capsys.readouterr().out)
    assert 1.35 < figures["bpp"] <= 1.5
    assert run(["encode", "--codec", "coin", "--bpp", "1.5", "-f", str(tmp_path / "p.png")]) == 1
    assert "no parameter" in capsys.readouterr().err


def test_metadata_reach_the_files_of_every_codec() -> None:
    for name in ("dct", "pifs", "collage"):
        file = collagecodec.encode(PICTURE[:16, :16], codec=name, metadata={"xmp": b"<x/>"})
        assert collagecodec.decode_bands(file).metadata == {"xmp": b"<x/>"}


def test_the_search_gives_the_file_of_its_step() -> None:
    file = collagecodec.encode(PICTURE, codec="collage", max_bytes=900, effort=0)
    step = collagecodec.info(file).step
    again = registry.get("collage", step=step, effort=0).encode(PICTURE)
    assert hashlib.sha256(again).digest() == hashlib.sha256(file).digest()
