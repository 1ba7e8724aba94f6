"""`python -m eval ladder`: where a model stands against other codecs and its targets."""

from __future__ import annotations

import json
import math
import os
from collections.abc import Sequence
from dataclasses import asdict, replace
from pathlib import Path

import click

from collagecodec.cli import workers
from collagecodec.cli.progress import Progress
from collagecodec.codecs import registry
from collagecodec.codecs.models import SEARCH_VARIABLE
from eval.commands.options import limit_option, one_line_errors, pictures, root_option
from eval.harness import aggregate, catalogue
from eval.harness.bd import WINDOW
from eval.harness.datasets import Dataset
from eval.harness.journal import Journal
from eval.harness.ladder import standings
from eval.harness.measure import Row, Task, failed, measure
from eval.harness.store import missing, open_rows, read_rows, spanning, write_json
from eval.report.standing import lines

RESULTS = Path(__file__).resolve().parents[1] / "results"
SHIPPED = "collage"
_EVERY = 2
"""Every second quality of the sweep of the shipped model: steps of 1.8 in rate."""


@click.command()
@click.option("--model", required=True, help="The folder of an exported model, or the name of an installed one.")
@click.option("--data", "names", multiple=True, default=("dota-val",), help="A data set with rows; repeatable.")
@root_option("the named sets")
@limit_option
@click.option("--effort", type=click.IntRange(0, 9), default=1, help="Effort of the encoder.")
@click.option("--psnr-only", is_flag=True, help="Skip all metrics but PSNR: a third of the time.")
@click.option("--jobs", type=click.IntRange(1), default=1, help="Number of processes.")
@click.option(
    "--out",
    type=click.Path(file_okay=False, path_type=Path),
    default=Path("build/ladder"),
    help="Folder for the rows of models, a folder for each fingerprint.",
)
@click.option(
    "--rivals",
    type=click.Path(exists=True, file_okay=False, path_type=Path),
    default=RESULTS,
    show_default="eval/results",
    help="Folder with the rows of the other codecs, a folder for each data set.",
)
def ladder(
    model: str,
    names: tuple[str, ...],
    data_root: Path | None,
    limit: int,
    effort: int,
    psnr_only: bool,
    jobs: int,
    out: Path,
    rivals: Path,
) -> None:
    """Encode with a model at a handful of rates and print where it stands.

    Rows of the other codecs, and of the shipped model, are those of earlier runs (`python -m eval rd`). Rows of
    the model are kept, so that an interrupted command resumes, and a repeated one only prints. Standings are
    also written as JSON.
    """
    with one_line_errors():
        name = _installed(model)
        fingerprint = registry.get("collage", model=name).fingerprint[:16]
        folder = out / f"{fingerprint}-effort{effort}"
        for data in names:
            dataset = pictures(data, data_root, limit)
            known = [row for row in read_rows(rivals / dataset.name) if row.ok]
            tasks = _tasks(name, effort, dataset, known, structural=not psnr_only)
            with open_rows(folder / f"{dataset.name}.csv") as journal:
                _measure(journal, tasks, jobs)
                ours = journal.rows
            test = f"{name}, effort {effort}"
            shas = {(picture.name, picture.sha) for picture in dataset.pictures}
            rows = [row for row in known if (row.image, row.sha) in shas]
            rows += [replace(row, label=test) for row in ours if row.ok and (row.image, row.sha) in shas]
            curves = aggregate.curves(rows)
            if test not in curves:
                raise ValueError(f"nothing could be measured: {ours[0].error if ours else 'no pictures'}")
            standing = standings(curves, test, dataset.name, effort)
            click.echo(f"\n{dataset.name}, {len(dataset.pictures)} pictures, model {fingerprint}\n")
            click.echo("\n".join(lines(curves, test, standing)))
            content = {"model": fingerprint, "effort": effort, "standings": [asdict(each) for each in standing]}
            write_json(folder / f"{dataset.name}.json", content)


def _installed(model: str) -> str:
    """Return the name of a model. A folder is put first on the path on which models are looked for."""
    folder = Path(model)
    if not folder.is_dir():
        return model
    if not any(folder.glob("encoder-*.safetensors")):
        raise ValueError(f"{folder} holds no exported model (encoder-*.safetensors): `collage export` writes one")
    earlier = os.environ.get(SEARCH_VARIABLE)
    places = [str(folder.resolve().parent), *([earlier] if earlier else [])]
    os.environ[SEARCH_VARIABLE] = os.pathsep.join(places)
    return folder.resolve().name


def _tasks(name: str, effort: int, dataset: Dataset, known: Sequence[Row], *, structural: bool) -> list[Task]:
    """Return the measurements: for each picture, the qualities at which the shipped model spans the window."""
    spec = f"{SHIPPED}@model={json.dumps(name)},effort={effort}"
    (sweep,) = catalogue.resolve(spec)
    rates = {(row.image, row.value): row.bpp for row in known if row.label == SHIPPED}
    tasks = []
    for picture in dataset.pictures:
        values = sweep.values[::_EVERY]
        points = [(rates.get((picture.name, value), math.nan), value) for value in values]
        if all(math.isfinite(rate) for rate, _ in points):
            values = tuple(value for _, value in spanning(points, WINDOW))
        tasks += [Task(spec, sweep.label, value, picture, structural) for value in values]
    return tasks


def _measure(journal: Journal[Row], tasks: list[Task], jobs: int) -> None:
    todo = missing(journal, tasks)
    bar = Progress(len(todo), unit=" rows")
    for count, row in enumerate(workers.run(measure, todo, jobs, failed), 1):
        journal.add(row)
        bar.update(count, row.image)
        if not row.ok:
            bar.clear()
            click.echo(f"failed: quality {row.value:g} on {row.image}: {row.error}", err=True)
    bar.clear()
