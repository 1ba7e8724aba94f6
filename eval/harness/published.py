"""What others have published, from `published.toml`: numbers beside source, date and way of counting."""

from __future__ import annotations

import tomllib
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any


@dataclass(frozen=True)
class TableRow:
    """A row of the Neural Collage paper's Table 1: PSNR in dB at two rates in bits a pixel.

    `series` is the label of the series to be set beside it, `rates_known` whether the paper's rates of this
    row are recorded.
    """

    method: str
    series: str
    rates: tuple[float, ...]
    psnr: tuple[float, ...]
    rates_known: bool


@lru_cache(maxsize=1)
def _content() -> dict[str, Any]:
    return tomllib.loads(Path(__file__).with_suffix(".toml").read_text(encoding="utf-8"))


def series_on(dataset: str) -> list[dict[str, Any]]:
    """Return the published series on the pictures called `dataset`: label, source, taken, counted, points."""
    return [{**one, "taken": str(one["taken"])} for one in _content()["series"] if one["set"] == dataset]


def table1() -> list[TableRow]:
    """Return the rows of the paper's Table 1."""
    rows = _content()["table1"]["row"]
    usual = rows[0]["rates"]
    return [
        TableRow(row["method"], row["series"], tuple(row.get("rates", usual)), tuple(row["psnr"]), "rates" in row)
        for row in rows
    ]


def ifs_table() -> dict[str, dict[str, float]]:
    """Return Table 1 of Tu et al. 2023 as far as it is recorded: row, set, mean squared error."""
    return {row["label"]: dict(row["mse"]) for row in _content()["ifs"]["row"]}
