"""`python -m eval report`: a page and figures of the results."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from statistics import fmean
from typing import Any

import click
import numpy as np

from eval.commands.options import one_line_errors, out_option, split
from eval.harness import aggregate, catalogue, equal_rate, published
from eval.harness.aggregate import Curves
from eval.harness.datasets import Picture, open_set
from eval.harness.store import read_json, read_rows
from eval.report import crops
from eval.report.figures import rd_figures
from eval.report.page import build
from eval.sweep import Sweep


@click.command()
@out_option
@click.option("--data", help="Pictures for the crops, if not the data set of the results.")
@click.option("--data-root", type=click.Path(path_type=Path), help="Location of the named sets, for the crops.")
@click.option(
    "--crops", "count", type=click.IntRange(0), default=3, help="Number of pictures shown as crops; 0 for none."
)
@click.option("--crop-size", type=click.IntRange(16, 1024), default=288, help="Side of a crop in pixels.")
@click.option("--crop-codecs", help="Sweeps shown in crops.  [default: the first measured sweep of each codec]")
@click.option("--rates", default="0.15,0.4", help="Bits per pixel at which crops are compared.")
@click.option(
    "--timing",
    "timing_folder",
    type=click.Path(path_type=Path),
    help="Folder of `eval timing`, if it is another one.",
)
def report(
    out: Path,
    data: str | None,
    data_root: Path | None,
    count: int,
    crop_size: int,
    crop_codecs: str | None,
    rates: str,
    timing_folder: Path | None,
) -> None:
    """Write report.html and figures from the results in a folder.

    The page is a single file that needs no network. For the crops, pictures are encoded again at the requested
    rates, which each codec reaches by a search over its parameter.
    """
    with one_line_errors():
        rows, run = read_rows(out), read_json(out / "run.json")
        curves = aggregate.curves(rows)
        means = {label: aggregate.mean_curve(pictures) for label, pictures in curves.items()}
        others = published.curves_on(run["data"])
        at_equal_rate = equal_rate.mean_curves(curves)
        title = f"{run['data']}, mean of {len(run['pictures'])} pictures"
        rd_figures(means, out, title, others, at_equal_rate)
        scenes: list[dict[str, Any]] = []
        if count:
            chosen, at = _shown(crop_codecs, run), [float(rate) for rate in rates.split(",")]
            pictures = _worst(open_set(data or run["data"], data_root).pictures, count, curves, chosen, at)
            scenes = crops.make(pictures, chosen, curves, crop_size, at)
        timing = read_json((timing_folder or out) / "timing.json", missing_ok=True)
        page = build(rows, run, read_json(out / "summary.json"), timing, others, scenes, at_equal_rate)
        path = out / "report.html"
        path.write_text(page, encoding="utf-8")
    click.echo(f"{path}: {path.stat().st_size / 2**20:.1f} MiB, figures beside it")


def _worst(
    pictures: Sequence[Picture], count: int, curves: Curves, chosen: Sequence[Sweep], rates: Sequence[float]
) -> list[Picture]:
    """Return the pictures on which the first codec has the lowest SSIMULACRA2 at the rates, the worst first.

    Without its scores at these rates the pictures are spread over the set.
    """
    label = chosen[0].label if chosen else ""
    scores: dict[str, list[float]] = {}
    for rate in rates if label in curves else ():
        for image, score in equal_rate.by_picture(curves, label, "ssimulacra2", rate).items():
            scores.setdefault(image, []).append(score)
    scored = [picture for picture in pictures if picture.name in scores]
    if len(scored) < min(count, len(pictures)):
        return _spread(pictures, count)
    return sorted(scored, key=lambda picture: fmean(scores[picture.name]))[:count]


def _spread(pictures: Sequence[Picture], count: int) -> list[Picture]:
    places = np.linspace(0, len(pictures) - 1, min(count, len(pictures))).round().astype(int)
    return [pictures[place] for place in places]


def _shown(specs: str | None, run: dict[str, Any]) -> list[Sweep]:
    """Return the sweeps for the crops: those in `specs`, or else the first measured sweep of every codec."""
    if specs:
        return [sweep for spec in split(specs) for sweep in catalogue.resolve(spec)]
    firsts: dict[str, str] = {}
    for label, about in run["series"].items():
        firsts.setdefault(about["settings"]["name"], label)
    known = catalogue.known()
    return [known[label] for label in firsts.values() if label in known and not catalogue.problem(known[label])]
