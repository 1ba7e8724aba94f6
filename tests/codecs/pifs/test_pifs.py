"""`pifs`: every picture comes back; what settings do; sizes of files."""

from __future__ import annotations

import subprocess
import sys

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pifs_scenes import scene

import collagecodec
from bitstream.container import Reader
from collagecodec.codecs import registry
from collagecodec.codecs.pifs.codec import PifsCodec
from collagecodec.codecs.pifs.encoder import search
from collagecodec.errors import LimitError, MissingLibraryError, UnsupportedImageError


def psnr(one: np.ndarray, other: np.ndarray) -> float:
    return float(10 * np.log10(255**2 / max(1e-9, ((one.astype(float) - other) ** 2).mean())))


def tiles(cell: int, augment: bool, **more: object) -> PifsCodec:
    return PifsCodec(
        coding="fixed", largest=cell, smallest=cell, smallest_domain=cell, domain_step=cell, window=0,
        augment=augment, **more,  # type: ignore[arg-type]
    )  # fmt: skip


@settings(max_examples=20, deadline=None)
@given(
    st.integers(1, 70), st.integers(1, 70), st.booleans(), st.sampled_from((1, 2, 4)),
    st.sampled_from(({}, {"smallest": 4}, {"window": 4}, {"augment": False}, {"largest": 12, "smallest": 3})),
)  # fmt: skip
def test_every_picture_comes_back_in_its_size(
    height: int, width: int, grey: bool, chroma: int, setting: dict[str, object]
) -> None:
    picture = scene(height, width, height, grey)
    codec = PifsCodec(step=20.0, chroma=chroma, **setting)  # type: ignore[arg-type]
    found = codec.decode(codec.encode(picture))
    assert found.shape == picture.shape
    assert found.dtype == np.uint8
    assert psnr(found, picture) > 15


@pytest.mark.parametrize("shape", [(1, 1), (1, 1, 3), (1, 90), (57, 2, 3), (64, 64), (65, 63, 3)])
@pytest.mark.parametrize(
    "codec", [PifsCodec(), tiles(8, True), tiles(8, False)], ids=["tree", "augmented", "plain"]
)
def test_a_constant_picture_stays_as_it_is(shape: tuple[int, ...], codec: PifsCodec) -> None:
    for value in (0, 97, 255):
        picture = np.full(shape, value, np.uint8)
        data = codec.encode(picture)
        found = codec.decode(data)
        assert np.abs(found.astype(int) - value).max() <= (1 if codec.coding == "entropy" else 2)
        if codec.coding == "entropy":
            assert len(data) < 130


@pytest.mark.parametrize("grey", [True, False])
def test_a_finer_step_is_a_larger_and_better_file(grey: bool) -> None:
    picture = scene(120, 150, 1, grey)
    codecs = [PifsCodec(step=step) for step in (120.0, 50.0, 20.0, 8.0)]
    files = [codec.encode(picture) for codec in codecs]
    assert np.all(np.diff([len(data) for data in files]) > 0)
    qualities = [psnr(codecs[0].decode(data), picture) for data in files]
    assert np.all(np.diff(qualities) > 0)
    assert qualities[-1] > 35


def test_domain_cells_are_worth_their_bits() -> None:
    """Texture that repeats at half its size: a quarter more bits without domain cells, or it is not searched."""
    y, x = np.mgrid[:128, :128]
    radius = np.hypot(y + 9, x + 5) + 1
    picture = np.clip(128 + 60 * np.sign(np.sin(2 * np.pi * np.log2(radius) * 4)), 0, 255).astype(np.uint8)
    with_domains, without = (
        PifsCodec(step=40.0, smallest=4, smallest_domain=4),
        PifsCodec(step=40.0, smallest=4, smallest_domain=128),
    )
    files = with_domains.encode(picture), without.encode(picture)
    better = psnr(with_domains.decode(files[0]), picture) - psnr(without.decode(files[1]), picture)
    assert better > 0.5


