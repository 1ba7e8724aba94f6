"""`python -m eval ladder`, its targets, and metrics at equal rate."""

import json
import math
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
from click.testing import Result

from eval.harness import aggregate
from eval.harness.equal_rate import means, value_at
from eval.harness.ladder import Standing, Target, standings, targets
from eval.harness.measure import Row
from eval.harness.store import read_rows, spanning

MODELS = Path(__file__).parents[2] / "models"
Command = Callable[..., Result]


def _row(label: str, rate: float, quality: float, image: str = "a") -> Row:
    """Return a row with a PSNR of `quality`, twice that as SSIMULACRA2, and a colour error that falls with it."""
    return Row(
        image, "0", 64, 64, label, rate, label, str(rate), "", bytes=1, bpp=rate, mse=1, psnr=quality,
        psnr_y=quality, ssim=0.9, ms_ssim=0.9, ssimulacra2=2 * quality, colour=9, worst_colour=50 - quality,
    )  # fmt: skip


def _curves(gain: float, image: str = "a") -> list[Row]:
    rates = (0.08, 0.2, 0.5, 1.0, 1.2)
    rows = [_row("avif-420-s4", rate, 30 + 6 * math.log2(rate), image) for rate in rates]
    rows += [_row("avif-444-s4", rate, 29 + 6 * math.log2(rate), image) for rate in rates]
    return rows + [_row("ours", rate, 30 + gain + 6 * math.log2(rate), image) for rate in rates]


def _standing(rows: list[Row]) -> dict[str, Standing]:
    found = standings(aggregate.curves(rows), "ours", "dota-val", 1)
    return {f"{each.target.measure} {each.target.metric} {each.target.rate:g}": each for each in found}


def test_the_harder_of_two_codecs_counts() -> None:
    found = _standing(_curves(3))
    # 3 dB are half the bits of the better codec.
    assert found["rate psnr nan"].result == pytest.approx(100 * (2**-0.5 - 1))
    assert found["rate psnr nan"].against == "avif-420-s4"
    assert found["rate psnr nan"].verdict == "goal"
    assert found["difference ssimulacra2 0.5"].result == pytest.approx(6)
    assert found["difference ssimulacra2 0.5"].against == "avif-420-s4"
    assert found["difference ssimulacra2 0.5"].verdict == "goal"
    assert found["worse worst_colour 0.2"].result == 0
    assert "rate ms_ssim_db nan" not in found  # all rows have the same


def test_targets_that_are_reached_or_missed() -> None:
    found = _standing(_curves(1) + _curves(-0.5, "b"))
    assert found["difference ssimulacra2 0.2"].result == pytest.approx(0.5)
    assert found["difference ssimulacra2 0.2"].verdict == "reached"
    assert found["difference ssimulacra2 0.2"].pictures == 2
    assert found["worse worst_colour 0.5"].result == 1
    assert found["worse worst_colour 0.5"].verdict == "missed"
    assert _standing(_curves(-1))["rate psnr nan"].verdict == "missed"


def test_a_target_of_another_data_set_or_effort_is_not_judged() -> None:
    curves = aggregate.curves([*_curves(1), *(replace(row, label="webp") for row in _curves(0)[:5])])
    titles = {each.target.title for each in standings(curves, "ours", "kodak", 1)}
    assert "bits at equal PSNR, AVIF speed 4" in titles
    assert "bits at equal PSNR, WebP method 6" not in titles
    assert {target.effort for target in targets()} == {0, 1, 5}
    titles = {each.target.title for each in standings(curves, "ours", "dota-val-middle", 1)}
    assert "bits at equal PSNR, WebP method 6" in titles


def test_every_target_is_well_formed() -> None:
    for target in targets():
        assert target.measure in ("rate", "metric", "difference", "worse")
        assert target.metric in aggregate.METRICS
        assert math.isfinite(target.rate) == (target.measure in ("difference", "worse"))
        assert Standing(target, target.goal, "", 1).verdict == "goal"
        assert target.must == target.goal or Standing(target, target.must, "", 1).verdict == "reached"
    assert Target("", (), "rate", "psnr", 1, 0).lower_is_better


def test_values_at_a_rate() -> None:
    rows = _curves(0)[:5]
    assert value_at(rows, "psnr", 0.2) == pytest.approx(30 + 6 * math.log2(0.2))
    assert value_at(rows, "worst_colour", 0.3) == pytest.approx(50 - value_at(rows, "psnr", 0.3))
    assert math.isnan(value_at(rows, "psnr", 1.3))
    short = [_row("short", rate, rate, image) for image in "ab" for rate in (0.1, 0.6)]
    curves = aggregate.curves([*_curves(0), *short])
    values, count = means(curves, ["avif-420-s4", "short"], "psnr", 0.5)
    assert count == 1  # only picture a is in both
    assert values["avif-420-s4"] == pytest.approx(24)
    assert means(curves, ["avif-420-s4", "short"], "psnr", 0.9)[1] == 0


def test_points_around_a_window() -> None:
    points = [(rate, str(rate)) for rate in (0.9, 0.05, 0.02, 0.3, 1.5, 3.0)]
    assert [text for _, text in spanning(points, (0.1, 1.0))] == ["0.05", "0.3", "0.9", "1.5"]
    assert [rate for rate, _ in spanning(points, (0.05, 0.9))] == [0.05, 0.3, 0.9]
    assert [rate for rate, _ in spanning(points[:1], (0.1, 1.0))] == [0.9]


def test_a_model_is_measured_once(
    command: Command, folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLLAGE_MODELS", "")  # restored afterwards: the command puts the folder on this path
    rivals = tmp_path / "rivals"
    codecs = "avif-420-s4@quality=15/46/78;collage@quality=20/50/80"
    done = command("rd", "--data", folder, "--limit", 1, "--codecs", codecs, "--out", rivals / "pictures")
    assert done.exit_code == 0, done.output
    for spec, label in (("avif-420-s4@quality=15/46/78", "avif-420-s4"), ("collage@quality=20/50/80", "collage")):
        path = rivals / "pictures" / "rows.csv"
        path.write_text(path.read_text().replace(f",{spec},", f",{label},"))
    words = ("ladder", "--model", MODELS / "aerial", "--data", folder, "--limit", 1, "--out", tmp_path / "out")
    done = command(*words, "--rivals", rivals, "--psnr-only")
    assert done.exit_code == 0, done.output
    assert "bits of the model against it" in done.output
    assert "PSNR in dB, the model of the rows" in done.output
    (rows,) = (tmp_path / "out").rglob("pictures.csv")
    before = rows.read_text()
    assert command(*words, "--rivals", rivals, "--psnr-only").output == done.output
    assert rows.read_text() == before
    (standing,) = (tmp_path / "out").rglob("pictures.json")
    assert json.loads(standing.read_text())["effort"] == 1
    assert {row.label for row in read_rows(rivals / "pictures")} == {"avif-420-s4", "collage"}


def test_a_folder_without_a_model(command: Command, folder: Path, tmp_path: Path) -> None:
    done = command("ladder", "--model", tmp_path, "--data", folder)
    assert done.exit_code == 1
    assert "holds no exported model" in done.output
