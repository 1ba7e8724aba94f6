"""Tables of what people see: metrics at equal rate, and sizes at equal quality, from the rows of a data set."""

from __future__ import annotations

import math
from collections.abc import Mapping
from pathlib import Path

from eval.harness import aggregate
from eval.harness.aggregate import METRICS, Curves
from eval.harness.equal_rate import means
from eval.harness.store import read_rows
from eval.report.sources import markdown

RATES = (0.2, 0.5, 1.0)
"""Bits per pixel."""
OURS = "collage"
LABELS = (
    "collage", "avif-420-s4", "avif-444-s4", "avif-420-s4-psnr", "avif-444-s4-psnr", "vvc", "heic", "heic-444",
    "jxl", "webp", "jpeg2000-psnr", "jpeg",
)  # fmt: skip
"""The codecs of the tables, in their order."""
_PLACES = {"ssimulacra2": 1, "ms_ssim_db": 2, "ssim": 4, "worst_colour": 2}
_TITLES = {
    "ssimulacra2": "SSIMULACRA2",
    "ms_ssim_db": "MS-SSIM",
    "ssim": "SSIM",
    "worst_colour": "colour error of the worst 5 % of cells",
}


def at_equal_rate(results: Path, folder: str, metric: str, names: Mapping[str, str]) -> str:
    """Return a metric of each codec at some rates, and the size of the collage against it at equal metric.

    `names` maps labels to the names on the page. A codec that was measured on fewer pictures than the collage is
    left out; a mean is over the pictures on which all codecs of the table reach the rate.
    """
    curves = measured(results, folder, metric)
    count = len(curves.get(OURS, {}))
    labels = [label for label in LABELS if len(curves.get(label, {})) == count > 0]
    columns = [means(curves, labels, metric, rate) for rate in RATES] if labels else []
    head = [f"{_TITLES[metric]}, {count} pictures"]
    head += [f"{rate:g} bpp" + ("" if shared == count else f" ({shared} pictures)")
             for rate, (_, shared) in zip(RATES, columns, strict=True)]  # fmt: skip
    head.append("size of collage against it")
    body = [
        [names[label], *(_shown(column[label], metric) for column, _ in columns), _size(curves, label, metric)]
        for label in labels
    ]
    return markdown(head, body)


def measured(results: Path, folder: str, metric: str) -> Curves:
    """Return the curves of the rows that have the metric, at least two of each picture."""
    value = METRICS[metric]
    curves = aggregate.curves(row for row in read_rows(results / folder) if math.isfinite(value(row)))
    return {
        label: {image: points for image, points in pictures.items() if len(points) > 1}
        for label, pictures in curves.items()
    }


def _size(curves: Curves, label: str, metric: str) -> str:
    rate = None if label == OURS else aggregate.compare(curves, label, OURS, metric).rate
    return "" if rate is None else f"{rate:+.1f} %"


def _shown(value: float, metric: str) -> str:
    unit = " dB" if metric.endswith("_db") else ""
    return "-" if math.isnan(value) else f"{value:.{_PLACES[metric]}f}{unit}"
