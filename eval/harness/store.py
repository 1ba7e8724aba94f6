"""The journal of measurements: a CSV file that only grows, so that an interruption costs the row in hand."""

from __future__ import annotations

import csv
import io
import json
import os
from collections.abc import Iterable
from pathlib import Path
from typing import IO, Any

from eval.harness.measure import COLUMNS, Row, parse


class JournalError(ValueError):
    """The file is not a journal of this harness."""


class Journal:
    """Rows in the file `path`, read when opened and appended to, flushed to the disk row by row.

    A torn last line, which an interruption may leave, is cut off. Raises `JournalError` for a file with
    other columns, which is left as it is.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._rows: dict[tuple[str, ...], Row] = {}
        path.parent.mkdir(parents=True, exist_ok=True)
        if path.exists() and path.stat().st_size:
            self._read()
        else:
            path.write_text(_line(COLUMNS), encoding="utf-8")
        self._file: IO[str] = path.open("a", encoding="utf-8", newline="")

    def __enter__(self) -> Journal:
        return self

    def __exit__(self, *exception: object) -> None:
        self._file.close()

    @property
    def rows(self) -> list[Row]:
        """The measurements: of those of one picture, sweep and settings, the latest."""
        return list(self._rows.values())

    def has(self, row: Row) -> bool:
        """Whether this very measurement, of these pixels with this library, stands there and succeeded."""
        found = self._rows.get(_place(row))
        return found is not None and found.ok and found.key == row.key

    def add(self, row: Row) -> None:
        """Append a row; it is on the disk when this returns."""
        self._file.write(_line([_short(getattr(row, column)) for column in COLUMNS]))
        self._file.flush()
        os.fsync(self._file.fileno())
        self._rows[_place(row)] = row

    def _read(self) -> None:
        whole, newline, torn = self.path.read_text(encoding="utf-8").rpartition("\n")
        table = csv.DictReader(io.StringIO(whole))
        if not newline or tuple(table.fieldnames or ()) != COLUMNS:
            raise JournalError(f"{self.path} has other columns: move it away or give another --out")
        if torn:
            os.truncate(self.path, len((whole + newline).encode()))
        for number, texts in enumerate(table, start=2):
            try:
                row = parse(texts)
            except (KeyError, TypeError, ValueError) as error:
                raise JournalError(f"{self.path}, line {number} is not a row of results: {error}") from error
            self._rows[_place(row)] = row


def _place(row: Row) -> tuple[str, ...]:
    return row.image, row.label, row.settings


def read_rows(folder: Path) -> list[Row]:
    """Return the rows measured in `folder`; raises `FileNotFoundError` if nothing was."""
    path = folder / "rows.csv"
    if not path.exists():
        raise FileNotFoundError(f"no results in {folder}: run `python -m eval rd --out {folder}` first")
    with Journal(path) as journal:
        return journal.rows


def write_json(path: Path, content: dict[str, Any]) -> None:
    """Write `content` so that the file is whole or absent; numbers that JSON lacks become null."""
    temporary = path.with_name(path.name + ".part")
    temporary.write_text(json.dumps(_plain(content), indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
    temporary.replace(path)


def read_json(path: Path, *, missing_ok: bool = False) -> dict[str, Any]:
    """Return the object in a JSON file; for a file that does not exist, {} if `missing_ok`.

    Raises `FileNotFoundError` or `ValueError` otherwise.
    """
    if missing_ok and not path.exists():
        return {}
    content = json.loads(path.read_text(encoding="utf-8"))
    if not isinstance(content, dict):
        raise ValueError(f"{path} does not hold a JSON object")
    return content


def _plain(value: Any) -> Any:
    if isinstance(value, dict):
        return {str(key): _plain(one) for key, one in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(one) for one in value]
    if isinstance(value, float):
        return float(f"{value:.6g}") if abs(value) < float("inf") else None
    return value


def _short(value: Any) -> Any:
    return f"{value:.7g}" if isinstance(value, float) else value


def _line(values: Iterable[Any]) -> str:
    buffer = io.StringIO()
    csv.writer(buffer, lineterminator="\n").writerow(values)
    return buffer.getvalue()
