"""The report, its figures, timing and Table 1; the page itself is driven in a browser in `test_page.py`."""

import csv
import json
import math
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from click.testing import Result
from scenes import scene

from eval.commands.report import _worst
from eval.commands.timing import spread
from eval.harness import aggregate, catalogue, equal_rate, published
from eval.harness.datasets import open_set
from eval.harness.measure import Row
from eval.report import crops, page

FAULTY = Path(__file__).with_name("faulty.py")
Command = Callable[..., Result]


def _row(image: str, label: str, value: float, bpp: float, psnr: float, status: str = "ok") -> Row:
    mse = 255**2 / 10 ** (psnr / 10)
    return Row(
        image,
        "0",
        64,
        64,
        label,
        value,
        label,
        str(value),
        "",
        status,
        "",
        1,
        bpp,
        mse,
        psnr,
        psnr,
        0.9,
        0.99,
    )


def test_mean_curves_average_the_same_pictures_at_every_setting() -> None:
    rows = [
        _row(image, "x", value, value * factor, 30 + value)
        for image, factor in (("a", 1), ("b", 3))
        for value in (1, 2)
    ]
    rows += [_row("c", "x", 1, 9, 99), _row("c", "x", 2, 9, 99, status="failed")]
    points = aggregate.mean_curve(aggregate.curves(rows)["x"])
    assert [(point.images, point.bpp, point.psnr) for point in points] == [(2, 2, 31), (2, 4, 32)]


def test_both_ways_of_averaging_psnr() -> None:
    points = aggregate.mean_curve(aggregate.curves([_row("a", "x", 1, 1, 20), _row("b", "x", 1, 1, 40)])["x"])
    assert points[0].psnr == pytest.approx(30)
    assert points[0].psnr_of_mse == pytest.approx(-10 * math.log10((1e-2 + 1e-4) / 2))


def test_bd_is_averaged_over_pictures() -> None:
    rates = (0.1, 0.2, 0.4, 0.8)
    rows = [_row(image, "x", rate, rate, 30 + 6 * math.log2(rate)) for image in "ab" for rate in rates]
    # Half the bits on one picture, as many on the other.
    rows += [_row("a", "y", rate, rate, 36 + 6 * math.log2(rate)) for rate in rates]
    rows += [_row("b", "y", rate, rate, 30 + 6 * math.log2(rate)) for rate in rates]
    comparison = aggregate.compare(aggregate.curves(rows), "x", "y", "psnr")
    assert comparison.images == 2
    assert comparison.rate == pytest.approx(-25)
    assert comparison.metric == pytest.approx(3)
    assert comparison.mean_curve_rate == pytest.approx(100 * (2**-0.5 - 1))
    assert comparison.mean_curve_metric == pytest.approx(3)
    assert comparison.rate_range == pytest.approx((0.1, 0.8))
    top = 30 + 6 * math.log2(0.8)
    assert comparison.metric_range == pytest.approx((30 + 6 * math.log2(0.1), top))


def test_only_pictures_of_both_sweeps_are_compared() -> None:
    rates = (0.1, 0.2, 0.4, 0.8)
    rows = [_row(image, "x", rate, rate, 30 + 6 * math.log2(rate)) for image in "abc" for rate in rates]
    rows += [_row("a", "y", rate, rate, 36 + 6 * math.log2(rate)) for rate in rates]
    rows += [_row("d", "y", rate, rate, 36 + 6 * math.log2(rate)) for rate in rates]
    rows += [_row("b", "y", rate, rate, 90 + rate) for rate in rates]  # reaches no quality of x
    table = aggregate.matrix(aggregate.curves(rows), "psnr")
    assert (table["x"]["y"].images, table["x"]["y"].rate) == (1, pytest.approx(-50))
    assert (table["y"]["x"].images, table["y"]["x"].rate) == (1, pytest.approx(100))
    assert "x" not in table["x"]
    nothing = aggregate.compare(aggregate.curves(rows[:4] + rows[-4:]), "x", "y", "psnr")
    assert nothing == aggregate.Comparison(0, None, None, None, None, None, None)


def test_the_widest_ranges_are_given() -> None:
    rows = [_row("a", "x", rate, rate, 10 * rate) for rate in (0.2, 0.5, 0.6)]
    rows += [_row("b", "x", rate, rate, 10 * rate) for rate in (0.3, 0.5, 0.9)]
    comparison = aggregate.compare(
        aggregate.curves([*rows, *(replace(row, label="y") for row in rows)]), "x", "y", "psnr"
    )
    assert comparison.rate_range == pytest.approx((0.2, 0.9))
    assert comparison.metric_range == pytest.approx((2, 9))


def _with_scores(image: str, gain: float) -> list[Row]:
    rates = (0.08, 0.3, 1.1)
    return [
        replace(_row(image, "webp", rate, rate, 30), ssimulacra2=gain + 50 * rate, worst_colour=3 - rate)
        for rate in rates
    ]


def test_less_of_a_colour_error_is_better() -> None:
    rows = _with_scores("a", 0) + [
        replace(row, label="y", worst_colour=row.worst_colour - 0.1) for row in _with_scores("a", 0)
    ]
    compared = aggregate.compare(aggregate.curves(rows), "webp", "y", "worst_colour")
    assert compared.metric == pytest.approx(-0.1)
    assert compared.rate is not None
    assert compared.rate < 0
    assert compared.metric_range is not None
    assert compared.metric_range[0] < compared.metric_range[1] <= 3
    summary = aggregate.summary(rows)
    assert "ssimulacra2" in summary["bd"]
    assert summary["mean_curves"]["y"][0]["worst_colour"] == pytest.approx(2.82)


