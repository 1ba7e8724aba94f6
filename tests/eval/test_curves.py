"""The picture of a training."""

from __future__ import annotations

import json
from pathlib import Path

from click.testing import CliRunner

from eval.cli import main


def test_a_log_becomes_a_picture(tmp_path):
    log = tmp_path / "log.jsonl"
    entries = [
        {"stage": s, "update": u, "loss": 1 / u, "psnr": 30 + u} for s in ("one", "two") for u in range(1, 40)
    ]
    log.write_text("".join(json.dumps(entry) + "\n" for entry in entries))
    found = CliRunner().invoke(main, ["curves", "--log", str(log), "--out", str(tmp_path / "a.svg")])
    assert found.exit_code == 0, found.output
    drawn = (tmp_path / "a.svg").read_text()
    assert "PSNR (dB)" in drawn or "<path" in drawn
    log.write_text("")
    empty = CliRunner().invoke(main, ["curves", "--log", str(log), "--out", str(tmp_path / "b.svg")])
    assert empty.exit_code == 1
    assert "no entries" in empty.output


def test_the_log_of_the_model_can_be_drawn(tmp_path):
    log = Path(__file__).parents[2] / "models" / "aerial" / "training.jsonl"
    found = CliRunner().invoke(main, ["curves", "--log", str(log), "--out", str(tmp_path / "a.png")])
    assert found.exit_code == 0, found.output
    assert (tmp_path / "a.png").stat().st_size > 20_000
