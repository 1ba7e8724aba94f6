"""`python -m eval coin`: COIN on Kodak, its published numbers beside ours."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import product
from pathlib import Path
from statistics import fmean
from typing import Literal

import click

from collagecodec.cli.progress import Progress
from collagecodec.codecs.coin.codec import NETS, STEPS, CoinCodec
from collagecodec.codecs.coin.encoder.fitting import State
from eval.commands.options import (
    data_option,
    limit_option,
    one_line_errors,
    out_option,
    pictures,
    root_option,
    split,
)
from eval.harness import facts, published
from eval.harness.datasets import Picture
from eval.harness.journal import Journal, dataclass_csv
from eval.harness.journal import read as read_journal
from eval.harness.metrics import bits_per_pixel, compare
from eval.harness.store import write_json

CODINGS: tuple[Literal["half", "entropy"], ...] = ("half", "entropy")


@dataclass(frozen=True)
class Fitted:
    """The result of fitting a net to a picture: file size, quality and time, for one coding of the weights."""

    image: str
    net: str
    fit: str
    steps: int
    coding: str
    steps_taken: int
    bytes: int
    bpp: float
    psnr: float
    """PSNR of the decoded file in dB."""
    psnr_float: float
    """PSNR in dB of the network before its weights were coded, rounded to 8 bits."""
    fit_wall_s: float
    fit_cpu_s: float

    @property
    def place(self) -> tuple[str, ...]:
        """Identifies the measurement: a later row with the same place replaces an earlier one."""
        return self.image, self.net, self.fit, str(self.steps), self.coding


LINES = dataclass_csv(Fitted)
"""The format of coin.csv."""


@click.command()
@out_option
@data_option("kodak")
@root_option("the named sets")
@limit_option
@click.option("--nets", default="5x20", help="Layers x width, separated by commas.")
@click.option("--steps", type=click.IntRange(1), default=STEPS, help="Number of steps of a fit.")
@click.option(
    "--fit", type=click.Choice(("annealed", "published")), default="annealed", help="Method of the fit."
)
@click.option(
    "--fits", type=click.Path(file_okay=False, path_type=Path), default=Path(".cache/coin"),
    help="Folder that keeps fits, so that an interrupted command can resume.",
)  # fmt: skip
def coin(
    out: Path,
    data: str,
    data_root: Path | None,
    limit: int,
    nets: str,
    steps: int,
    fit: Literal["annealed", "published"],
    fits: Path,
) -> None:
    """Fit the networks of COIN to pictures, code them in both ways, and print the published means beside ours.

    Writes coin.csv with a line per picture, net and coding, which includes the time of the fit.
    """
    with one_line_errors():
        dataset = pictures(data, data_root, limit)
        fits.mkdir(parents=True, exist_ok=True)
        with Journal(out / "coin.csv", LINES, lambda row: row.place) as journal:
            for net, picture, coding in product(split(nets), dataset.pictures, CODINGS):
                row = measure(picture, CoinCodec(net, coding, steps, fit, checkpoint=str(fits)))
                if row != journal.get(row.place):
                    journal.add(row)
                click.echo(_line(row))
            rows = journal.rows
        write_json(out / "run.json", facts.environment())
    click.echo("\n" + summary(rows, dataset.name))


def measure(picture: Picture, codec: CoinCodec) -> Fitted:
    """Fit the picture, unless the fit is kept from before, then encode and decode it."""
    image = picture.load()
    bar = Progress(1000)
    try:
        data = codec.encode(image, bar.share)
    finally:
        bar.clear()
    checkpoint = codec.checkpoint_of(image)
    state = checkpoint.load() if checkpoint else None
    assert isinstance(state, State)
    return Fitted(
        picture.name, codec.net, codec.fit, codec.steps, codec.coding, state.step, len(data),
        round(bits_per_pixel(data, image), 5),
        round(compare(image, codec.decode(data), structural=False).psnr, 4),
        round(max(state.history), 4), round(state.wall, 1), round(state.cpu, 1),
    )  # fmt: skip


def read(path: Path) -> list[Fitted]:
    """Return the rows of a coin.csv, without those that a later row replaces; none if there is no file."""
    return list({row.place: row for row in read_journal(path, LINES)}.values())


def summary(rows: list[Fitted], dataset: str) -> str:
    """Return the means over the pictures of every net and coding, and the published ones on Kodak."""
    curves = (curve["points"] for curve in published.curves_on(dataset) if curve["label"].startswith("COIN"))
    points: list[list[float]] = next(curves, [])
    # The first point belongs to a net that the paper does not name.
    known = dict(zip(NETS, points[1:], strict=False))
    lines = [f"{'net':8}{'fit':11}{'steps':>7}  {'coding':9}{'pictures':>8}{'bpp':>9}{'dB':>8}{'published':>18}"]
    groups = dict.fromkeys((row.net, row.fit, row.steps, row.coding) for row in rows)
    for net, fit, steps, coding in groups:
        of = [row for row in rows if (row.net, row.fit, row.steps, row.coding) == (net, fit, steps, coding)]
        beside = "{1:.2f} dB @{0:.4f}".format(*known[net]) if net in known and coding == "half" else ""
        bpp, psnr = fmean(row.bpp for row in of), fmean(row.psnr for row in of)
        lines.append(f"{net:8}{fit:11}{steps:>7}  {coding:9}{len(of):>8}{bpp:9.4f}{psnr:8.2f}{beside:>18}")
    if known:
        lines.append("published: 16 bits per weight without a header, means over the 24 pictures of Kodak")
    return "\n".join(lines)


def _line(row: Fitted) -> str:
    return (
        f"{row.image} {row.net} {row.coding}: {row.bytes} bytes, {row.bpp:.4f} bpp, {row.psnr:.2f} dB "
        f"(network {row.psnr_float:.2f}); {row.steps_taken} steps, {row.fit_cpu_s:.0f} s of CPU time"
    )
