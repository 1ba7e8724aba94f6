"""`python -m eval table`: the numbers of a run as Markdown, for the README and the models' cards."""

from __future__ import annotations

from pathlib import Path

import click

from eval.commands.options import one_line_errors
from eval.harness import aggregate
from eval.harness.aggregate import RATES, psnr_at
from eval.harness.store import read_rows


@click.command()
@click.option(
    "--out", type=click.Path(exists=True, file_okay=False, path_type=Path), required=True, help="Folder of a run."
)
@click.option("--test", default="collage", help="The sweep that is compared with all others.")
def table(out: Path, test: str) -> None:
    """Print two Markdown tables of the results.

    The first shows the mean over the pictures of the Bjontegaard rate for RGB PSNR over 0.1 to 1.0 bits per
    pixel. The second shows the PSNR of the mean curve at some rates, interpolated linearly in the logarithm of
    the rate.
    """
    with one_line_errors():
        rows = read_rows(out)
        curves = aggregate.curves(rows)
        if test not in curves:
            raise click.UsageError(f"{out} has no rows of {test!r}; it has {', '.join(curves)}")
        anchors = [label for label in curves if label != test]
        images = len(curves[test])
    click.echo(f"| {test} against | bits | pictures |\n|---|---|---|")
    for anchor in anchors:
        result = aggregate.compare(curves, anchor, test, "psnr")
        rate = "no overlap" if result.rate is None else f"{result.rate:+.1f} %"
        click.echo(f"| {anchor} | {rate} | {result.images} |")
    click.echo(f"\n| PSNR in dB, mean of {images} | " + " | ".join(f"{rate} bpp" for rate in RATES) + " |")
    click.echo("|---" * (len(RATES) + 1) + "|")
    for label in (test, *anchors):
        points = aggregate.mean_curve(curves[label])
        values = [psnr_at(points, rate) for rate in RATES]
        click.echo(f"| {label} | " + " | ".join(values) + " |")