@pytest.mark.parametrize(("augment", "extra"), [(False, 0), (True, 4)])
@pytest.mark.parametrize("grey", [True, False])
def test_the_size_of_fixed_widths_is_exact(augment: bool, extra: int, grey: bool) -> None:
    picture = scene(130, 97, 2, grey)
    payload = Reader(tiles(8, augment, mean_bits=7).encode(picture)).tile(0)
    # Domain cells of 16x16 at every eighth pixel: 15 down, 11 across; of half the size, 7 and 5.
    bits = 17 * 13 * (7 + 4 + 4 + 4 + extra)
    if not grey:
        bits += 2 * 9 * 7 * (7 + 4 + 3 + 3 + extra)
    assert len(payload) == -(-bits // 8)


def test_augmentation_finds_more() -> None:
    picture = scene(128, 128, 3, grey=True)
    plain, augmented = (tiles(8, augment) for augment in (False, True))
    assert psnr(augmented.decode(augmented.encode(picture)), picture) > 0.3 + psnr(
        plain.decode(plain.encode(picture)), picture
    )


def test_a_second_search_is_no_worse() -> None:
    picture = scene(128, 128, 3, grey=True)
    once, twice = (tiles(8, True, passes=passes) for passes in (1, 2))
    assert (
        psnr(twice.decode(twice.encode(picture)), picture)
        > psnr(once.decode(once.encode(picture)), picture) - 0.05
    )


def test_tiles_bound_the_search_and_cover_the_picture() -> None:
    picture = scene(270, 260, 4)
    codec = PifsCodec(step=20.0, tile_size=256, window=8)
    data = codec.encode(picture)
    assert Reader(data).header.tile_count == 4
    whole = PifsCodec(step=20.0, window=8)
    assert abs(psnr(codec.decode(data), picture) - psnr(whole.decode(whole.encode(picture)), picture)) < 0.5


def test_progress_goes_up_to_one() -> None:
    told: list[float] = []
    collagecodec.encode(scene(70, 60, 5), codec="pifs", progress=lambda share, _: told.append(share))
    assert len(told) > 3
    assert np.all(np.diff(told) > 0)
    assert told[-1] == 1


def test_settings_round_trip_and_are_checked() -> None:
    codec = PifsCodec(step=9.5, window=8, coding="entropy", search="nearest")
    assert registry.from_config(codec.config) == codec
    for setting in (
        {"largest": 24, "smallest": 7}, {"largest": 4, "smallest": 8}, {"largest": 256}, {"domain_step": 3},
        {"window": 5}, {"coding": "zip"}, {"search": "guess"}, {"coding": "fixed"}, {"step": 0}, {"chroma": 3},
        {"mean_bits": 9}, {"passes": 0}, {"tile_size": 4096}, {"smallest_domain": 0},
    ):  # fmt: skip
        with pytest.raises(ValueError, match=r"not|give"):
            PifsCodec(**setting)  # type: ignore[arg-type]


def test_pictures_that_cannot_be_stored() -> None:
    for picture, reason in (
        (np.zeros((4, 4), np.float32), "float32"),
        (np.zeros((0, 4), np.uint8), "no pixels"),
        (np.zeros((4, 4, 4), np.uint8), "pifs stores L and RGB, and the picture is RGBA: convert it to RGB"),
    ):
        with pytest.raises(UnsupportedImageError, match=reason):
            PifsCodec().encode(picture)
    with pytest.raises(LimitError, match="cut it"):
        PifsCodec().encode(np.broadcast_to(np.uint8(0), (2**14 + 1, 2**14)))


def test_nearest_without_scipy_says_what_is_missing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "scipy.spatial", None)
    with pytest.raises(MissingLibraryError, match="scipy"):
        PifsCodec(search="nearest").encode(scene(40, 40))
    assert "nearest" in search.MATCHERS


def test_neither_encoding_nor_decoding_imports_torch() -> None:
    code = (
        "import sys, numpy as np, collagecodec as c\n"
        "d = c.encode(np.arange(40 * 40, dtype=np.uint8).reshape(40, 40), codec='pifs'); c.decode(d, scale=2)\n"
        "assert not {'torch', 'scipy'} & set(sys.modules)"
    )
    subprocess.run([sys.executable, "-c", code], check=True)
