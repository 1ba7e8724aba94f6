"""The page: template, style, scripts and results, combined into one HTML file."""

from __future__ import annotations

import html
import json
import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from eval.harness.measure import Row
from eval.harness.metrics import decibels
from eval.report.figures import AXES, COLOURS

_HERE = Path(__file__).parent
_SCRIPTS = ("dom.js", "chart.js", "tables.js", "viewer.js", "main.js")


def build(
    rows: Sequence[Row],
    run: Mapping[str, Any],
    summary: Mapping[str, Any],
    timing: Mapping[str, Any],
    published: Sequence[Mapping[str, Any]],
    scenes: Sequence[Mapping[str, Any]],
    equal_rate: Mapping[str, Mapping[str, Sequence[tuple[float, float]]]] | None = None,
) -> str:
    """Return the page as text.

    `rows`, `run` and `summary` are those of a run. `timing` is the content of timing.json or empty, `published`
    are the curves of other papers on these pictures, `scenes` the crops of `eval.report.crops.make`, and
    `equal_rate` the mean curves of `eval.harness.equal_rate`.
    """
    data = {
        "run": run,
        "summary": summary,
        "timing": timing,
        "published": published,
        "scenes": scenes,
        "equal_rate": equal_rate or {},
        "axes": AXES,
        "colours": COLOURS,
        "rows": [_row(row) for row in rows],
    }
    parts = {
        "title": html.escape(f"Rate and distortion on {run['data']}"),
        "style": _read("style.css"),
        "script": "\n".join(_read(name) for name in _SCRIPTS),
        "data": _embedded(data),
    }
    page = _read("template.html")
    for name, text in parts.items():
        page = page.replace(f"<!--{name}-->", text)
    return page


def _row(row: Row) -> dict[str, Any]:
    numbers = ("value", "bpp", "psnr", "psnr_y", "ssim", "ssimulacra2", "colour", "worst_colour", "encode_s",
               "decode_s")  # fmt: skip
    return {
        "image": row.image,
        "label": row.label,
        "status": row.status,
        "error": row.error,
        "bytes": row.bytes,
        **{name: _number(getattr(row, name)) for name in numbers},
        "ms_ssim_db": _number(decibels(row.ms_ssim)) if row.ms_ssim == row.ms_ssim else None,
    }


def _number(value: float) -> float | None:
    return float(f"{value:.5g}") if math.isfinite(value) else None


def _embedded(data: Any) -> str:
    """Return JSON for a script element. '<' is escaped so that no text can end the element."""
    return json.dumps(data, separators=(",", ":"), allow_nan=False).replace("<", "\\u003c")


def _read(name: str) -> str:
    return (_HERE / name).read_text(encoding="utf-8")
