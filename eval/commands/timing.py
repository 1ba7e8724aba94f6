"""`python -m eval timing`: what coding costs, as in Figure 6 of the Neural Collage paper."""

from __future__ import annotations

import csv
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import asdict, fields
from pathlib import Path
from statistics import fmean

import click

from eval.commands.options import chosen_sweeps, data_options, out_option, pictures, told
from eval.harness import facts
from eval.harness.measure import Task
from eval.harness.store import write_json
from eval.harness.sweep import ParameterValue
from eval.harness.timing import Timing, TimingTask, run
from eval.report.figures import timing_figure


@click.command()
@data_options("dota-val")
@out_option
@click.option("--repeats", type=click.IntRange(1), default=5, help="Runs of which the median is taken.")
@click.option("--threads", type=click.IntRange(1), default=1, help="Cores that each codec may use.")
@click.option("--points", type=click.IntRange(1), default=3, help="Settings of each sweep, spread over its own.")
@click.option("--no-memory", is_flag=True, help="Leave the peak memory out.")
def timing(
    data: str,
    data_root: Path | None,
    limit: int,
    specs: str,
    out: Path,
    repeats: int,
    threads: int,
    points: int,
    no_memory: bool,
) -> None:
    """Measure seconds and memory, one codec at a time.

    Leave the machine alone meanwhile. In the folder of the results: timing.csv, timing.json and figures.
    """
    with told():
        chosen, left_out = chosen_sweeps(specs)
        found = pictures(data, data_root, limit)
        tasks = [
            TimingTask(Task(spec, sweep.label, value, picture), repeats, threads, not no_memory)
            for spec, sweep in chosen
            for value in spread(sweep.values, points)
            for picture in found.pictures
        ]
        out.mkdir(parents=True, exist_ok=True)
        with click.progressbar(tasks, label="timing", show_pos=True) as bar:
            timings = [run(task) for task in bar]
        _write_csv(out / "timing.csv", timings)
        machine = facts.machine()
        conditions = {"repeats": repeats, "threads": threads, "machine": machine}
        rows = means(timings)
        write_json(
            out / "timing.json",
            {
                "data": found.name,
                **conditions,
                "versions": facts.versions(),
                "left_out": left_out,
                "means": rows,
            },
        )
        timing_figure(rows, out, f"{threads} thread{'s' * (threads > 1)}, {machine['processor']}")
    click.echo(_table(rows))
    for one in timings:
        if one.error:
            click.echo(f"failed: {one.label} at {one.value:g} on {one.image}: {one.error}", err=True)


def spread(values: Sequence[ParameterValue], points: int) -> list[ParameterValue]:
    """Return `points` of `values`, evenly spread and inside the ends.

    >>> spread((0, 1, 2, 3, 4, 5, 6, 7), 3)
    [1, 4, 6]
    """
    if points >= len(values):
        return list(values)
    return [values[int((number + 0.5) * len(values) / points)] for number in range(points)]


def means(timings: list[Timing]) -> list[dict[str, float | str]]:
    """Return the mean over the pictures of every number, a row for each sweep and setting that succeeded."""
    groups: dict[tuple[str, float], list[Timing]] = defaultdict(list)
    for one in timings:
        if not one.error:
            groups[one.label, one.value].append(one)
    numbers = [one.name for one in fields(Timing) if one.name not in ("image", "label", "value", "error")]
    return [
        {
            "label": label,
            "value": value,
            "images": len(group),
            **{name: fmean(getattr(one, name) for one in group) for name in numbers},
        }
        for (label, value), group in groups.items()
    ]


def _write_csv(path: Path, timings: list[Timing]) -> None:
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.DictWriter(file, [one.name for one in fields(Timing)], lineterminator="\n")
        writer.writeheader()
        writer.writerows(asdict(one) for one in timings)


def _table(rows: list[dict[str, float | str]]) -> str:
    heads = ("bpp", "load_s", "encode_s", "decode_s", "encode_mib", "decode_mib")
    lines = [f"{'sweep':24}{'setting':>9}" + "".join(f"{head:>12}" for head in heads)]
    for row in rows:
        lines.append(
            f"{row['label']:24}{row['value']:>9}" + "".join(f"{float(row[head]):12.3f}" for head in heads)
        )
    return "\n".join(lines)
