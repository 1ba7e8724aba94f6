"""The codec that the documentation shows, announced by an entry point as another package would."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from skimage import data

import collagecodec
from bitstream.container import Reader
from collagecodec.cli.main import run
from collagecodec.codecs import registry
from collagecodec.codecs.base import Codec
from collagecodec.errors import FormatError
from collagecodec.io.sources import ArraySource
from eval.harness.store import read_rows

PAGE = Path(__file__).parents[2] / "docs" / "adding-a-codec.md"
PICTURE = data.astronaut()[:96, :120]


def blocks(language: str) -> list[str]:
    return re.findall(rf"```{language}\n(.*?)```", PAGE.read_text(encoding="utf-8"), re.DOTALL)


def install(folder: Path, source: str, entries: str) -> None:
    """Put a package into `folder`: its module, and the metadata that an installer writes."""
    (folder / "reduced.py").write_text(source)
    info = folder / "reduced-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: reduced\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text(entries)


@pytest.fixture
def package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """The folder of the installed package, importable while the fixture lives."""
    source, sweeps = blocks("python")
    entries = re.sub(r'.*"collagecodec.codecs".*', "[collagecodec.codecs]", blocks("toml")[0]).replace('"', "")
    install(tmp_path, source, entries)
    (tmp_path / "sweeps.py").write_text(sweeps)
    monkeypatch.syspath_prepend(str(tmp_path))
    yield tmp_path
    sys.modules.pop("reduced", None)


def test_it_is_listed_and_loaded(package: Path) -> None:
    assert "reduced" in registry.names()
    codec = registry.get("reduced", percent=30)
    assert codec.config == {"name": "reduced", "percent": 30}
    assert registry.from_config(codec.config) == codec


def test_it_encodes_decodes_and_describes(package: Path) -> None:
    file = collagecodec.encode(PICTURE, codec="reduced", options={"percent": 100}, metadata={"xmp": b"<x/>"})
    np.testing.assert_array_equal(collagecodec.decode(file), PICTURE)
    part = collagecodec.decode(file, region=(8, 16, 32, 24))
    np.testing.assert_array_equal(part, PICTURE[16:40, 8:40])
    assert collagecodec.decode(file, scale=2).shape == (192, 240, 3)
    assert collagecodec.decode_bands(file).metadata == {"xmp": b"<x/>"}
    info = collagecodec.info(file)
    assert (info.codec, info.model, info.step) == ("reduced", None, None)
    assert Reader(file).header.params == b"\x07reduced"


def test_its_own_parameters_come_back(package: Path) -> None:
    codec = registry.get("reduced")
    header = codec.header_for(ArraySource(PICTURE), b"\x01\x02")
    assert header.params == b"\x07reduced\x01\x02"
    assert codec.params_of(header) == b"\x01\x02"


@pytest.mark.parametrize("limit", [3000, 9000])
def test_it_meets_a_size(package: Path, limit: int) -> None:
    file = collagecodec.encode(PICTURE, codec="reduced", max_bytes=limit)
    assert 0.9 * limit < len(file) <= limit


def test_options_that_it_does_not_honour_are_refused(package: Path) -> None:
    file = collagecodec.encode(PICTURE, codec="reduced")
    for option in ("fast", "tolerate_damage"):
        with pytest.raises(ValueError, match=f"{option} is not for files of the codec 'reduced'"):
            collagecodec.decode(file, **{option: True})


def test_the_command_line(package: Path, capsys: pytest.CaptureFixture[str]) -> None:
    Image.fromarray(PICTURE).save(package / "photo.png")
    command = [sys.executable, "-m", "collagecodec.cli.main"]
    environment = {**os.environ, "PYTHONPATH": str(package)}
    for arguments in (
        ["encode", "--quiet", "--codec", "reduced", "--set", "percent=50", "photo.png"],
        ["decode", "--quiet", "photo.clg", "-o", "decoded.png"],
    ):
        subprocess.run([*command, *arguments], cwd=package, env=environment, check=True)
    decoded = np.asarray(Image.open(package / "decoded.png"))
    file = collagecodec.encode(PICTURE, codec="reduced", options={"percent": 50})
    assert (package / "photo.clg").read_bytes() == file
    np.testing.assert_array_equal(decoded, collagecodec.decode(file))
    assert run(["codecs", "reduced"]) == 0
    assert "percent=50  (integer)" in capsys.readouterr().out


def test_the_harness_measures_it(package: Path) -> None:
    pictures = package / "pictures"
    pictures.mkdir()
    Image.fromarray(PICTURE).save(pictures / "a.png")
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join((str(package), str(PAGE.parents[1])))}
    command = [sys.executable, "-m", "eval", "rd", "--data", "pictures", "--codecs", "sweeps.py", "--psnr-only"]
    subprocess.run([*command, "--out", "results"], cwd=package, env=environment, check=True, capture_output=True)
    rows = sorted(read_rows(package / "results"), key=lambda row: row.value)
    assert [row.value for row in rows] == [10, 20, 35, 50, 75]
    assert all(row.ok and row.codec == "reduced" for row in rows)
    assert [row.psnr for row in rows] == sorted(row.psnr for row in rows)
    assert [row.bytes for row in rows] == sorted(row.bytes for row in rows)


def test_a_file_is_described_where_its_codec_is_not_installed(
    package: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = collagecodec.encode(PICTURE, codec="reduced")
    monkeypatch.setattr(registry, "_entry_points", dict)
    assert collagecodec.info(file).codec == "reduced"
    with pytest.raises(FormatError, match="'reduced' of another package, which is not installed"):
        collagecodec.decode(file)


def test_a_codec_of_another_name_in_the_file_is_refused(package: Path) -> None:
    file = collagecodec.encode(PICTURE, codec="reduced")

    class Other(registry.codec_class("reduced")):  # type: ignore[misc]
        name = "other"

    with pytest.raises(FormatError, match="not by 'other'"):
        Other().decode(file)


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        (("number: ClassVar[int] = 240", "number: ClassVar[int] = 3"), "240 to 255"),
        (('name: ClassVar[str] = "reduced"', 'name: ClassVar[str] = "dct"'), "name = 'reduced'"),
        (("class ReducedCodec(Codec)", "class Somebody(Codec)"), "cannot be loaded from reduced:ReducedCodec"),
    ],
)
def test_entry_points_that_break_the_contract_are_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, change: tuple[str, str], reason: str
) -> None:
    source = blocks("python")[0]
    assert change[0] in source
    install(tmp_path, source.replace(*change), "[collagecodec.codecs]\nreduced = reduced:ReducedCodec\n")
    monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.delitem(sys.modules, "reduced", raising=False)
    with pytest.raises((TypeError, registry.CodecUnavailableError), match=reason):
        registry.codec_class("reduced")
    sys.modules.pop("reduced", None)


def test_it_cannot_take_the_name_of_a_codec_that_ships(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    install(tmp_path, blocks("python")[0], "[collagecodec.codecs]\ndct = reduced:ReducedCodec\n")
    monkeypatch.syspath_prepend(str(tmp_path))
    codec: type[Codec] = registry.codec_class("dct")
    assert codec.__module__ == "collagecodec.codecs.dct.codec"
