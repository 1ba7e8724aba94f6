"""Settings of codecs other than the default: through the interface, as text, and on the command line."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar, Literal

import numpy as np
import pytest
from PIL import Image

import collagecodec
from collagecodec.cli.main import run
from collagecodec.codecs import registry, settings
from collagecodec.codecs.base import Progress
from collagecodec.codecs.dct.codec import DctCodec
from collagecodec.errors import UnsupportedImageError
from collagecodec.io.sources import Source

PICTURE = np.random.default_rng(1).integers(0, 256, (20, 30, 3), np.uint8)


@dataclass(frozen=True)
class Slow(DctCodec):
    """Has a setting of every kind and reports how far it is."""

    steps: int = 3
    rate: float = 0.5
    kind: Literal["one", "other"] = "one"
    limit: int | None = None
    plain: bool = False
    name: ClassVar[str] = "slow"

    def encode_source(
        self, source: Source, metadata: Mapping[str, bytes], progress: Progress | None = None
    ) -> bytes:
        if progress:
            progress(0.25, "22.4 dB")
        return super().encode_source(source, metadata)


@pytest.fixture
def slow(monkeypatch: pytest.MonkeyPatch) -> None:
    entry = registry.Entry(3, __name__, "Slow")
    monkeypatch.setattr(registry, "ENTRIES", {**registry.ENTRIES, "slow": entry})


@pytest.mark.usefixtures("slow")
def test_text_becomes_values_of_the_right_type() -> None:
    texts = ("steps=7", "rate=1e-2", "kind=other", "limit=none", "plain=yes")
    found = settings.parsed("slow", texts)
    assert found == {"steps": 7, "rate": 0.01, "kind": "other", "limit": None, "plain": True}
    assert settings.parsed("slow", ["limit=5"]) == {"limit": 5}
    assert isinstance(settings.parsed("slow", ["rate=2"])["rate"], float)


@pytest.mark.usefixtures("slow")
@pytest.mark.parametrize("text", ["speed=1", "steps", "steps=1.5", "kind=third", "plain=maybe", "limit=x", "=1"])
def test_a_wrong_setting_is_told_what_there_is(text: str) -> None:
    with pytest.raises(ValueError, match=r"steps=3 .*rate=0.5 .*\(one or other\).*limit=none"):
        settings.parsed("slow", [text])
    with pytest.raises(ValueError, match="twice"):
        settings.parsed("slow", ["steps=1", "steps=2"])


def test_options_reach_the_codec() -> None:
    data = collagecodec.encode(PICTURE, codec="dct", options={"step": 9.0, "cell": 16})
    assert data == DctCodec(9.0, 16).encode(PICTURE)
    with pytest.raises(ValueError, match="quality"):
        collagecodec.encode(PICTURE, quality=4, options={"quality": 5})
    with pytest.raises(ValueError, match=r"no setting depth.*cell, coding, step"):
        collagecodec.encode(PICTURE, codec="dct", options={"depth": 3})


@pytest.mark.usefixtures("slow")
def test_progress_carries_a_note() -> None:
    told: list[tuple[float, str]] = []
    collagecodec.encode(PICTURE, codec="slow", progress=lambda share, note: told.append((share, note)))
    assert told == [(0.25, "22.4 dB")]
    told.clear()
    collagecodec.encode(PICTURE, codec="dct", progress=lambda share, note: told.append((share, note)))
    assert told == []
    collagecodec.encode(PICTURE, effort=0, progress=lambda share, note: told.append((share, note)))
    assert told[-1] == (1, "")


@pytest.mark.parametrize(("channels", "goal"), [(2, "to L"), (4, "to RGB")])
def test_alpha_is_refused_with_a_remedy(channels: int, goal: str) -> None:
    picture = np.zeros((5, 6, channels), np.uint8)
    with pytest.raises(UnsupportedImageError, match=goal):
        collagecodec.encode(picture, codec="dct")


def test_the_command_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    source, target = tmp_path / "p.png", tmp_path / "p.clg"
    Image.fromarray(PICTURE).save(source)
    command = ["encode", "--quiet", "--codec", "dct"]
    assert run([*command, "--set", "step=9", "--set", "cell=16", str(source)]) == 0
    assert target.read_bytes() == DctCodec(9.0, 16).encode(PICTURE)
    assert run([*command, "--set", "steps=9", str(source)]) == 2
    assert "step=32.0" in capsys.readouterr().err
    assert run([*command, "--steps", "9", str(source)]) == 2
    assert "no setting 'steps'" in capsys.readouterr().err
    assert run([*command, "--force", "--set", "step=0", str(source)]) == 1
    assert "1/16" in capsys.readouterr().err
    assert run(["codecs"]) == 0
    said = capsys.readouterr().out
    assert all(name in said for name in registry.names())
    assert run(["codecs", "dct"]) == 0
    assert "coding=entropy" in capsys.readouterr().out
    assert run(["codecs", "nobody"]) == 1
