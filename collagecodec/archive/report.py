"""A page of what an archive saved: totals, failures, and every picture, the worst first."""

from __future__ import annotations

import html
import math
from collections.abc import Iterable, Sequence

from collagecodec.archive.manifest import DONE, Row

NAME = "report.html"
_SHOWN = 5000
_STYLE = """
body { font: 15px/1.5 system-ui, sans-serif; margin: 2rem auto; max-width: 70rem; padding: 0 1rem; color: #222; }
h1 { font-size: 1.5rem; } .figures { display: flex; gap: 2rem; flex-wrap: wrap; margin: 1rem 0 2rem; }
.figures div { min-width: 8rem; } .figures b { display: block; font-size: 1.6rem; }
table { border-collapse: collapse; width: 100%; } th, td { text-align: right; padding: .3rem .6rem; }
th { border-bottom: 2px solid #888; position: sticky; top: 0; background: #fff; }
td { border-bottom: 1px solid #ddd; } .failed td { background: #fdecea; }
th:first-child, td:first-child, td.text { text-align: left; word-break: break-all; }
@media (prefers-color-scheme: dark) {
  body, th { background: #181818; color: #ddd; } .failed td { background: #4a2320; }
}
"""


def page(rows: Iterable[Row]) -> bytes:
    """Return the page as HTML in UTF-8, without anything from elsewhere."""
    ordered = sorted(rows, key=_badness)
    done = [row for row in ordered if row.status == DONE]
    failed = [row for row in ordered if row.status != DONE]
    before, after = sum(row.bytes_before for row in done), sum(row.bytes for row in done)
    finite = [row.psnr for row in done if math.isfinite(row.psnr)]
    figures = [
        (f"{len(done)}", "pictures stored"),
        (f"{len(failed)}", "failed"),
        (f"{_size(before)} → {_size(after)}", "originals and archive"),
        (f"{100 * (1 - after / before):.0f} %" if before else "-", "saved"),
        (f"{min(finite):.1f} dB" if finite else "-", "lowest PSNR"),
    ]
    boxes = "".join(f"<div><b>{value}</b>{name}</div>" for value, name in figures)
    more = f" The first {_SHOWN} of {len(ordered)}; the manifest has all." if len(ordered) > _SHOWN else ""
    names = ("Picture", "Pixels", "Before", "After", "Share", "PSNR", "MS-SSIM")
    head = "".join(f"<th>{name}</th>" for name in names)
    body = "".join(map(_line, ordered[:_SHOWN]))
    return (
        f'<!doctype html><html lang="en"><meta charset="utf-8"><title>Archive</title><style>{_STYLE}</style>'
        f'<h1>Archive</h1><div class="figures">{boxes}</div><p>Worst pictures first.{more}</p>'
        f"<table><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table></html>\n"
    ).encode()


def _badness(row: Row) -> tuple[bool, float, str]:
    return row.status == DONE, row.psnr if not math.isnan(row.psnr) else -1.0, row.path


def _line(row: Row) -> str:
    name = html.escape(row.path)
    if row.status != DONE:
        return (
            f'<tr class="failed"><td>{name}</td><td class="text" colspan="6">{html.escape(row.error)}</td></tr>'
        )
    cells: Sequence[str] = (
        f"{row.width}x{row.height}",
        _size(row.bytes_before),
        _size(row.bytes),
        f"{100 * row.bytes / row.bytes_before:.0f} %" if row.bytes_before else "-",
        f"{row.psnr:.2f} dB" if math.isfinite(row.psnr) else "lossless",
        f"{row.ms_ssim:.4f}" if math.isfinite(row.ms_ssim) else "-",
    )
    return f"<tr><td>{name}</td>{''.join(f'<td>{cell}</td>' for cell in cells)}</tr>"


def _size(count: float) -> str:
    for unit in ("B", "kB", "MB", "GB", "TB"):
        if count < 1000 or unit == "TB":
            return f"{count:.0f} {unit}" if unit == "B" else f"{count:.1f} {unit}"
        count /= 1000
    raise AssertionError
