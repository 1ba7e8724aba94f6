"""The gain of every effort."""

from __future__ import annotations

import json

from click.testing import CliRunner
from PIL import Image
from tiny_model import models_in, scene, write_model

from eval.cli import main


def test_a_table_of_efforts(tmp_path):
    write_model(tmp_path / "models", "aerial")
    folder = tmp_path / "pictures"
    folder.mkdir()
    Image.fromarray(scene(120, 130)).save(folder / "one.png")
    arguments = ["effort", "--data", str(folder), "--out", str(tmp_path / "out"), "--side", "64"]
    with models_in(tmp_path / "models"):
        first = CliRunner().invoke(main, [*arguments, "--efforts", "1,3"])
        again = CliRunner().invoke(main, [*arguments, "--efforts", "0,1,3"])
        wrong = CliRunner().invoke(main, [*arguments, "--efforts", "2,3"])
    assert first.exit_code == again.exit_code == 0, again.output
    rows = [json.loads(line) for line in (tmp_path / "out" / "effort.jsonl").read_text().splitlines()]
    assert [row["effort"] for row in rows] == [1] * 4 + [3] * 4 + [0] * 4
    assert all(row["bpp"] > 0 and 15 < row["psnr"] < 60 for row in rows)
    assert again.output.count("\n| ") >= 3
    assert wrong.exit_code == 1
    assert "name it too" in wrong.output
