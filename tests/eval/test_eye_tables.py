"""Tables of metrics at equal rate, from rows of which some lack the metric or some pictures."""

import math
from dataclasses import replace
from pathlib import Path

from eval.harness.measure import Row
from eval.harness.store import open_rows
from eval.report.eye_tables import at_equal_rate

NAMES = {"collage": "**collage**", "avif-420-s4": "AVIF", "jxl": "JPEG XL", "webp": "WebP"}


def _rows(label: str, images: str, gain: float, rates: tuple[float, ...] = (0.1, 0.4, 1.6)) -> list[Row]:
    return [
        Row(
            image, "0", 64, 64, label, rate, label, str(rate), "", bytes=1, bpp=rate, mse=1, psnr=30, psnr_y=30,
            ssim=0.9, ms_ssim=1 - 10 ** -(1 + gain / 10 + math.log10(rate)),
            ssimulacra2=50 + gain + 30 * math.log10(rate), worst_colour=3,
        )
        for image in images
        for rate in rates
    ]  # fmt: skip


def test_a_table(tmp_path: Path) -> None:
    (tmp_path / "set").mkdir()
    with open_rows(tmp_path / "set" / "rows.csv") as journal:
        journal.add(*_rows("collage", "ab", 0), *_rows("avif-420-s4", "ab", 3), *_rows("jxl", "a", 9))
        journal.add(*(replace(row, ssimulacra2=math.nan) for row in _rows("webp", "ab", 0)))
        journal.add(replace(_rows("collage", "a", 90, (0.2,))[0], ssimulacra2=math.nan, ms_ssim=math.nan))
    lines = at_equal_rate(tmp_path, "set", "ssimulacra2", NAMES).splitlines()
    head = "| SSIMULACRA2, 2 pictures | 0.2 bpp | 0.5 bpp | 1 bpp | size of collage against it |"
    assert lines[0] == head
    assert lines[2] == "| **collage** | 29.0 | 41.0 | 50.0 |  |"
    # Three points of the score are a tenth of a decade of rate: 26 % more bits.
    assert lines[3] == "| AVIF | 32.0 | 44.0 | 53.0 | +25.9 % |"
    assert len(lines) == 4
    lines = at_equal_rate(tmp_path, "set", "ms_ssim_db", NAMES).splitlines()
    assert [line.split("|")[1].strip() for line in lines[2:]] == ["**collage**", "AVIF", "WebP"]
    assert lines[2].split("|")[4].strip() == "10.00 dB"


def test_rates_that_not_all_pictures_reach(tmp_path: Path) -> None:
    (tmp_path / "set").mkdir()
    with open_rows(tmp_path / "set" / "rows.csv") as journal:
        journal.add(*_rows("collage", "ab", 0), *_rows("avif-420-s4", "a", 3))
        journal.add(*_rows("avif-420-s4", "b", 3, (0.1, 0.3, 0.6)))
    lines = at_equal_rate(tmp_path, "set", "ssimulacra2", NAMES).splitlines()
    assert "| 1 bpp (1 pictures) |" in lines[0]
    assert lines[3].startswith("| AVIF | 32.0 | 44.0 | 53.0 |")
