"""`python -m eval coin`: COIN on Kodak, its published numbers beside ours."""

from __future__ import annotations

import csv
from dataclasses import astuple, dataclass, fields
from pathlib import Path
from statistics import fmean
from typing import Literal

import click

from collagecodec.cli.progress import Progress
from collagecodec.codecs.coin.codec import NETS, STEPS, CoinCodec
from collagecodec.codecs.coin.encoder.fitting import State
from eval.commands.options import out_option, pictures, split, told
from eval.harness import facts, published
from eval.harness.datasets import Picture
from eval.harness.metrics import compare
from eval.harness.store import write_json

CODINGS: tuple[Literal["half", "entropy"], ...] = ("half", "entropy")


@dataclass(frozen=True)
class Fitted:
    """A picture, a net and a coding: what was reached, and what the fit took."""

    image: str
    net: str
    fit: str
    steps: int
    coding: str
    steps_taken: int
    bytes: int
    bpp: float
    psnr: float
    """Of the decoded file, dB."""
    psnr_float: float
    """Of the network before its weights were coded, dB, 8-bit levels."""
    fit_wall_s: float
    fit_cpu_s: float

    @property
    def place(self) -> tuple[str, ...]:
        """What a later measurement of the same replaces."""
        return self.image, self.net, self.fit, str(self.steps), self.coding


@click.command()
@out_option
@click.option("--data", default="kodak", help="A folder of pictures, or a named set.")
@click.option("--data-root", type=click.Path(path_type=Path), help="Where the named sets lie.")
@click.option("--limit", type=click.IntRange(0), default=0, help="At most so many pictures; 0 for all.")
@click.option("--nets", default="5x20", help="Layers x width, commas between.")
@click.option("--steps", type=click.IntRange(1), default=STEPS, help="Steps of a fit.")
@click.option("--fit", type=click.Choice(("annealed", "published")), default="annealed", help="How to fit.")
@click.option(
    "--fits", type=click.Path(file_okay=False, path_type=Path), default=Path(".cache/coin"),
    help="Where fits are kept, so that an interrupted command goes on.",
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
    """Fit COIN's networks to pictures, in both codings, and print COIN's published means beside ours.

    In the folder of the results: coin.csv, a line a picture, net and coding, with the time of the fit.
    """
    with told():
        found = pictures(data, data_root, limit)
        fits.mkdir(parents=True, exist_ok=True)
        out.mkdir(parents=True, exist_ok=True)
        rows = {row.place: row for row in read(out / "coin.csv")}
        for net in split(nets):
            for picture in found.pictures:
                for coding in CODINGS:
                    row = measure(picture, CoinCodec(net, coding, steps, fit, checkpoint=str(fits)))
                    rows[row.place] = row
                    _write(out / "coin.csv", list(rows.values()))
                    click.echo(_line(row))
        write_json(out / "run.json", {"machine": facts.machine(), "versions": facts.versions()})
    click.echo("\n" + summary(list(rows.values()), found.name))


def measure(picture: Picture, codec: CoinCodec) -> Fitted:
    """Fit, or take the fit that is kept, code and decode."""
    image = picture.load()
    bar = Progress(1000)
    try:
        data = codec.encode_with(image, bar.share)
    finally:
        bar.clear()
    checkpoint = codec.checkpoint_of(image)
    state = checkpoint.load() if checkpoint else None
    assert isinstance(state, State)
    pixels = image.shape[0] * image.shape[1]
    return Fitted(
        picture.name, codec.net, codec.fit, codec.steps, codec.coding, state.step, len(data),
        round(8 * len(data) / pixels, 5), round(compare(image, codec.decode(data), structural=False).psnr, 4),
        round(max(state.history), 4), round(state.wall, 1), round(state.cpu, 1),
    )  # fmt: skip


def read(path: Path) -> list[Fitted]:
    """The lines of a coin.csv; none if there is no file."""
    if not path.exists():
        return []
    kinds = {"str": str, "int": int, "float": float}
    with path.open(encoding="utf-8", newline="") as file:
        return [
            Fitted(**{one.name: kinds[str(one.type)](line[one.name]) for one in fields(Fitted)})
            for line in csv.DictReader(file)
        ]


def summary(rows: list[Fitted], dataset: str) -> str:
    """Means over the pictures of every net and coding, and COIN's own on Kodak."""
    there = (one["points"] for one in published.curves_on(dataset) if one["label"].startswith("COIN"))
    points: list[list[float]] = next(there, [])
    # The first point belongs to none of the nets that the paper names.
    known = dict(zip(NETS, points[1:], strict=False))
    lines = [f"{'net':8}{'fit':11}{'steps':>7}  {'coding':9}{'pictures':>8}{'bpp':>9}{'dB':>8}{'published':>18}"]
    groups = dict.fromkeys((row.net, row.fit, row.steps, row.coding) for row in rows)
    for net, fit, steps, coding in groups:
        of = [row for row in rows if (row.net, row.fit, row.steps, row.coding) == (net, fit, steps, coding)]
        beside = "{1:.2f} dB @{0:.4f}".format(*known[net]) if net in known and coding == "half" else ""
        bpp, psnr = fmean(row.bpp for row in of), fmean(row.psnr for row in of)
        lines.append(f"{net:8}{fit:11}{steps:>7}  {coding:9}{len(of):>8}{bpp:9.4f}{psnr:8.2f}{beside:>18}")
    if known:
        lines.append("published: 16 bits a weight without a header, means over the 24 pictures of Kodak")
    return "\n".join(lines)


def _line(row: Fitted) -> str:
    return (
        f"{row.image} {row.net} {row.coding}: {row.bytes} bytes, {row.bpp:.4f} bpp, {row.psnr:.2f} dB "
        f"(network {row.psnr_float:.2f}); {row.steps_taken} steps, {row.fit_cpu_s:.0f} s of processor time"
    )


def _write(path: Path, rows: list[Fitted]) -> None:
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow([one.name for one in fields(Fitted)])
        writer.writerows(astuple(row) for row in rows)
