"""The gain of every effort, and resuming an interrupted command."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from click.testing import Result
from PIL import Image
from tiny_model import models_in, scene, write_model

Command = Callable[..., Result]
Efforts = Callable[[str], Result]


@pytest.fixture
def efforts(command: Command, tmp_path: Path) -> Iterator[Efforts]:
    """Runs the command on one picture with a tiny model."""
    write_model(tmp_path / "models", "aerial")
    folder = tmp_path / "pictures"
    folder.mkdir()
    Image.fromarray(scene(120, 130)).save(folder / "one.png")
    with models_in(tmp_path / "models"):
        yield lambda text: command(
            "effort", "--data", folder, "--out", tmp_path / "out", "--side", 64, "--efforts", text
        )


def _rows(tmp_path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in (tmp_path / "out" / "effort.jsonl").read_text().splitlines()]


def test_a_table_of_efforts(efforts: Efforts, tmp_path: Path) -> None:
    first, again, wrong = efforts("1,3"), efforts("0,1,3"), efforts("2,3")
    assert first.exit_code == again.exit_code == 0, again.output
    rows = _rows(tmp_path)
    assert [row["effort"] for row in rows] == [1] * 4 + [3] * 4 + [0] * 4
    for number in (0, 4, 8):
        rates = [row["bpp"] for row in rows[number : number + 4]]
        assert rates == sorted(rates)
    table = again.output.splitlines()
    assert table[0] == "| effort | bits against effort 1 | CPU seconds per megapixel |"
    assert [line.split(" | ")[0] for line in table[2:]] == ["| 0", "| 1", "| 3"]
    assert table[3].startswith("| 1 |  | ")
    assert wrong.exit_code == 1
    assert "include it in --efforts" in wrong.output


def test_an_interrupted_command_resumes(efforts: Efforts, tmp_path: Path) -> None:
    assert efforts("1").exit_code == 0
    path = tmp_path / "out" / "effort.jsonl"
    kept = path.read_text().splitlines(keepends=True)
    path.write_text("".join(kept[:2]) + kept[2][:30])
    done = efforts("1")
    assert done.exit_code == 0, done.output
    assert path.read_text().startswith("".join(kept[:2]))
    assert [row["quality"] for row in _rows(tmp_path)] == [24.0, 38.0, 50.0, 62.0]


def test_rows_of_another_model_are_ignored(efforts: Efforts, tmp_path: Path) -> None:
    row = {"model": "other", "side": 64, "image": "one.png", "effort": 1, "quality": 24.0, "bpp": 1, "psnr": 1}
    path = tmp_path / "out" / "effort.jsonl"
    path.parent.mkdir()
    path.write_text(json.dumps(row) + "\n")
    done = efforts("1")
    assert done.exit_code == 0, done.output
    assert [row["model"] == "other" for row in _rows(tmp_path)] == [True] + [False] * 4
