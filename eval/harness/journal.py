"""Journals: files that grow by a row per measurement, so that an interrupted command can resume."""

from __future__ import annotations

import csv
import io
import json
import os
from collections.abc import Callable, Hashable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import TYPE_CHECKING, Any, Generic, Protocol, TypeVar

if TYPE_CHECKING:
    from _typeshed import DataclassInstance

    D = TypeVar("D", bound=DataclassInstance)

R = TypeVar("R")
_TYPES: dict[str, Callable[[str], Any]] = {"int": int, "float": float, "str": str}


class JournalError(ValueError):
    """The file is not a journal of the expected format."""


class Format(Protocol[R]):
    """How rows are written as lines of text."""

    @property
    def header(self) -> str:
        """The first line of the file, with its line break; '' for none."""

    def parse(self, lines: Iterable[str]) -> Iterator[R]:
        """Yield the row of each line after the header; raises `ValueError` or `KeyError` for a wrong line."""

    def line(self, row: R) -> str:
        """Return a row as a line of text with its line break."""


@dataclass(frozen=True)
class JsonLines:
    """Rows are JSON objects, one per line."""

    header: str = field(default="", init=False)

    def parse(self, lines: Iterable[str]) -> Iterator[dict[str, Any]]:
        """Yield the objects."""
        for line in lines:
            row = json.loads(line)
            if not isinstance(row, dict):
                raise ValueError("not a JSON object")
            yield row

    def line(self, row: Mapping[str, Any]) -> str:
        """Return the row as JSON."""
        return json.dumps(row) + "\n"


@dataclass(frozen=True)
class Csv(Generic[R]):
    """Rows are lines of a CSV file with a header. `read` makes a row of texts by column, `values` the reverse."""

    columns: tuple[str, ...]
    read: Callable[[dict[str, str]], R]
    values: Callable[[R], Iterable[Any]]

    @property
    def header(self) -> str:
        """The line of the column names."""
        return _csv_line(self.columns)

    def parse(self, lines: Iterable[str]) -> Iterator[R]:
        """Yield the rows."""
        for texts in csv.reader(lines):
            yield self.read(dict(zip(self.columns, texts, strict=True)))

    def line(self, row: R) -> str:
        """Return the row as comma-separated values."""
        return _csv_line(self.values(row))


def dataclass_csv(kind: type[D], digits: int = 17) -> Csv[D]:
    """Return the format whose rows are instances of a dataclass with fields of type int, float and str.

    Floats are written with `digits` significant digits; 17 keep every bit.
    """
    types = {column.name: _TYPES[str(column.type)] for column in fields(kind)}

    def shown(value: Any) -> Any:
        return f"{value:.{digits}g}" if isinstance(value, float) and digits < 17 else value

    return Csv(
        tuple(types),
        lambda texts: kind(**{name: types[name](text) for name, text in texts.items()}),
        lambda row: [shown(getattr(row, name)) for name in types],
    )


def read(path: Path, layout: Format[R]) -> list[R]:
    """Return the rows in a file, without a torn last line. The file is not changed.

    Returns no rows if the file does not exist. Raises `JournalError` if it has another format.
    """
    return _read(path, layout)[0]


class Journal(Generic[R]):
    """Rows in a file, which is read when the journal is opened. New rows are appended and flushed to the disk.

    Of several rows with the same `key` the last counts. An interruption may leave a torn last line, which is cut
    off. Raises `JournalError` for a file of another format and leaves it unchanged.
    """

    def __init__(self, path: Path, layout: Format[R], key: Callable[[R], Hashable]) -> None:
        self._layout, self._key = layout, key
        path.parent.mkdir(parents=True, exist_ok=True)
        rows, intact = _read(path, layout)
        self._rows = {key(row): row for row in rows}
        self._file = path.open("ab")
        self._file.truncate(intact)
        if not intact:
            self._write(layout.header)

    def __enter__(self) -> Journal[R]:
        return self

    def __exit__(self, *exception: object) -> None:
        self._file.close()

    def __contains__(self, key: Hashable) -> bool:
        return key in self._rows

    @property
    def rows(self) -> list[R]:
        """The rows, of those with the same key the last."""
        return list(self._rows.values())

    def get(self, key: Hashable) -> R | None:
        """Return the row with this key, or None."""
        return self._rows.get(key)

    def add(self, *rows: R) -> None:
        """Append rows. They are on the disk when this returns."""
        self._write("".join(self._layout.line(row) for row in rows))
        self._rows.update((self._key(row), row) for row in rows)

    def _write(self, text: str) -> None:
        self._file.write(text.encode())
        self._file.flush()
        os.fsync(self._file.fileno())


def _read(path: Path, layout: Format[R]) -> tuple[list[R], int]:
    """Return the rows and the length in bytes of the intact part of the file."""
    data = path.read_bytes() if path.exists() else b""
    header = layout.header.encode()
    if len(data) < len(header) and header.startswith(data):
        return [], 0
    intact = data.rfind(b"\n") + 1
    if not data[:intact].startswith(header):
        raise JournalError(f"{path} has other columns: move it away or choose another --out")
    rows: list[R] = []
    try:
        for row in layout.parse(io.StringIO(data[len(header) : intact].decode(), newline="\n")):
            rows.append(row)
    except (KeyError, TypeError, ValueError) as error:
        number = len(rows) + bool(header) + 1
        raise JournalError(f"{path}, line {number} is not a row of results: {error}") from error
    return rows, intact


def _csv_line(values: Iterable[Any]) -> str:
    buffer = io.StringIO()
    csv.writer(buffer, lineterminator="\n").writerow(values)
    return buffer.getvalue()
