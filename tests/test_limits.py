"""Limits hold before memory is allocated; what is decoded stays below the estimate that is compared with them."""

from __future__ import annotations

import subprocess
import sys
import tracemalloc
from pathlib import Path

import hostile
import numpy as np
import pytest
from click.testing import CliRunner

import collagecodec
from bitstream.container import Reader
from collagecodec import LimitError, Limits
from collagecodec.cli.main import group
from collagecodec.codecs import registry
from collagecodec.codecs.coin.siren import coordinates
from collagecodec.sampling.request import Request

_CAPPED = """
import resource, sys
import collagecodec, hostile
from collagecodec import LimitError
collagecodec.decode(hostile.golden("v1-collage-3.clg"), scale=0.5)
used = int(open("/proc/self/statm").read().split()[0]) * resource.getpagesize()
resource.setrlimit(resource.RLIMIT_AS, (used + 200 * 2**20,) * 2)
for name, (data, options) in hostile.BOMBS.items():
    try:
        for _ in collagecodec.api.decode_bands(data, **options):
            pass
    except LimitError as error:
        assert "limit" in str(error), error
    else:
        raise AssertionError(name)
index = hostile.many_tiles(2**11)
assert collagecodec.info(index).tiles == 2**22
"""


@pytest.mark.skipif(not Path("/proc/self/statm").exists(), reason="caps memory as Linux does")
def test_hostile_files_are_refused_within_200_mib() -> None:
    path = [str(Path(__file__).parent), str(Path(__file__).parent.parent)]
    program = f"import sys; sys.path[:0] = {path!r}\n{_CAPPED}"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stderr


CASES = [
    ("v1-collage-3.clg", {}),
    ("v1-collage-4.clg", {"scale": 0.4}),
    ("v1-collage-3.clg", {"scale": 3}),
    ("v1-tiled.clg", {}),
    ("v1-tiled.clg", {"size": (70, 70)}),
    ("v1-second-tiled.clg", {"region": (1000, 1000, 60, 60)}),
    ("v1-paper.clg", {}),
    ("v1-paper.clg", {"scale": 9}),
    ("v1-pifs.clg", {}),
    ("v1-pifs.clg", {"scale": 4}),
    ("v1-pifs-fixed.clg", {"scale": 2}),
    ("v1-dct.clg", {"scale": 2}),
    ("v1-ifs.clg", {"scale": 5}),
    ("v1-coin.clg", {"scale": 1.5}),
]


def traced(data: bytes, options: dict[str, object]) -> int:
    """The peak of the memory that a decoder allocates beside the bands that it hands out."""
    collagecodec.decode(data, size=(1, 1))  # models and tables
    tracemalloc.start()
    largest = max(band.nbytes for band in collagecodec.decode_bands(data, **options))
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    return peak - largest


@pytest.mark.parametrize("size", [(100_000, 300), (20_000, 20_000), (2**14, 2**15)])
def test_pictures_from_the_air_are_within_the_defaults(size: tuple[int, int]) -> None:
    """In tiles of 1024 pixels, as the encoder makes them."""
    header = Reader(hostile.collage(*size, 1024)).header
    codec = registry.class_of(header)
    for options in ({}, {"scale": 0.5}, {"region": (5, 5, 250, 250), "scale": 4}, {"size": (256, 256)}):
        request = Request.of(**options)
        assert codec.working_bytes(header, request) <= Limits().working_bytes
        assert codec.decoded_pixels(header, request) <= Limits().pixels


@pytest.mark.parametrize(("name", "options"), CASES)
def test_no_codec_takes_more_than_it_says(name: str, options: dict[str, object]) -> None:
    data = hostile.golden(name)
    header = Reader(data).header
    needed = registry.class_of(header).working_bytes(header, Request.of(**options))
    assert traced(data, options) <= needed <= 2**30
    assert collagecodec.decode(data, limits=Limits(working_bytes=needed), **options).size
    with pytest.raises(LimitError, match=r"the limit is .* MiB: .*working_bytes"):
        collagecodec.decode(data, limits=Limits(working_bytes=needed - 1), **options)


def test_pixels_that_must_be_decoded_are_counted() -> None:
    data = hostile.golden("v1-tiled.clg")  # 1060 x 1100 pixels in four tiles
    first = {"region": (3, 3, 5, 5)}
    assert collagecodec.decode(data, limits=Limits(pixels=1024**2), **first).shape == (5, 5, 3)
    with pytest.raises(
        LimitError, match="1048576 pixels would have to be decoded, which is over the limit of 1048575"
    ):
        collagecodec.decode(data, limits=Limits(pixels=1024**2 - 1), **first)
    whole = {"size": (2, 2)}
    assert collagecodec.decode(data, limits=Limits(pixels=1060 * 1100), **whole).shape == (2, 2, 3)
    with pytest.raises(LimitError, match="1166000 pixels would"):
        collagecodec.decode(data, limits=Limits(pixels=1060 * 1100 - 1), **whole)
    last = {"region": (1024, 1024, 1, 1)}
    assert collagecodec.decode(data, limits=Limits(pixels=36 * 76), **last).shape == (1, 1, 3)
    with pytest.raises(LimitError, match="2736 pixels"):
        collagecodec.decode(data, limits=Limits(pixels=36 * 76 - 1), **last)
    with pytest.raises(LimitError, match="the output of 10x10 pixels is over the limit of 99"):
        collagecodec.decode(hostile.golden("v1-coin.clg"), size=(10, 10), limits=Limits(pixels=99))


def test_metadata_are_limited() -> None:
    picture = np.zeros((9, 9), np.uint8)
    data = collagecodec.encode(picture, codec="dct", metadata={"xmp": bytes(100), "exif": bytes(50)})
    for call in (collagecodec.decode, collagecodec.info, collagecodec.decode_bands):
        call(data, limits=Limits(metadata_bytes=150))
        with pytest.raises(LimitError, match="metadata"):
            call(data, limits=Limits(metadata_bytes=149))


def test_contractive_maps_are_limited() -> None:
    with pytest.raises(LimitError, match="MiB"):
        collagecodec.collages(hostile.dct(2**13, 2**13))


def test_the_command_line_passes_limits(tmp_path: Path) -> None:
    path = tmp_path / "p.clg"
    path.write_bytes(hostile.golden("v1-dct.clg"))
    for option, words in (
        ("--limit-pixels=11k", "over the limit of 11000"),
        ("--limit-memory=1M", "the limit is 1 MiB"),
    ):
        result = CliRunner().invoke(group, ["decode", str(path), option, "-o", str(tmp_path / "p.png")])
        assert words in result.output
        assert not (tmp_path / "p.png").exists()
    assert "not a count" in CliRunner().invoke(group, ["decode", str(path), "--limit-pixels=1T"]).output


def test_limits_are_not_negative() -> None:
    with pytest.raises(ValueError, match="at least 0"):
        Limits(pixels=-1)


def test_coordinates_of_coin_take_little_memory_and_are_exact() -> None:
    side = 2**24
    tracemalloc.start()
    found = coordinates(5, side - 7, side, side, side)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 5 * side
    for i in (0, 1, 777, side // 2, side - 1):
        numerator = (2 * i + 1) * (side - 7) + (10 - side) * side
        assert found[i] == (2**21 * numerator + side * side) // (2 * side * side)
