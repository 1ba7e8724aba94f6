"""Files of results: the journal of measurements, and JSON files."""

from __future__ import annotations

import csv
import json
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from eval.harness import journal
from eval.harness.journal import Journal, dataclass_csv
from eval.harness.measure import Row

ROWS = dataclass_csv(Row, digits=7)
"""The format of rows.csv."""


def open_rows(path: Path) -> Journal[Row]:
    """Open a journal of measurements. A later row replaces that of the same picture, sweep and settings."""
    return Journal(path, ROWS, _place)


def is_measured(rows: Journal[Row], row: Row) -> bool:
    """Return whether this measurement, of the same pixels with the same library, exists and succeeded."""
    known = rows.get(_place(row))
    return known is not None and known.ok and known.key == row.key


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
