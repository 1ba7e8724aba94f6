"""The tables that compare our measurements with published ones."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from pathlib import Path
from statistics import fmean
from types import MappingProxyType

import numpy as np

from eval.harness import aggregate, bd, published
from eval.harness.store import read_rows
from eval.report.sources import csv_rows, markdown

_PAPER = MappingProxyType(
    {
        "Neural Collage": ("table1", "collage-paper"),
        "block-DCT": ("table1", "dct-fixed"),
        "fractal": ("pifs-table1", "pifs"),
        "fractal, augmented": ("pifs-table1", "pifs-augmented"),
    }
)
"""Folder and label of our measurement for each row of the published table."""


def coin(results: Path) -> str:
    """Return the mean results of COIN's smallest network for each kind of fit, and the published result."""
    groups: dict[tuple[str, int, str], list[dict[str, str]]] = defaultdict(list)
    for row in csv_rows(results / "coin" / "coin.csv"):
        groups[row["net"], int(row["steps"]), row["coding"]].append(row)
    rows = []
    for key in sorted(groups, key=lambda key: (key[1], key[2] != "half")):
        (net, steps, coding), group = key, groups[key]
        rows.append([
            f"{net}, {steps:,} steps, {'16-bit weights' if coding == 'half' else 'entropy-coded weights'}",
            str(len(group)), f"{fmean(float(row['bpp']) for row in group):.4f}",
            f"{fmean(float(row['psnr']) for row in group):.2f} dB",
            f"{fmean(float(row['fit_cpu_s']) for row in group):.0f} s",
        ])  # fmt: skip
    series = [curve for curve in published.curves_on("kodak") if curve["label"].startswith("COIN")]
    bpp, psnr = series[0]["points"][1]
    rows.append(["5x20, published, without a header", "24", f"{bpp:.4f}", f"{psnr:.2f} dB", ""])
    return markdown(["", "pictures", "bpp", "PSNR", "processor time of a fit"], rows)


def paper(results: Path) -> str:
    """Return Table 1 of the Neural Collage paper, with its numbers beside ours."""
    rows = []
    for row in published.table1():
        cells = [row.method.replace("block-DCT", "block DCT, fixed widths")]
        cells += [f"{psnr:.2f} dB at {rate}" for psnr, rate in zip(row.psnr, row.rates, strict=True)]
        if row.method in _PAPER:
            cells += _at_rates(results, *_PAPER[row.method], row.rates)
        rows.append([*cells, *["not measured"] * (5 - len(cells))])
    return markdown(["", "published", "published", "here", "here"], rows)


def _at_rates(results: Path, folder: str, label: str, rates: Sequence[float]) -> list[str]:
    """Return the PSNR at each rate: measured if a setting is within 5 % of the rate, else interpolated."""
    points = aggregate.mean_curve(aggregate.curves(read_rows(results / folder))[label])
    through = bd.curve([point.bpp for point in points], [point.psnr for point in points], window=None)
    cells = []
    for rate in rates:
        nearest = min(points, key=lambda point: abs(point.bpp / rate - 1))
        close = abs(nearest.bpp / rate - 1) < 0.05
        bpp, psnr = (
            (nearest.bpp, nearest.psnr) if close else (rate, float(bd.value_at(through, np.array([rate]))[0]))
        )
        cells.append(f"{psnr:.2f} dB at {bpp:.2f}")
    return cells
