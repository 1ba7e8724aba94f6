"""Shapes, measures of their difference, and the lossless codecs that are compared with the codec `ifs`."""

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

SHARES = {"koch": 0.0234, "sierpinski": 0.1006, "apple": 0.4065, "flower": 0.2474, "horse": 0.3309}
"""The light part of each picture."""


@pytest.mark.parametrize("name", SHAPES)
def test_shapes_are_light_on_dark(name: str) -> None:
    mask = SHAPES[name]()
    assert mask.mean() == pytest.approx(SHARES[name], abs=0.001)
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
    assert g4_data(pixels) == 408  # T.6 leaves an encoder no choice
    assert 500 < g4_file(pixels) < 560
    assert LOSSLESS["png-1bit"](pixels) == pytest.approx(722, abs=30)


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
