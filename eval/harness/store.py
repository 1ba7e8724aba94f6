"""Files of results: the journal of measurements, and JSON files."""

from __future__ import annotations

import csv
import json
from bisect import bisect_left, bisect_right
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, TypeVar

from eval.harness import journal
from eval.harness.journal import Journal, dataclass_csv
from eval.harness.measure import Row, Task, blank, is_covered

T = TypeVar("T")

ROWS = dataclass_csv(Row, digits=7)
"""The format of rows.csv."""


def open_rows(path: Path) -> Journal[Row]:
    """Open a journal of measurements. A later row replaces that of the same picture, sweep and settings."""
    return Journal(path, ROWS, _place)


def missing(rows: Journal[Row], tasks: Iterable[Task]) -> list[Task]:
    """Return the tasks whose measurement, of the same pixels with the same library, is not among `rows`."""
    return [task for task in tasks if not is_covered(rows.get(_place(blank(task))), task)]


def around(rows: Journal[Row], tasks: Iterable[Task], window: tuple[float, float]) -> list[Task]:
    """Return the tasks whose rates, known from `rows`, curves over a window of bits per pixel need.

    These are the rates of each picture and sweep inside the window, and the next one on either side.
    """
    curves: dict[tuple[str, str], list[tuple[float, Task]]] = defaultdict(list)
    for task in tasks:
        row = rows.get(_place(blank(task)))
        if row is not None and row.ok:
            curves[task.picture.name, task.label].append((row.bpp, task))
    return [task for points in curves.values() for _, task in spanning(points, window)]


def spanning(points: Sequence[tuple[float, T]], window: tuple[float, float]) -> list[tuple[float, T]]:
    """Return the points, pairs of a rate and anything, inside a window of rates and the next on either side."""
    ordered = sorted(points, key=lambda point: point[0])
    rates = [rate for rate, _ in ordered]
    first = max(bisect_right(rates, window[0]) - 1, 0)
    return ordered[first : bisect_left(rates, window[1]) + 1]


def _place(row: Row) -> tuple[str, ...]:
    return row.image, row.label, row.settings


def read_rows(folder: Path) -> list[Row]:
    """Return the measurements in `folder`; raises `FileNotFoundError` if there is no rows.csv."""
    path = folder / "rows.csv"
    if not path.exists():
        raise FileNotFoundError(f"no results in {folder}: run `python -m eval rd --out {folder}` first")
    return list({_place(row): row for row in journal.read(path, ROWS)}.values())


def write_table(path: Path, columns: Sequence[str], rows: Iterable[Mapping[str, Any]]) -> None:
    """Write rows as a CSV file with a header."""
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.DictWriter(file, columns, lineterminator="\n")
        writer.writeheader()
        writer.writerows(rows)


def write_json(path: Path, content: dict[str, Any]) -> None:
    """Write `content` atomically. Numbers that JSON cannot represent become null."""
    temporary = path.with_name(path.name + ".part")
    temporary.write_text(json.dumps(_plain(content), indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
    temporary.replace(path)


def read_json(path: Path, *, missing_ok: bool = False) -> dict[str, Any]:
    """Return the object in a JSON file, or {} if the file does not exist and `missing_ok` is set.

    Raises `FileNotFoundError` if the file is missing and `ValueError` if it does not contain a JSON object.
    """
    if missing_ok and not path.exists():
        return {}
    content = json.loads(path.read_text(encoding="utf-8"))
    if not isinstance(content, dict):
        raise ValueError(f"{path} does not contain a JSON object")
    return content


def _plain(value: Any) -> Any:
    if isinstance(value, dict):
        return {str(key): _plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(item) for item in value]
    if isinstance(value, float):
        return float(f"{value:.6g}") if abs(value) < float("inf") else None
    return value
