"""`python -m eval table`: the numbers of a run as Markdown, for the README and the models' cards."""

from __future__ import annotations

from pathlib import Path

import click
import numpy as np

from eval.commands.options import told
from eval.harness import aggregate
from eval.harness.store import read_rows

RATES = (0.13, 0.25, 0.5, 1.0)


@click.command()
@click.option(
    "--out", type=click.Path(exists=True, file_okay=False, path_type=Path), required=True, help="Folder of a run."
)
@click.option("--test", default="collage", help="The sweep that is compared with all others.")
def table(out: Path, test: str) -> None:
    """Print what was measured as two Markdown tables.

    Bits: Bjontegaard rate on RGB PSNR over 0.1 to 1.0 bits a pixel, mean over the pictures. PSNR: the mean
    curve at some rates, linear between its points in the logarithm of the rate.
    """
    with told():
        rows = read_rows(out)
        found = aggregate.curves(rows)
        if test not in found:
            raise click.UsageError(f"{out} has no rows of {test!r}; it has {', '.join(found)}")
        anchors = [label for label in found if label != test]
        images = len(found[test])
    click.echo(f"| {test} against | bits | pictures |\n|---|---|---|")
    for anchor in anchors:
        result = aggregate.compare(found, anchor, test, "psnr")
        rate = "no overlap" if result.rate is None else f"{result.rate:+.1f} %"
        click.echo(f"| {anchor} | {rate} | {result.images} |")
    click.echo(f"\n| PSNR in dB, mean of {images} | " + " | ".join(f"{rate} bpp" for rate in RATES) + " |")
    click.echo("|---" * (len(RATES) + 1) + "|")
    for label in (test, *anchors):
        points = aggregate.mean_curve(found[label])
        values = [psnr_at(points, rate) for rate in RATES]
        click.echo(f"| {label} | " + " | ".join(values) + " |")


def psnr_at(points: list[aggregate.MeanPoint], rate: float) -> str:
    """The PSNR of a mean curve at a rate, to two places; a dash where the curve does not reach."""
    rates = np.log([point.bpp for point in points])
    if not points or not rates[0] <= np.log(rate) <= rates[-1]:
        return "-"
    return f"{np.interp(np.log(rate), rates, [point.psnr for point in points]):.2f}"
