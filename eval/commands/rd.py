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
from eval.harness.measure import Row, Task, failed, measure
from eval.harness.store import around, missing, open_rows, read_json, write_json
from eval.sweep import Sweep


@click.command()
@data_options()
@out_option
@click.option("--jobs", type=click.IntRange(1), default=1, help="Number of processes.")
@click.option("--threads", type=click.IntRange(1), default=1, help="Number of threads of each process.")
@click.option("--psnr-only", is_flag=True, help="Skip all metrics but PSNR; they take most of the time.")
@click.option(
    "--within",
    type=(click.FloatRange(0), click.FloatRange(0)),
    metavar="LOW HIGH",
    help="Compute all metrics between these bits per pixel and at the next value on either side, elsewhere only "
    "PSNR: '0.1 1' is what Bjontegaard rates need.",
)
@click.option("--every", type=click.IntRange(1), default=1, help="Measure every N-th value of each sweep.")
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
    within: tuple[float, float] | None,
    every: int,
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
            write_json(out / "run.json", _run(dataset, chosen, left_out, jobs, threads, _earlier(out, dataset)))
            tasks = _tasks(dataset, chosen, every, structural=not (psnr_only or within))
            tasks = tasks if again else missing(journal, tasks)
            failures = _measure(journal, tasks, jobs, threads)
            if within and not psnr_only:
                inside = missing(journal, around(journal, _tasks(dataset, chosen, every), within))
                failures += _measure(journal, inside, jobs, threads)
                tasks += inside
            write_json(out / "summary.json", _summary(journal.rows))
    click.echo(
        f"{len(tasks)} measured, {failures} of them failed, {len(journal.rows)} rows in {out / 'rows.csv'}"
    )


def _tasks(
    dataset: Dataset, chosen: list[tuple[str, Sweep]], every: int, *, structural: bool = True
) -> list[Task]:
    """Return the measurements to make, picture by picture, so that an interrupted run has complete pictures."""
    return [
        Task(spec, sweep.label, value, picture, structural)
        for picture in dataset.pictures
        for spec, sweep in chosen
        for value in sweep.values[::every]
    ]


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


def _earlier(out: Path, dataset: Dataset) -> dict[str, Any]:
    """Return what earlier runs into the same folder recorded about the same data set; {} without any."""
    earlier = read_json(out / "run.json", missing_ok=True)
    return earlier if earlier.get("data") == dataset.name else {}


def _run(
    dataset: Dataset,
    chosen: list[tuple[str, Sweep]],
    left_out: dict[str, str],
    jobs: int,
    threads: int,
    earlier: dict[str, Any],
) -> dict[str, Any]:
    """Return what the rows depend on, with the pictures and sweeps of earlier runs into the same folder."""
    measured = [
        {"name": each.name, "sha256": each.sha, "width": each.width, "height": each.height, "crop": each.crop}
        for each in dataset.pictures
    ]
    return {
        "data": dataset.name,
        "pictures": [*{each["name"]: each for each in [*earlier.get("pictures", []), *measured]}.values()],
        "notices": list(dataset.notices),
        "series": earlier.get("series", {})
        | {
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