def test_mean_curves_at_equal_rate_are_of_all_pictures() -> None:
    rows = _with_scores("a", 0) + _with_scores("b", 10)[:2]  # b ends at 0.3
    curves = equal_rate.mean_curves(aggregate.curves(rows))
    points = curves["ssimulacra2"]["webp"]
    assert [rate for rate, _ in points] == [rate for rate in equal_rate.GRID if rate <= 0.3]
    assert points[0][1] == pytest.approx(np.mean([_with_scores("a", 0)[0].ssimulacra2 + 1, 15]), abs=1)


def test_the_worst_pictures_come_first(folder: Path) -> None:
    pictures = open_set(str(folder)).pictures
    sweeps = [catalogue.known()["webp"]]
    curves = aggregate.curves(_with_scores("a.png", 20) + _with_scores("b.png", 10) + _with_scores("c.png", 15))
    assert [picture.name for picture in _worst(pictures, 2, curves, sweeps, [0.2])] == ["b.png", "c.png"]
    assert [picture.name for picture in _worst(pictures, 2, {}, sweeps, [0.2])] == ["a.png", "c.png"]


def test_a_rate_at_the_end_of_a_mean_curve_is_inside() -> None:
    points = aggregate.mean_curve(aggregate.curves([_row("a", "x", 1, 0.1, 20), _row("a", "x", 2, 0.4, 40)])["x"])
    assert [aggregate.psnr_at(points, rate) for rate in (0.09, 0.1, 0.2, 0.4, 0.41)] == [
        "-", "20.00", "30.00", "40.00", "-",
    ]  # fmt: skip
    assert aggregate.psnr_at([], 0.2) == "-"


def test_the_embedded_numbers_cannot_end_their_element() -> None:
    run = {"data": "</script><b>", "pictures": [], "series": {}}
    text = page.build([_row("</script>", "x", 1, 1, math.inf)], run, {}, {}, [], [])
    embedded = text.split('id="data">')[1].split("</script>")[0]
    assert json.loads(embedded)["rows"][0]["image"] == "</script>"
    assert json.loads(embedded)["rows"][0]["psnr"] is None
    assert "<b>" not in text


def test_a_crop_at_a_rate() -> None:
    image = scene(2, 160, 120)
    sweep = catalogue.known()["webp"]
    data, decoded = crops.at_rate(sweep, image, 1.0, [])
    assert np.array_equal(decoded, sweep.codec(0).decode(data))
    assert 8 * len(data) / (160 * 120) == pytest.approx(1, abs=0.01)


def test_a_crop_at_a_rate_that_is_out_of_reach() -> None:
    image = scene(2, 160, 120)
    sweep = catalogue.known()["webp"]
    for rate, value in ((0.001, 0), (100.0, 100)):
        assert crops.at_rate(sweep, image, rate, [])[0] == sweep.codec(value).encode(image)


def test_the_crop_is_where_the_detail_is() -> None:
    image = np.full((200, 300, 3), 90, np.uint8)
    image[110:160, 210:260] = np.random.default_rng(0).integers(0, 255, (50, 50, 3))
    assert crops.busiest(image, 80) == (200, 80)


def test_timing_writes_times_memory_and_failures(command: Command, folder: Path, tmp_path: Path) -> None:
    done = command(
        "timing", "--data", folder, "--limit", 1, "--codecs", f"jpeg;{FAULTY}@fault=resizes;png",
        "--repeats", 1, "--points", 1, "--out", tmp_path,
    )  # fmt: skip
    assert done.exit_code == 0, done.output
    with (tmp_path / "timing.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert {row["label"] for row in rows} == {"jpeg", "faulty@fault=resizes", "png"}
    assert all(float(row["encode_s"]) > 0 and float(row["encode_mib"]) >= 0 for row in rows)
    summary = json.loads((tmp_path / "timing.json").read_text())
    assert (summary["threads"], summary["repeats"]) == (1, 1)
    assert len(summary["means"]) == 3
    for name in ("timing_encode.svg", "timing_decode.png"):
        assert (tmp_path / name).stat().st_size > 1000


def test_spread_covers_a_ladder() -> None:
    assert spread((1, 2, 3), 5) == [1, 2, 3]
    assert spread(tuple(range(15)), 3) == [2, 7, 12]


def test_table_1_leaves_out_what_is_not_there(command: Command, folder: Path, tmp_path: Path) -> None:
    def lines() -> dict[str, str]:
        done = command("table1", "--data", folder, "--codecs", "jpeg", "--out", tmp_path)
        assert done.exit_code == 0, done.output
        return {line.split("  ")[0]: line for line in done.output.splitlines()}

    before = lines()
    assert "31.30 @0.13  32.12 @0.31" in before["Neural Collage"]
    assert "not measured" in before["COIN"]
    assert "jpeg" in before
    shortened = "coin@steps=20,net=520"
    assert command("rd", "--data", folder, "--codecs", shortened, "--out", tmp_path, "--psnr-only").exit_code == 0
    assert shortened in lines()["COIN"]


def test_published_numbers_say_where_they_come_from() -> None:
    curves = published.curves_on("kodak")
    assert [curve["label"] for curve in curves][:2] == ["COIN (2021)", "hyperprior, MSE (2018)"]
    for curve in curves:
        assert curve["source"]
        assert curve["counted"]
        assert curve["taken"] == "2026-11-20"
        assert curve["points"] == sorted(curve["points"])
        assert [psnr for _, psnr in curve["points"]] == sorted(psnr for _, psnr in curve["points"])
    assert curves[0]["points"][0] == [0.0368, 22.408]
    assert published.curves_on("nowhere") == []
