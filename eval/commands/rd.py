"""`python -m eval rd`: rate and distortion of codecs on a set of pictures."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import click

from collagecodec.cli import workers
from eval.commands.options import chosen_sweeps, data_options, out_option, pictures, told
from eval.harness import aggregate, facts
from eval.harness.datasets import Dataset
from eval.harness.measure import Row, Task, blank, failed, measure
from eval.harness.store import Journal, write_json
from eval.harness.sweep import Sweep


@click.command()
@data_options()
@out_option
@click.option("--jobs", type=click.IntRange(1), default=1, help="Processes at work.")
@click.option("--threads", type=click.IntRange(1), default=1, help="Threads of each process.")
@click.option("--psnr-only", is_flag=True, help="Leave SSIM and MS-SSIM out, which take most of the time.")
@click.option("--again", is_flag=True, help="Measure anew what has been measured already.")
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

    In the folder of the results: rows.csv, a row a measurement, which grows as they are made; run.json, what
    they depend on; summary.json, mean curves and Bjontegaard tables. What stands in rows.csv already is not
    measured again, so that an interrupted run goes on where it was.
    """
    with told():
        chosen, left_out = chosen_sweeps(specs)
        found = pictures(data, data_root, limit)
        with Journal(out / "rows.csv") as journal:
            write_json(out / "run.json", _run(found, chosen, left_out, jobs, threads))
            tasks = _tasks(journal, found, chosen, structural=not psnr_only, again=again)
            failures = _measure(journal, tasks, jobs, threads)
            write_json(out / "summary.json", _summary(journal.rows))
    click.echo(
        f"{len(tasks)} measured, {failures} of them failed, {len(journal.rows)} rows in {out / 'rows.csv'}"
    )


def _tasks(
    journal: Journal, found: Dataset, chosen: list[tuple[str, Sweep]], *, structural: bool, again: bool
) -> list[Task]:
    """Return what is still to be measured, picture by picture, so that a stopped run has whole pictures."""
    tasks = [
        Task(spec, sweep.label, value, picture, structural)
        for picture in found.pictures
        for spec, sweep in chosen
        for value in sweep.values
    ]
    return tasks if again else [task for task in tasks if not journal.has(blank(task))]


def _measure(journal: Journal, tasks: list[Task], jobs: int, threads: int) -> int:
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
    found: Dataset, chosen: list[tuple[str, Sweep]], left_out: dict[str, str], jobs: int, threads: int
) -> dict[str, Any]:
    return {
        "data": found.name,
        "pictures": [
            {"name": one.name, "sha256": one.sha, "width": one.width, "height": one.height, "crop": one.crop}
            for one in found.pictures
        ],
        "notices": list(found.notices),
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
        "machine": facts.machine(),
        "versions": facts.versions(),
    }
