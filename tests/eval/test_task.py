"""Tasks on decoded pictures: scenes, keypoints, their curves and tables."""

import io
import json
import math
import zipfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from click.testing import Result
from PIL import Image
from scenes import scene

from eval.harness.task_curves import curves, rate_for, score_at
from eval.report import task_tables
from eval.studies import aerial_scenes, keypoints

Command = Callable[..., Result]
POINTS = [(0.1, 0.5), (0.2, 0.8), (0.4, 0.79), (0.8, 0.9), (1.6, 0.95)]


@pytest.fixture
def archive(tmp_path: Path) -> Path:
    """A data root with two classes of 40 scenes: dark and bright ones."""
    (tmp_path / "data" / "rsscn7").mkdir(parents=True)
    with zipfile.ZipFile(tmp_path / "data" / aerial_scenes.ARCHIVE, "w") as file:
        for number in range(80):
            name = f"{'dark' if number % 2 else 'bright'}/{number:03d}.png"
            stream = io.BytesIO()
            image = scene(number, 96, 96) // 3 + (0 if number % 2 else 160)
            Image.fromarray(image.astype(np.uint8)).save(stream, "PNG")
            file.writestr(name, stream.getvalue())
    return tmp_path / "data"


def test_a_split_and_its_mosaics(archive: Path) -> None:
    train, test = aerial_scenes.load(archive)
    assert (len(train.pictures), len(test.pictures), train.names) == (60, 20, ("bright", "dark"))
    assert [int((test.classes == kind).sum()) for kind in (0, 1)] == [10, 10]
    assert (
        test.pictures[test.classes == 0].mean((1, 2, 3)) > test.pictures[test.classes == 1].mean((1, 2, 3))
    ).all()
    ((mosaic, members),) = aerial_scenes.mosaics(test)
    assert mosaic.shape == (192, 960, 3)
    assert sorted(members) == list(range(20))
    assert np.array_equal(aerial_scenes.cut(mosaic), test.pictures[members])
    with pytest.raises(FileNotFoundError, match="COLLAGE_DATA"):
        aerial_scenes.load(archive / "elsewhere")


def test_keypoints_of_the_picture_itself_are_all_kept() -> None:
    image = scene(5, 160, 200)
    points = keypoints.detected(image)
    assert len(points.sizes) > 10
    repeated, matched = keypoints.kept(points, points)
    assert repeated == 1
    assert matched > 0.9  # a place with two orientations has two keypoints
    moved = keypoints.detected(np.roll(image, 12, axis=1))
    assert keypoints.kept(points, moved)[1] < 0.2
    nothing = keypoints.detected(np.full_like(image, 90))
    assert keypoints.kept(points, nothing) == (0, 0)
    assert all(math.isnan(share) for share in keypoints.kept(nothing, points))


def test_the_rate_at_which_a_score_falls() -> None:
    assert rate_for(POINTS, 0.85) == pytest.approx(0.4 * 2 ** (6 / 11))
    assert rate_for(POINTS, 0.4) == 0
    assert rate_for(POINTS, 0.96) == math.inf
    # It fell below at 0.4 already, though it is above at 0.2.
    assert rate_for(POINTS, 0.8) == pytest.approx(0.4 * 2 ** (1 / 11))
    assert score_at(POINTS, 0.1) == 0.5
    assert score_at(POINTS, 0.1 * 2**0.5) == pytest.approx(0.65)
    assert math.isnan(score_at(POINTS, 1.7))


def test_curves_need_every_picture() -> None:
    rows = [
        {"codec": "a", "value": value, "picture": picture, "bpp": value / 10, "accuracy": 0.5 + value / 10}
        for value in (1, 2)
        for picture in ("p", "q")
    ]
    rows += [{"codec": "a", "value": 3, "picture": "p", "bpp": 0.3, "accuracy": 1.0}, {"codec": "b", "value": 1}]
    assert curves(rows, "accuracy") == {"a": [(0.1, 0.6), (0.2, 0.7)]}


def test_a_run_its_rows_and_table(command: Command, archive: Path, folder: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    words = ("task", "--data-root", archive, "--data", folder, "--out", out, "--side", 64, "--epochs", 12)
    words += ("--codecs", "jpeg@quality=1/90", "--every", 1, "--limit", 2)
    done = command(*words)
    assert done.exit_code == 0, done.output
    rows = [json.loads(line) for line in (out / "rows.jsonl").read_text().splitlines()]
    assert len(rows) == (1 + 2) * 3
    scenes = [row for row in rows if row["task"] == "scene"]
    assert next(row for row in scenes if row["codec"] == "original")["agreement"] == 1
    best = max((row for row in scenes if row["codec"].startswith("jpeg")), key=lambda row: row["bpp"])
    assert best["accuracy"] >= 0.9  # dark or bright is easily told
    points = [row for row in rows if row["task"] == "keypoints" and row["picture"] == "a.png"]
    by_value = {row["value"]: row["matched"] for row in points if row["codec"].startswith("jpeg")}
    assert by_value[1] < by_value[90]
    assert "bits per pixel at which accuracy falls by 1 %" in done.output
    assert (out / "task_matched.png").stat().st_size > 5000
    before = (out / "rows.jsonl").read_bytes()
    assert command(*words).output == done.output
    assert (out / "rows.jsonl").read_bytes() == before


def test_the_table_says_where_a_curve_ends() -> None:
    rows = [{"codec": "original", "picture": "m", "value": 0, "bpp": 0.0, "accuracy": 0.95}]
    for codec, offset in (("jpeg", 0.0), ("webp", -0.2), ("other", 0.5)):
        rows += [
            {"codec": codec, "picture": "m", "value": rate, "bpp": rate, "accuracy": share + offset}
            for rate, share in POINTS
        ]
    lines = {line.split("|")[1].strip(): line for line in task_tables.scene_table(rows).splitlines()}
    assert lines["JPEG"].endswith("| 1.39 |")
    assert lines["WebP"].endswith("| above 1.60 |")
    assert lines["other"].endswith("| below 0.10 |")
    assert "95.0 %" in lines["original"]
