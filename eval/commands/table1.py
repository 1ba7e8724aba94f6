"""`python -m eval table1`: Table 1 of the Neural Collage paper, with its numbers and ours."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

import click
import numpy as np

from eval.commands.options import data_options, one_line_errors, out_option, split
from eval.commands.rd import rd
from eval.harness import aggregate, bd, catalogue, published
from eval.harness.aggregate import MeanPoint
from eval.harness.store import read_rows

ALSO = ("dct-fixed-16", "dct", "dct-16", "collage", "jpeg", "webp", "jpeg2000-psnr", "avif-420-s4")
"""Sweeps that are not in the paper, evaluated at its rates."""
_NEAR = 0.05
"""Relative difference of rates below which a measured point is used instead of an interpolated one."""


@click.command()
@data_options("dota-val")
@out_option
@click.option("--jobs", type=click.IntRange(1), default=1, help="Number of processes.")
@click.pass_context
def table1(
    context: click.Context, data: str, data_root: Path | None, limit: int, specs: str, out: Path, jobs: int
) -> None:
    """Repeat Table 1 of the Neural Collage paper and print its numbers beside ours.

    Our numbers are taken from the mean curve (mean rate and mean PSNR over the pictures at each setting) at the
    paper's rates. The pictures are our held-out ones, since the paper does not name its own: compare the
    differences between methods, not the numbers. `--codecs default` selects the paper's rows and a few anchors.
    COIN takes minutes to hours per picture and is printed only if the folder already contains its rows, made by
    `rd --codecs coin` or, with fewer steps, `rd --codecs coin@steps=5000`.
    """
    rows = published.table1()
    labels = [*(row.label for row in rows), *ALSO] if specs == "default" else split(specs)
    present = [label for label in labels if label in catalogue.known()]
    if specs == "default":
        present = [label for label in present if not catalogue.known()[label].slow]
    options = {"data": data, "data_root": data_root, "limit": limit, "specs": ";".join(present), "out": out}
    context.invoke(rd, **options, jobs=jobs, psnr_only=True)
    with one_line_errors():
        curves = aggregate.curves(read_rows(out))
    # The label of COIN measured with fewer steps contains the settings.
    shown = (*(row.label for row in rows), *labels)
    measured = {label: _measured(curves, label) for label in shown}
    means = {label: aggregate.mean_curve(curves[name]) for label, name in measured.items() if name}
    click.echo(f"\n{'PSNR in dB at bits per pixel':27}{'published':>26}{'here':>26}")
    for row in rows:
        note = "" if row.rates_known else "   (its rates are not recorded: those of the first row are used)"
        if measured.get(row.label) not in (None, "", row.label):
            note += f"   ({measured[row.label]})"
        click.echo(f"{row.method:27}{_cells(row.rates, row.psnr)}{_ours(means, row.label, row.rates)}{note}")
    for label in labels:
        if label not in {row.label for row in rows}:
            click.echo(f"{label:27}{'':26}{_ours(means, label, rows[0].rates)}")


def _measured(labels: Iterable[str], label: str) -> str:
    """Return the label, or the first label of the same sweep with changed settings, or '' if there is none."""
    ordered = sorted(other for other in labels if other == label or other.startswith(f"{label}@"))
    return ordered[0] if ordered else ""


def _ours(means: Mapping[str, Sequence[MeanPoint]], label: str, rates: Sequence[float]) -> str:
    if label not in means:
        word = "not measured" if label in catalogue.known() else "not part of this version"
        return f"{word:>26}"
    points = means[label]
    through = bd.curve([point.bpp for point in points], [point.psnr for point in points], window=None)
    values = bd.value_at(through, np.array(rates)).tolist()
    cells = []
    for rate, value in zip(rates, values, strict=True):
        # A point measured close to the rate is used with its actual rate.
        nearest = min(points, key=lambda point: abs(point.bpp / rate - 1))
        at_setting = abs(nearest.bpp / rate - 1) < _NEAR
        cells.append((nearest.bpp, nearest.psnr) if at_setting else (rate, value))
    return _cells(*zip(*cells, strict=True))


def _cells(rates: Sequence[float], values: Sequence[float]) -> str:
    """Return cells such as '31.30 @0.13', 26 columns wide, with a dash for a rate outside the curve."""
    cells = (
        f"{'-':>5} @{rate:4.2f}" if value != value else f"{value:5.2f} @{rate:4.2f}"
        for rate, value in zip(rates, values, strict=True)
    )
    return f"{'  '.join(cells):>26}"
