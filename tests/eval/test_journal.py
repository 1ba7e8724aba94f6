"""Journals: torn lines, other formats, replaced rows, and the committed ones."""

from __future__ import annotations

import json
import math
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from eval.commands import coin, ifs_codec
from eval.harness import journal, store
from eval.harness.journal import Csv, Format, Journal, JournalError, JsonLines, dataclass_csv

RESULTS = Path(__file__).parents[2] / "eval" / "results"


@dataclass(frozen=True)
class Point:
    name: str
    count: int
    value: float


POINTS = dataclass_csv(Point)
TABLE = Csv(("name", "count"), dict, lambda row: list(row.values()))


def _open(path: Path) -> Journal[Point]:
    return Journal(path, POINTS, lambda row: row.name)


def test_rows_come_back_exactly(tmp_path: Path) -> None:
    rows = [Point('a "quoted", name', 1, 1 / 3), Point("b", -2, math.inf), Point("c\u2028d", 0, 1e-300)]
    with _open(tmp_path / "new" / "p.csv") as points:
        points.add(*rows)
        assert points.rows == rows
    assert journal.read(tmp_path / "new" / "p.csv", POINTS) == rows
    with _open(tmp_path / "new" / "p.csv") as points:
        assert points.rows == rows
        assert points.get("b") == rows[1]
        assert "b" in points
        assert "x" not in points
        assert points.get("x") is None


def test_a_later_row_replaces_an_earlier_one(tmp_path: Path) -> None:
    with _open(tmp_path / "p.csv") as points:
        points.add(Point("a", 1, 1.0), Point("b", 1, 1.0))
        points.add(Point("a", 2, 2.0))
        assert points.rows == [Point("a", 2, 2.0), Point("b", 1, 1.0)]
    assert (tmp_path / "p.csv").read_text() == "name,count,value\na,1,1.0\nb,1,1.0\na,2,2.0\n"


@pytest.mark.parametrize(
    ("layout", "text", "kept"),
    [
        (TABLE, "name,count\na,1\nb,2", 1),
        (TABLE, "name,count\na,1\nb", 1),
        (TABLE, "name,count\na,1\n", 1),
        (TABLE, "name,count\n", 0),
        (TABLE, "name,co", 0),
        (TABLE, "", 0),
        (JsonLines(), '{"name": "a"}\n{"name": "b"}', 1),
        (JsonLines(), '{"name": "a"}\n{"na', 1),
        (JsonLines(), '{"name": "a"}\n', 1),
        (JsonLines(), '{"na', 0),
        (JsonLines(), "", 0),
    ],
)
def test_a_torn_last_line_is_cut_off(
    tmp_path: Path, layout: Format[dict[str, Any]], text: str, kept: int
) -> None:
    path = tmp_path / "rows"
    path.write_text(text)
    assert len(journal.read(path, layout)) == kept
    assert path.read_text() == text  # reading changes nothing
    row = {"name": "c", "count": "3"}
    with Journal(path, layout, lambda row: row["name"]) as rows:
        assert len(rows.rows) == kept
        rows.add(row)
    assert journal.read(path, layout)[kept:] == [row]


def test_a_line_torn_inside_a_character_is_cut_off(tmp_path: Path) -> None:
    path = tmp_path / "rows.csv"
    path.write_bytes("name,count\na,1\né".encode()[:-1])
    assert journal.read(path, TABLE) == [{"name": "a", "count": "1"}]


@pytest.mark.parametrize(
    ("layout", "text", "reason"),
    [
        (TABLE, "other,columns\na,1\n", "other columns"),
        (TABLE, "name,count,more\na,1,2\n", "other columns"),
        (TABLE, "other", "other columns"),
        (TABLE, "name,count\na,1\nb\nc,3\n", "line 3 is not a row"),
        (POINTS, "name,count,value\na,1,1\nb,1.5,1\n", "line 3 is not a row"),
        (JsonLines(), '{"a": 1}\n{"b"\n{"c": 1}\n', "line 2 is not a row"),
        (JsonLines(), "[1]\n", "line 1 is not a row"),
    ],
)
def test_a_file_of_another_format_is_left_unchanged(
    tmp_path: Path, layout: Format[Any], text: str, reason: str
) -> None:
    path = tmp_path / "rows"
    path.write_text(text)
    with pytest.raises(JournalError, match=reason):
        Journal(path, layout, str)
    assert path.read_text() == text


def test_floats_of_measurements_have_seven_digits() -> None:
    assert dataclass_csv(Point, digits=7).line(Point("a", 12345678, 1.23456789)) == "a,12345678,1.234568\n"
    assert POINTS.line(Point("a", 12345678, 1.23456789)) == "a,12345678,1.23456789\n"


def test_committed_journals_are_read_completely() -> None:
    formats: dict[str, Format[Any]] = {"coin/coin.csv": coin.LINES, "ifs-codec/rows.csv": ifs_codec.LINES}
    formats |= {path.relative_to(RESULTS).as_posix(): JsonLines() for path in RESULTS.rglob("*.jsonl")}
    measured = [path.parent for path in RESULTS.glob("*/run.json") if "pictures" in json.loads(path.read_text())]
    formats |= {f"{folder.name}/rows.csv": store.ROWS for folder in measured}
    assert len(formats) > 35
    for name, layout in formats.items():
        data = (RESULTS / name).read_text()
        rows = journal.read(RESULTS / name, layout)
        assert len(rows) == data.count("\n") - bool(layout.header), name
        assert layout.header + "".join(layout.line(row) for row in rows) == data, name
