"""`python -m eval rd`: rate and distortion of codecs on a data set."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import click

from collagecodec.cli import workers
from eval.commands.options import chosen_sweeps, data_options, one_line_errors, out_option, pictures
from eval.harness import aggregate, facts
from eval.harness.datasets import Dataset
from eval.harness.journal import Journal
from eval.harness.measure import Row, Task, blank, failed, measure
from eval.harness.store import is_measured, open_rows, write_json
from eval.sweep import Sweep


@click.command()
@data_options()
@out_option
@click.option("--jobs", type=click.IntRange(1), default=1, help="Number of processes.")
@click.option("--threads", type=click.IntRange(1), default=1, help="Number of threads of each process.")
@click.option("--psnr-only", is_flag=True, help="Skip SSIM and MS-SSIM, which take most of the time.")
@click.option("--again", is_flag=True, help="Repeat finished measurements.")
def rd(
    data: str,
    data_root: Path | None,
    limit: int,
    specs: str,
    out: Path,
    jobs: int,
    threads: int,
    psnr_only: bool,
    again: bool,
) -> None:
    """Measure rate and distortion.

    Writes rows.csv with a row per measurement, run.json with everything that they depend on, and summary.json
    with mean curves and Bjontegaard tables. Measurements that rows.csv already contains are not repeated, so
    that an interrupted command resumes where it stopped.
    """
    with one_line_errors():
        chosen, left_out = chosen_sweeps(specs)
        dataset = pictures(data, data_root, limit)
        with open_rows(out / "rows.csv") as journal:
            write_json(out / "run.json", _run(dataset, chosen, left_out, jobs, threads))
            tasks = _tasks(journal, dataset, chosen, structural=not psnr_only, again=again)
            failures = _measure(journal, tasks, jobs, threads)
            write_json(out / "summary.json", _summary(journal.rows))
    click.echo(
        f"{len(tasks)} measured, {failures} of them failed, {len(journal.rows)} rows in {out / 'rows.csv'}"
    )


def _tasks(
    journal: Journal[Row], dataset: Dataset, chosen: list[tuple[str, Sweep]], *, structural: bool, again: bool
) -> list[Task]:
    """Return the measurements to make, picture by picture, so that an interrupted run has complete pictures."""
    tasks = [
        Task(spec, sweep.label, value, picture, structural)
        for picture in dataset.pictures
        for spec, sweep in chosen
        for value in sweep.values
    ]
    return tasks if again else [task for task in tasks if not is_measured(journal, blank(task))]


def _measure(journal: Journal[Row], tasks: list[Task], jobs: int, threads: int) -> int:
    failures = 0
    with click.progressbar(length=len(tasks), label="measuring", show_pos=True) as bar:
        for row in workers.run(measure, tasks, jobs, failed, threads):
            journal.add(row)
            bar.update(1)
            if not row.ok:
                failures += 1
                click.echo(f"\nfailed: {row.label} at {row.value:g} on {row.image}: {row.error}", err=True)
    return failures


def _summary(rows: list[Row]) -> dict[str, Any]:
    pairs = 2 * math.comb(len({row.label for row in rows if row.ok}), 2)
    with click.progressbar(length=pairs, label="comparing") as bar:
        return aggregate.summary(rows, tick=lambda: bar.update(1))


def _run(
    dataset: Dataset, chosen: list[tuple[str, Sweep]], left_out: dict[str, str], jobs: int, threads: int
) -> dict[str, Any]:
    return {
        "data": dataset.name,
        "pictures": [
            {
                "name": picture.name,
                "sha256": picture.sha,
                "width": picture.width,
                "height": picture.height,
                "crop": picture.crop,
            }
            for picture in dataset.pictures
        ],
        "notices": list(dataset.notices),
        "series": {
            sweep.label: {
                "settings": {**sweep.codec(sweep.values[0]).config, sweep.parameter: list(sweep.values)},
                "backend": facts.backend_of(sweep.codec(sweep.values[0])),
            }
            for _, sweep in chosen
        },
        "left_out": left_out,
        "seed": "none is used: every codec here is deterministic",
        "jobs": jobs,
        "threads": threads,
        **facts.environment(),
    }
