"""Tables and figures of tasks on decoded pictures, from the rows of `python -m eval task`."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from statistics import fmean
from types import MappingProxyType
from typing import Any

from eval.harness.task_curves import curves, rate_for, score_at
from eval.report.figures import score_figure
from eval.report.sources import json_lines, markdown

NAMES = MappingProxyType(
    {
        "collage": "**collage**",
        "jpeg": "JPEG",
        "webp": "WebP",
        "jpeg2000-psnr": "JPEG 2000",
        "avif-420-s4": "AVIF 4:2:0",
        "avif-420-s4-psnr": "AVIF 4:2:0, `tune=psnr`",
        "jxl": "JPEG XL",
        "heic": "HEIC",
    }
)
ORIGINAL = "original"
RATES = (0.15, 0.3, 0.6, 1.2)
"""Bits per pixel of the tables."""
FALL = 0.01
SCORES = MappingProxyType(
    {
        "accuracy": "scenes classified correctly",
        "agreement": "scenes classified as the original",
        "matched": "keypoints matched",
        "repeated": "keypoints repeated",
    }
)


Rows = Sequence[Mapping[str, Any]]


def scenes(results: Path) -> str:
    """Return the table of the committed rows about scenes."""
    return scene_table(json_lines(results / "task" / "rows.jsonl"))


def keypoints(results: Path) -> str:
    """Return the table of the committed rows about keypoints."""
    return keypoint_table(json_lines(results / "task" / "rows.jsonl"))


def scene_table(rows: Rows) -> str:
    """Return the accuracy of the scene classifier on each codec's pictures, and where it falls by one percent."""
    original = fmean(row["accuracy"] for row in rows if row["codec"] == ORIGINAL and "accuracy" in row)
    found = _known(curves(rows, "accuracy"))
    head = ["", *(f"{rate:g} bpp" for rate in RATES), "bits per pixel at which accuracy falls by 1 %"]
    body = [
        [
            NAMES.get(codec, codec),
            *(_percent(score_at(points, rate)) for rate in RATES),
            _rate(points, original - FALL),
        ]
        for codec, points in found.items()
    ]
    return markdown(head, [*body, ["original", *[_percent(original)] * len(RATES), ""]])


def keypoint_table(rows: Rows) -> str:
    """Return the shares of keypoints of the original that are matched in each codec's pictures."""
    found = _known(curves(rows, "matched"))
    head = ["", *(f"{rate:g} bpp" for rate in RATES), "bits per pixel for 80 %"]
    body = [
        [NAMES.get(codec, codec), *(_percent(score_at(points, rate)) for rate in RATES), _rate(points, 0.8)]
        for codec, points in found.items()
    ]
    return markdown(head, body)


def figures(rows: Rows, out: Path) -> list[Path]:
    """Draw each score over the rate; return the files written."""
    written = []
    for score, title in SCORES.items():
        found = _known(curves(rows, score))
        base = [row[score] for row in rows if row["codec"] == ORIGINAL and score in row]
        if found:
            written += score_figure(found, out, f"task_{score}", title, fmean(base))
    return written


def _known(found: dict[str, list[tuple[float, float]]]) -> dict[str, list[tuple[float, float]]]:
    """Return the curves of codecs, in the order of `NAMES`, without that of the originals."""
    order = [*(codec for codec in NAMES if codec in found), *(codec for codec in found if codec not in NAMES)]
    return {codec: found[codec] for codec in order if codec != ORIGINAL}


def _percent(value: float) -> str:
    return "-" if math.isnan(value) else f"{100 * value:.1f} %"


def _rate(points: Sequence[tuple[float, float]], score: float) -> str:
    rate = rate_for(points, score)
    if rate == 0:
        return f"below {points[0][0]:.2f}"
    return f"above {points[-1][0]:.2f}" if math.isinf(rate) else f"{rate:.2f}"
