"""The plot of a training log."""

from __future__ import annotations

import json
from pathlib import Path

from click.testing import CliRunner
from PIL import Image

from eval.cli import main


def test_a_log_becomes_a_picture(tmp_path):
    log = tmp_path / "log.jsonl"
    entries = [
        {"stage": s, "update": u, "loss": 1 / u, "psnr": 30 + u} for s in ("one", "two") for u in range(1, 40)
    ]
    log.write_text("".join(json.dumps(entry) + "\n" for entry in entries))
    done = CliRunner().invoke(main, ["curves", "--log", str(log), "--out", str(tmp_path / "a.svg")])
    assert done.exit_code == 0, done.output
    drawn = (tmp_path / "a.svg").read_text()
    # Text is drawn as outlines, which matplotlib announces in comments.
    for text in ("loss", "PSNR (dB)", "updates", "one", "two"):
        assert f"<!-- {text} -->" in drawn
    assert "bits per pixel" not in drawn
    with log.open("a") as file:
        file.write('{"stage": "two", "upd')
    torn = CliRunner().invoke(main, ["curves", "--log", str(log), "--out", str(tmp_path / "torn.svg")])
    assert torn.exit_code == 0, torn.output
    assert (tmp_path / "torn.svg").read_text() == drawn
    log.write_text("")
    empty = CliRunner().invoke(main, ["curves", "--log", str(log), "--out", str(tmp_path / "b.svg")])
    assert empty.exit_code == 1
    assert "contains no entries" in empty.output


def test_the_log_of_the_model_can_be_drawn(tmp_path):
    log = Path(__file__).parents[2] / "models" / "aerial" / "training.jsonl"
    done = CliRunner().invoke(main, ["curves", "--log", str(log), "--out", str(tmp_path / "a.png")])
    assert done.exit_code == 0, done.output
    with Image.open(tmp_path / "a.png") as picture:
        assert picture.size == (990, 924)  # 9 x 8.4 inches at 110 dpi: a panel for each of four figures
        assert len(picture.convert("RGB").getcolors(1 << 20) or ()) > 100
