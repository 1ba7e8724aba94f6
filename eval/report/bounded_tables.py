"""The tables of bounded error and of 16-bit pictures, from the rows of `python -m eval bounded`."""

from __future__ import annotations

from collections import defaultdict
from pathlib import Path
from statistics import fmean
from typing import Any

import numpy as np

from eval.report.sources import json_lines, markdown

_NAMES = {
    "collage": "**collage**", "lerc": "LERC with zstd", "jpeg2000": "JPEG 2000", "jxl": "JPEG XL",
    "webp": "WebP", "png": "PNG",
}  # fmt: skip
_KINDS = {"uint8": "8 bits", "uint16": "16 bits"}


def bounded(results: Path) -> str:
    """Return the mean bits per pixel for every promised error; 0 is lossless."""
    found: dict[tuple[str, str], dict[int, list[float]]] = defaultdict(lambda: defaultdict(list))
    for row in _rows(results):
        if "max_error" in row:
            found[row["type"], row["codec"]][row["max_error"]].append(row["bpp"])
    text = ""
    for kind, name in _KINDS.items():
        limits = sorted(found[kind, "collage"])
        head = [f"{name}, bits per pixel", *("lossless" if not limit else f"error {limit}" for limit in limits)]
        rows = [
            [label, *(f"{fmean(values[limit]):.2f}" if limit in values else "-" for limit in limits)]
            for codec, label in _NAMES.items()
            if (values := found.get((kind, codec)))
        ]
        text += markdown(head, rows) + "\n"
    return text


def deep(results: Path) -> str:
    """Return the mean RMSE of 16-bit pictures at equal bits per pixel, in units of the samples."""
    curves: dict[str, dict[str, list[tuple[float, float]]]] = defaultdict(lambda: defaultdict(list))
    rates: set[float] = set()
    for row in _rows(results):
        if row["type"] == "uint16" and ("rate" in row or "lossy" in row):
            curves[row["codec"]][row["picture"]].append((row["bpp"], row["rmse"]))
            rates |= {row["rate"]} if "rate" in row else set()
    head = ["16 bits, RMSE in units of the samples", *(f"{rate:g} bpp" for rate in sorted(rates))]
    rows = []
    for codec, pictures in curves.items():
        cells = []
        for rate in sorted(rates):
            values = [_at(points, rate) for points in pictures.values()]
            cells.append("-" if any(np.isnan(values)) else f"{fmean(values):.0f}")
        if set(cells) != {"-"}:
            rows.append([_NAMES[codec], *cells])
    return markdown(head, rows)


def _at(points: list[tuple[float, float]], rate: float) -> float:
    """Return the RMSE at a rate, interpolated in logarithms; NaN beyond the points by more than 5 %."""
    bits, errors = np.array(sorted(points)).T
    if not 0.95 * bits[0] <= rate <= 1.05 * bits[-1]:
        return float("nan")
    return float(np.exp(np.interp(np.log(rate), np.log(bits), np.log(np.maximum(errors, 1e-3)))))


def _rows(results: Path) -> list[dict[str, Any]]:
    return json_lines(results / "bounded" / "rows.jsonl")
