"""The shapes, how near pictures come to them, and the lossless sizes beside the codec `ifs`."""

from __future__ import annotations

import csv
import math
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner
from PIL import Image

from eval.cli import main
from eval.commands.ifs_codec import LOSSLESS, g4_data, g4_file
from eval.studies.shapes import SHAPES, hausdorff, overlap

SHARES = {
    "koch": (0.01, 0.05),
    "sierpinski": (0.08, 0.16),
    "apple": (0.3, 0.6),
    "flower": (0.15, 0.35),
    "horse": (0.2, 0.5),
}


@pytest.mark.parametrize("name", SHAPES)
def test_shapes_are_light_on_dark(name: str) -> None:
    mask = SHAPES[name]()
    low, high = SHARES[name]
    assert low < mask.mean() < high
    border = np.concatenate((mask[0], mask[-1], mask[:, 0], mask[:, -1]))
    assert not border.any()


def test_overlap_and_hausdorff_distance() -> None:
    first, second = np.zeros((2, 20, 20), bool)
    assert overlap(first, second) == 1
    assert hausdorff(first, second) == 0
    first[2:6, 2:6] = True
    assert overlap(first, second) == 0
    assert hausdorff(first, second) == math.inf
    second[2:6, 2:10] = True
    assert overlap(first, second) == 0.5
    assert hausdorff(first, second) == hausdorff(second, first) == 4


def test_lossless_sizes() -> None:
    pixels = np.where(SHAPES["koch"](), 255, 0).astype(np.uint8)
    assert 100 < g4_data(pixels) < g4_file(pixels) < LOSSLESS["png-1bit"](pixels) < pixels.size / 8
    assert g4_file(pixels) - g4_data(pixels) < 200


def test_the_command_measures_and_goes_on(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from eval.commands import ifs_codec

    square = np.zeros((16, 16), bool)
    square[4:12, 4:12] = True
    monkeypatch.setattr(ifs_codec, "SHAPES", {"square": lambda: square})
    arguments = ["ifs-codec", "--out", str(tmp_path), "--mnist", "0", "--maps", "2", "--steps", "3"]
    first = CliRunner().invoke(main, arguments)
    assert first.exit_code == 0, first.output
    assert "| square 16x16 | ifs-2 |" in first.output
    rows = (tmp_path / "rows.csv").read_text()
    names = [row["codec"] for row in csv.DictReader(rows.splitlines())]
    assert names[-2:] == ["ifs-2", "ifs-distance-16"]
    assert {"png-1bit", "tiff-g4", "g4-data"} <= set(names)
    assert CliRunner().invoke(main, arguments).exit_code == 0
    assert (tmp_path / "rows.csv").read_text() == rows


def test_the_command_fits_shapes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from eval.commands import ifs_shapes

    square = np.zeros((20, 24), bool)
    square[4:16, 5:18] = True
    monkeypatch.setattr(ifs_shapes, "SHAPES", {"koch": lambda: square})
    done = CliRunner().invoke(main, ["ifs-shapes", "--out", str(tmp_path), "--shapes", "koch", "--steps", "2"])
    assert done.exit_code == 0, done.output
    (row,) = csv.DictReader((tmp_path / "rows.csv").read_text().splitlines())
    assert row["shape"] == "koch"
    assert 0 <= float(row["iou"]) <= 1
    with Image.open(tmp_path / "shapes.png") as sheet:
        assert sheet.height > 600
    wrong = CliRunner().invoke(main, ["ifs-shapes", "--out", str(tmp_path), "--shapes", "cat"])
    assert wrong.exit_code == 1
    assert "unknown shape 'cat'" in wrong.output
