"""Measured numbers in README.md and docs/ stand between markers, where `python -m eval readme` writes them."""

import csv
import json
import re
from pathlib import Path
from statistics import fmean

import pytest

from eval.commands.readme import PAGES
from eval.report.tables import NUMBERS, TABLES

ROOT = Path(__file__).parents[2]
RESULTS = ROOT / "eval" / "results"
_MADE = re.compile(
    r"<!-- numbers: [a-z0-9-]+ -->\n.*?<!-- end of numbers -->|<!-- number: [a-z0-9-]+ -->[^<\n]*<!-- end -->",
    re.DOTALL,
)
_MEASURED = re.compile(r"[+-]?\d[\d.,]* (?:dB|%|megapixels/s)")
BY_HAND = {
    "-20 %": "an example of how to read a percentage",
    "+20 %": "the same",
    "37.7 dB": "published by others",
    "10 dB": "the order of a gap that the table beside it shows",
    "5 %": "the order of an error that the rows of ifs-codec hold",
}
"""Numbers outside of the markers, and why they may stand there."""


def test_all_tables_and_numbers_are_used() -> None:
    text = "".join(page.read_text(encoding="utf-8") for page in PAGES)
    assert set(re.findall(r"<!-- numbers: ([a-z0-9-]+) -->", text)) == set(TABLES)
    assert set(re.findall(r"<!-- number: ([a-z0-9-]+) -->", text)) == set(NUMBERS)


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.relative_to(ROOT).as_posix())
def test_measured_numbers_stand_between_markers(page: Path) -> None:
    text = _MADE.sub("", page.read_text(encoding="utf-8"))
    text = re.sub(r"```.*?```", "", text, flags=re.DOTALL)
    assert set(_MEASURED.findall(text)) <= set(BY_HAND)


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.relative_to(ROOT).as_posix())
def test_no_line_begins_with_a_marker_inside_a_sentence(page: Path) -> None:
    # There it would begin a block of HTML and tear the paragraph.
    assert not re.findall(r"^ *<!-- number:", page.read_text(encoding="utf-8"), re.MULTILINE)


def test_a_number_in_a_sentence_is_that_of_the_rows() -> None:
    with (RESULTS / "dota-val" / "timing.csv").open(newline="") as file:
        rows = [row for row in csv.DictReader(file) if row["label"] in ("collage", "avif-420-s6")]
    ours, avif = (
        [float(row["decode_s"]) for row in rows if row["label"] == label] for label in ("collage", "avif-420-s6")
    )
    ratios = sorted(one / other for one, other in zip(ours, avif, strict=True))
    assert NUMBERS["slower"](RESULTS) == f"{ratios[0]:.0f} to {ratios[1]:.0f}"


def test_a_table_is_that_of_the_rows() -> None:
    lines = [json.loads(line) for line in (RESULTS / "zoom" / "zoom.jsonl").read_text().splitlines()]
    values = [
        row["psnr"]
        for row in lines
        if (row["factor"], row["setting"], row["method"]) == (4, "quality=80", "lanczos")
    ]
    assert len(values) == 10
    (row,) = [line for line in TABLES["zoom"](RESULTS).splitlines() if line.startswith("| 4x, quality 80 |")]
    assert row.split(" | ")[2] == f"{fmean(values):.2f} dB"


def test_a_size_is_signed_as_the_text_says() -> None:
    (jpeg,) = [line for line in TABLES["kodak"](RESULTS).splitlines() if line.startswith("| JPEG |")]
    (avif,) = [line for line in TABLES["kodak"](RESULTS).splitlines() if line.startswith("| AVIF 4:2:0 |")]
    assert jpeg.split(" | ")[1].startswith("-")  # the collage is smaller than JPEG
    assert avif.split(" | ")[1].startswith("+")
