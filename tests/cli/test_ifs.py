"""`collage ifs`: files that are written, films, and wrong inputs in one line."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

import collagecodec
from collagecodec.cli.main import run

QUICK = ["--maps", "3", "--steps", "8"]


@pytest.fixture
def drawing(tmp_path: Path) -> Path:
    picture = np.zeros((24, 36), np.uint8)
    picture[4:20, 6:30] = 255
    Image.fromarray(picture).save(tmp_path / "drawing.png")
    return tmp_path / "drawing.png"


def said(capsys: pytest.CaptureFixture[str]) -> str:
    text = capsys.readouterr().err
    assert "Traceback" not in text
    return text


def test_fit_and_render(drawing: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    gif, live = tmp_path / "fit.gif", tmp_path / "live.png"
    assert run(["ifs", "fit", str(drawing), *QUICK, "--gif", str(gif), "--live", str(live)]) == 0
    assert "3 maps" in said(capsys)
    file = drawing.with_suffix(".clg")
    assert collagecodec.info(file.read_bytes()).codec == "ifs"
    with Image.open(gif) as film, Image.open(live) as last:
        assert getattr(film, "n_frames", 1) > 2
        assert last.size == film.size
    assert run(["ifs", "render", str(file), "--size", "90"]) == 0
    with Image.open(tmp_path / "drawing-90.png") as large:
        assert large.size == (90, 60)
        assert (np.asarray(large) == collagecodec.read(file, size=(90, 60))).all()
    assert run(["ifs", "render", str(file), "--size", "90"]) == 1
    assert "--force" in said(capsys)
    assert run(["ifs", "fit", str(drawing), *QUICK]) == 1
    assert "--force" in said(capsys)


def test_systems(drawing: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    system, kept = tmp_path / "s.json", tmp_path / "c.pt"
    command = [
        "ifs",
        "fit",
        str(drawing),
        "--maps",
        "7",
        "--steps",
        "4",
        "-o",
        str(system),
        "--checkpoint",
        str(kept),
    ]
    assert run(command) == 0
    assert "IoU" in said(capsys)
    first = system.read_text()
    # The checkpoint holds the finished fit: nothing is done again, and the result is the same.
    assert run([*command, "--force"]) == 0
    assert system.read_text() == first
    large = tmp_path / "large.png"
    assert run(["ifs", "render", str(system), "--size", "300", "-o", str(large)]) == 0
    with Image.open(large) as picture:
        assert picture.size == (300, 200)
    said(capsys)
    for options, word in ((["--aspect", "3"], "aspect"), (["--region", "0,0,1,1"], "region")):
        assert run(["ifs", "render", str(system), "--size", "30", "-o", str(tmp_path / "n.png"), *options]) == 2
        assert word in said(capsys)


def test_colours_are_dropped_with_a_word(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    picture = np.zeros((20, 20, 4), np.uint8)
    picture[5:15, 5:15] = (250, 200, 180, 255)
    Image.fromarray(picture).save(tmp_path / "p.png")
    assert run(["ifs", "fit", str(tmp_path / "p.png"), *QUICK]) == 0
    text = said(capsys)
    assert "converted to grey" in text
    assert "transparency is dropped" in text


def test_wrong_inputs_are_one_line(drawing: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    Image.new("L", (20, 20)).save(tmp_path / "empty.png")
    (tmp_path / "words.png").write_text("no picture")
    (tmp_path / "text.json").write_text("{}")
    (tmp_path / "text.clg").write_text("no file")
    cases = [
        (["fit", str(tmp_path / "empty.png"), *QUICK], "is empty"),
        (["fit", str(tmp_path / "empty.png"), "-o", str(tmp_path / "e.json")], "is empty"),
        (["fit", str(tmp_path / "words.png"), *QUICK], "words.png"),
        (["fit", str(tmp_path / "nothing.png")], "does not exist"),
        (["fit", str(drawing), "-o", "drawing.jpg"], ".clg or .json"),
        (["fit", str(drawing), "--maps", "1"], "--maps"),
        (["fit", str(drawing), "--kind", "line"], "--method distance"),
        (["render", str(tmp_path / "text.json"), "--size", "40"], "not a file that"),
        (["render", str(tmp_path / "text.clg"), "--size", "40"], "clg"),
        (["render", str(drawing), "--size", "0"], "--size"),
    ]
    for arguments, word in cases:
        assert run(["ifs", *arguments]) in (1, 2)
        assert word in said(capsys), arguments


def test_an_mp4_needs_ffmpeg(
    drawing: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    target = tmp_path / "fit.mp4"
    if shutil.which("ffmpeg"):
        assert run(["ifs", "fit", str(drawing), *QUICK, "--mp4", str(target)]) == 0
        assert target.stat().st_size > 500
        said(capsys)
    monkeypatch.setenv("PATH", str(tmp_path))
    assert run(["ifs", "fit", str(drawing), *QUICK, "--mp4", str(target), "--force"]) == 1
    assert "--gif" in said(capsys)
