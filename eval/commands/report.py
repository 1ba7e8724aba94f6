"""`python -m eval report`: the page and the figures of what was measured."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import click
import numpy as np

from eval.commands.options import out_option, split, told
from eval.harness import aggregate, catalogue, published
from eval.harness.datasets import Picture, open_set
from eval.harness.store import read_json, read_rows
from eval.harness.sweep import Sweep
from eval.report import crops
from eval.report.figures import rd_figures
from eval.report.page import build


@click.command()
@out_option
@click.option("--data", help="For the crops: the pictures, if not the set named in the results.")
@click.option("--data-root", type=click.Path(path_type=Path), help="For the crops: where the named sets lie.")
@click.option("--crops", "count", type=click.IntRange(0), default=3, help="Pictures side by side; 0 for none.")
@click.option("--crop-size", type=click.IntRange(16, 1024), default=288, help="Side of a crop in pixels.")
@click.option("--crop-codecs", help="Sweep shown in crops.  [default: the first measured one of each codec]")
@click.option("--rates", default="0.15,0.4", help="Bits a pixel at which crops are compared.")
@click.option(
    "--timing",
    "timing_folder",
    type=click.Path(path_type=Path),
    help="The folder of `eval timing`, if another.",
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
    """Write report.html and the figures from the results in a folder.

    The page is one file that opens from disk without a network. For the crops, pictures are coded anew, each
    codec's knob turned until the file has the asked rate.
    """
    with told():
        rows, run = read_rows(out), read_json(out / "run.json")
        found = aggregate.curves(rows)
        means = {label: aggregate.mean_curve(pictures) for label, pictures in found.items()}
        others = published.curves_on(run["data"])
        rd_figures(means, out, f"{run['data']}, mean of {len(run['pictures'])} pictures", others)
        scenes: list[dict[str, Any]] = []
        if count:
            pictures = _spread(open_set(data or run["data"], data_root).pictures, count)
            chosen = _shown(crop_codecs, run)
            scenes = crops.make(pictures, chosen, found, crop_size, [float(rate) for rate in rates.split(",")])
        timing = read_json((timing_folder or out) / "timing.json", missing_ok=True)
        page = build(rows, run, read_json(out / "summary.json"), timing, others, scenes)
        path = out / "report.html"
        path.write_text(page, encoding="utf-8")
    click.echo(f"{path}: {path.stat().st_size / 2**20:.1f} MiB, figures beside it")


def _spread(pictures: Sequence[Picture], count: int) -> list[Picture]:
    places = np.linspace(0, len(pictures) - 1, min(count, len(pictures))).round().astype(int)
    return [pictures[place] for place in places]


def _shown(specs: str | None, run: dict[str, Any]) -> list[Sweep]:
    """Return the sweep for the crops; unless they are named, the first measured one of every codec."""
    if specs:
        return [sweep for spec in split(specs) for sweep in catalogue.resolve(spec)]
    firsts: dict[str, str] = {}
    for label, about in run["series"].items():
        firsts.setdefault(about["settings"]["name"], label)
    known = catalogue.known()
    return [known[label] for label in firsts.values() if label in known and not catalogue.problem(known[label])]
