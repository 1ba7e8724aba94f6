"""`python -m eval timing`: time and memory of coding, as in Figure 6 of the Neural Collage paper."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import asdict, fields
from pathlib import Path
from statistics import fmean

import click

from eval.commands.options import (
    chosen_sweeps,
    data_options,
    one_line_errors,
    out_option,
    pictures,
    threads_option,
)
from eval.harness import facts
from eval.harness.measure import Task
from eval.harness.store import write_json, write_table
from eval.harness.timing import Timing, TimingTask, run
from eval.report.figures import timing_figure
from eval.sweep import ParameterValue


@click.command()
@data_options("dota-val")
@out_option
@click.option(
    "--repeats", type=click.IntRange(1), default=5, help="Number of runs, of which the median is taken."
)
@threads_option
@click.option("--points", type=click.IntRange(1), default=3, help="Number of parameter values of each sweep.")
@click.option("--no-memory", is_flag=True, help="Skip the peak memory.")
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
    """Measure time and memory, one codec after another.

    The machine should be idle otherwise. Writes timing.csv, timing.json and figures.
    """
    with one_line_errors():
        chosen, left_out = chosen_sweeps(specs)
        dataset = pictures(data, data_root, limit)
        tasks = [
            TimingTask(Task(spec, sweep.label, value, picture), repeats, threads, not no_memory)
            for spec, sweep in chosen
            for value in spread(sweep.values, points)
            for picture in dataset.pictures
        ]
        out.mkdir(parents=True, exist_ok=True)
        with click.progressbar(tasks, label="timing", show_pos=True) as bar:
            timings = [run(task) for task in bar]
        write_table(out / "timing.csv", [column.name for column in fields(Timing)], map(asdict, timings))
        rows = means(timings)
        conditions = {"data": dataset.name, "repeats": repeats, "threads": threads, **facts.environment()}
        write_json(out / "timing.json", {**conditions, "left_out": left_out, "means": rows})
        processor = conditions["machine"]["processor"]
        timing_figure(rows, out, f"{threads} thread{'s' * (threads > 1)}, {processor}")
    click.echo(_table(rows))
    for timed in timings:
        if timed.error:
            click.echo(f"failed: {timed.label} at {timed.value:g} on {timed.image}: {timed.error}", err=True)


def spread(values: Sequence[ParameterValue], points: int) -> list[ParameterValue]:
    """Return `points` of `values`, evenly spaced and away from the ends.

    >>> spread((0, 1, 2, 3, 4, 5, 6, 7), 3)
    [1, 4, 6]
    """
    if points >= len(values):
        return list(values)
    return [values[int((number + 0.5) * len(values) / points)] for number in range(points)]


def means(timings: list[Timing]) -> list[dict[str, float | str]]:
    """Return the means over the pictures, one row for each sweep and value that succeeded."""
    groups: dict[tuple[str, float], list[Timing]] = defaultdict(list)
    for timed in timings:
        if not timed.error:
            groups[timed.label, timed.value].append(timed)
    texts = ("image", "label", "value", "error")
    numbers = [column.name for column in fields(Timing) if column.name not in texts]
    return [
        {
            "label": label,
            "value": value,
            "images": len(group),
            **{name: fmean(getattr(timed, name) for timed in group) for name in numbers},
        }
        for (label, value), group in groups.items()
    ]


def _table(rows: list[dict[str, float | str]]) -> str:
    heads = ("bpp", "load_s", "encode_s", "decode_s", "encode_mib", "decode_mib")
    lines = [f"{'sweep':24}{'setting':>9}" + "".join(f"{head:>12}" for head in heads)]
    for row in rows:
        lines.append(
            f"{row['label']:24}{row['value']:>9}" + "".join(f"{float(row[head]):12.3f}" for head in heads)
        )
    return "\n".join(lines)
