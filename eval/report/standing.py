"""The standing of a model as lines of text: its targets, and metrics at equal rate beside other codecs."""

from __future__ import annotations

import math
from collections.abc import Iterator

from eval.harness import aggregate
from eval.harness.aggregate import METRICS, Curves
from eval.harness.equal_rate import means
from eval.harness.ladder import Standing

RATES = (0.2, 0.5, 1.0)
"""Bits per pixel."""
_TITLES = {
    "psnr": "PSNR, dB",
    "ms_ssim_db": "MS-SSIM, dB",
    "ssimulacra2": "SSIMULACRA2",
    "worst_colour": "worst colour (less is better)",
}
_ANCHORS = (
    "collage", "avif-420-s4", "avif-444-s4", "avif-420-s4-psnr", "avif-444-s4-psnr", "heic", "heic-444", "jxl",
    "webp", "jpeg2000-psnr", "jpeg",
)  # fmt: skip


def lines(curves: Curves, test: str, standing: list[Standing]) -> Iterator[str]:
    """Yield the lines about the sweep `test`."""
    yield f"{'target':58s}{'now':>10s}{'must':>7s}{'goal':>7s}"
    for each in standing:
        target = each.target
        now = f"{each.result:+.1f} %" if target.measure == "rate" else f"{each.result:+.2f}"
        now = f"{each.result:.0f} of {each.pictures}" if target.measure == "worse" else now
        sign = "" if target.measure == "worse" else "+"
        yield (
            f"{target.title:58s}{now:>10s}{target.must:>{sign}7g}{target.goal:>{sign}7g}"
            f"  {each.verdict}, against {each.against}"
        )
    for metric, title in _TITLES.items():
        anchors = [label for label in _ANCHORS if _has(curves, label, metric)]
        if not _has(curves, test, metric):
            continue
        yield ""
        heads = "".join(f"{f'at {rate:g} bpp':>18s}" for rate in RATES)
        yield f"{title:30s}{heads}   bits of the model against it"
        values = [means(curves, [test], metric, rate)[0][test] for rate in RATES]
        yield f"{test:30s}" + "".join(f"{value:10.2f}        " for value in values)
        for label in anchors:
            yield _line(curves, test, label, metric)


def _line(curves: Curves, test: str, label: str, metric: str) -> str:
    """Return the means of another codec, with the difference of the model from it, over pictures of both."""
    cells = []
    for rate in RATES:
        mean, count = means(curves, [test, label], metric, rate)
        cells.append(f"{mean[label]:10.2f} ({mean[test] - mean[label]:+5.2f})" if count else f"{'-':>18s}")
    rate_difference = aggregate.compare(curves, label, test, metric).rate
    return f"{label:30s}" + "".join(cells) + ("" if rate_difference is None else f"{rate_difference:+10.1f} %")


def _has(curves: Curves, label: str, metric: str) -> bool:
    rows = (row for points in curves.get(label, {}).values() for row in points)
    return any(math.isfinite(METRICS[metric](row)) for row in rows)
