"""`python -m eval coin`, and the sweeps of COIN, which run only when they are named."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from click.testing import Result

from eval.commands.coin import Fitted, read, summary
from eval.harness import catalogue, published


def test_slow_sweeps_must_be_named() -> None:
    assert catalogue.known()["coin"].slow
    assert not any(sweep.slow for spec in ("all", "default") for sweep in catalogue.resolve(spec))
    assert [sweep.label for sweep in catalogue.resolve("coin")] == ["coin"]
    codecs = [catalogue.codec_of("coin", "coin", net) for net in (520, 1349)]
    assert [codec.config["net"] for codec in codecs] == ["5x20", "13x49"]


@pytest.fixture
def fitted(command: Callable[..., Result], folder: Path, tmp_path: Path) -> tuple[Path, Callable[[], Result]]:
    out = tmp_path / "results"
    asked = ("--data", folder, "--nets", "2x8", "--steps", "40", "--limit", "1", "--out", out)
    return out, lambda: command("coin", *asked, "--fits", tmp_path / "fits")


def test_fits_are_measured_once_and_kept(fitted: tuple[Path, Callable[[], Result]]) -> None:
    out, run = fitted
    done = run()
    assert done.exit_code == 0, done.output
    rows = read(out / "coin.csv")
    assert [row.coding for row in rows] == ["half", "entropy"]
    assert rows[1].bytes < rows[0].bytes
    assert rows[0].psnr == pytest.approx(rows[0].psnr_float, abs=0.05)
    assert rows[0].fit_cpu_s == rows[1].fit_cpu_s
    assert run().exit_code == 0
    assert read(out / "coin.csv") == rows


def test_published_means_stand_beside_the_nets_they_belong_to() -> None:
    row = Fitted("a", "5x20", "annealed", 10, "half", 10, 3645, 0.074, 23.0, 23.0, 1.0, 1.0)
    assert "23.20 dB @0.0736" in summary([row], "kodak")
    assert "@" not in summary([row], "elsewhere")
    points = next(one["points"] for one in published.curves_on("kodak") if one["label"].startswith("COIN"))
    assert points[1] == [0.0736, 23.205]
