"""`python -m eval table1`: Table 1 of the Neural Collage paper, its numbers beside ours."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

import click
import numpy as np

from eval.commands.options import data_options, out_option, split, told
from eval.commands.rd import rd
from eval.harness import aggregate, bd, catalogue, published
from eval.harness.aggregate import MeanPoint
from eval.harness.store import read_rows

ALSO = ("dct-fixed-16", "dct", "dct-16", "collage", "jpeg", "webp", "jpeg2000-psnr", "avif-420-s4")
"""Sweep that the paper does not have, at its rates."""
_NEAR = 0.05


@click.command()
@data_options("dota-val")
@out_option
@click.option("--jobs", type=click.IntRange(1), default=1, help="Processes at work.")
@click.pass_context
def table1(
    context: click.Context, data: str, data_root: Path | None, limit: int, specs: str, out: Path, jobs: int
) -> None:
    """Re-run Table 1 of the Neural Collage paper and print its numbers beside ours.

    Ours are read off the mean curve (mean rate and mean PSNR over the pictures at each setting) at the
    paper's rates. The pictures are the project's held-out ones, not the paper's, which it does not name:
    compare the differences between methods, not the numbers. `--codecs default` means the paper's rows and
    a few anchors; COIN, which takes minutes to hours a picture, is printed if its rows are in the folder
    already, which `rd --codecs coin` (or 'coin@steps=5000', to shorten) puts there.
    """
    rows = published.table1()
    labels = [*(row.label for row in rows), *ALSO] if specs == "default" else split(specs)
    present = [label for label in labels if label in catalogue.known()]
    if specs == "default":
        present = [label for label in present if not catalogue.known()[label].slow]
    asked = {"data": data, "data_root": data_root, "limit": limit, "specs": ";".join(present), "out": out}
    context.invoke(rd, **asked, jobs=jobs, psnr_only=True)
    with told():
        found = aggregate.curves(read_rows(out))
    # COIN measured with fewer steps has its settings in its label.
    shown = (*(row.label for row in rows), *labels)
    measured = {label: _measured(found, label) for label in shown}
    means = {label: aggregate.mean_curve(found[name]) for label, name in measured.items() if name}
    click.echo(f"\n{'PSNR in dB at bits a pixel':27}{'published':>26}{'here':>26}")
    for row in rows:
        note = "" if row.rates_known else "   (its own rates are not recorded: set at the first row's)"
        if measured.get(row.label) not in (None, "", row.label):
            note += f"   ({measured[row.label]})"
        click.echo(f"{row.method:27}{_cells(row.rates, row.psnr)}{_ours(means, row.label, row.rates)}{note}")
    for label in labels:
        if label not in {row.label for row in rows}:
            click.echo(f"{label:27}{'':26}{_ours(means, label, rows[0].rates)}")


def _measured(found: Iterable[str], label: str) -> str:
    """The label itself, or the first that is the same sweep with changed settings; '' if there is neither."""
    ordered = sorted(one for one in found if one == label or one.startswith(f"{label}@"))
    return ordered[0] if ordered else ""


def _ours(means: Mapping[str, Sequence[MeanPoint]], label: str, rates: Sequence[float]) -> str:
    if label not in means:
        word = "not measured" if label in catalogue.known() else "not part of this version"
        return f"{word:>26}"
    points = means[label]
    through = bd.curve([one.bpp for one in points], [one.psnr for one in points], window=None)
    values = bd.value_at(through, np.array(rates)).tolist()
    told = []
    for rate, value in zip(rates, values, strict=True):
        # A codec with a setting for the rate is read there, at the rate that it really has.
        nearest = min(points, key=lambda one: abs(one.bpp / rate - 1))
        at_setting = abs(nearest.bpp / rate - 1) < _NEAR
        told.append((nearest.bpp, nearest.psnr) if at_setting else (rate, value))
    return _cells(*zip(*told, strict=True))


def _cells(rates: Sequence[float], values: Sequence[float]) -> str:
    """Return '31.30 at 0.13'-like cells, 26 columns wide; a rate that the curve does not reach is a dash."""
    cells = (
        f"{'-':>5} @{rate:4.2f}" if value != value else f"{value:5.2f} @{rate:4.2f}"
        for rate, value in zip(rates, values, strict=True)
    )
    return f"{'  '.join(cells):>26}"
