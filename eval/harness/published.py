"""Results published by others, from `published.toml`, with source, date and counting method."""

from __future__ import annotations

import tomllib
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any


@dataclass(frozen=True)
class TableRow:
    """A row of the Neural Collage paper's Table 1: PSNR in dB at two rates in bits per pixel.

    `label` is the label of our sweep for comparison; `rates_known` says whether the paper's rates of this row
    are recorded.
    """

    method: str
    label: str
    rates: tuple[float, ...]
    psnr: tuple[float, ...]
    rates_known: bool


@lru_cache(maxsize=1)
def _content() -> dict[str, Any]:
    return tomllib.loads(Path(__file__).with_suffix(".toml").read_text(encoding="utf-8"))


def curves_on(dataset: str) -> list[dict[str, Any]]:
    """Return the published curves on `dataset` as mappings with label, source, taken, counted and points."""
    return [{**curve, "taken": str(curve["taken"])} for curve in _content()["curve"] if curve["set"] == dataset]


def table1() -> list[TableRow]:
    """Return the rows of the paper's Table 1."""
    rows = _content()["table1"]["row"]
    usual = rows[0]["rates"]
    return [
        TableRow(row["method"], row["label"], tuple(row.get("rates", usual)), tuple(row["psnr"]), "rates" in row)
        for row in rows
    ]


def ifs_table() -> dict[str, dict[str, float]]:
    """Return the recorded part of Table 1 of Tu et al. 2023: mean squared error by row and data set."""
    return {row["label"]: dict(row["mse"]) for row in _content()["ifs"]["row"]}
