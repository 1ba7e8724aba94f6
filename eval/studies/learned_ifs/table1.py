"""Table 1 of Tu et al. 2023, repeated: targets, rows and files."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import click
import numpy as np
from numpy.typing import NDArray

from collagecodec.cli.progress import Progress
from collagecodec.fractals.learning import native
from eval.harness import facts, published
from eval.harness.datasets import DataError
from eval.studies.learned_ifs import encoder, rows
from eval.studies.learned_ifs.rows import ROWS
from eval.studies.learned_ifs.targets import targets

Lines = Sequence[Mapping[str, Any]]


def present(out: Path, sets: Sequence[str], count: int, root: Path | None) -> dict[str, NDArray[np.float32]]:
    """Return the targets of the available sets and report which others are missing."""
    available = {}
    for name in sets:
        try:
            available[name] = targets(name, count, root, out / "fractaldb-targets.png")
        except DataError as error:
            click.echo(f"skipped {name}: {error}", err=True)
    if not available:
        raise DataError("none of these sets is available; 'fractaldb' needs no files")
    return available


def measure(out: Path, name: str, label: str, pictures: NDArray[np.float32]) -> None:
    """Measure a row on the targets of a set that have no result in `out` yet."""
    config = ROWS[label].config
    path, settings = path_of(out, name, label), settings_of(label)
    steps = config.steps if config else 1
    done = len(rows.measured(path, settings)) * steps
    bar = Progress(len(pictures) * steps, done)
    text = f"{name} {label}"

    def on_step(number: int, many: int) -> None:
        bar.update(done + number * many, text)

    def on_finished(finished: int) -> None:
        nonlocal done
        done = finished * steps
        bar.update(done, text)

    if config:
        solve = rows.by_fitting(config, lambda step: on_step(step.number, len(step.targets)))
    else:
        solve = encoder.by_encoding(out / "encoder.safetensors", encoder.TRAINING)
    rows.measure(path, pictures, settings, solve, on_finished)
    bar.clear()


def path_of(out: Path, name: str, label: str) -> Path:
    """Return the path of the journal of a set and a row."""
    return out / f"{name}-{label}.jsonl"


def settings_of(label: str) -> str:
    """Return the hash of the settings of a row."""
    return rows.settings_of(asdict(ROWS[label].config or encoder.TRAINING))


def facts_of(count: int, threads: int) -> dict[str, object]:
    """Return everything that a run depends on: settings, engine, machine and versions."""
    return {
        "targets": count,
        "threads": threads,
        "engine": "torch" if native.available() else "native",
        "rows": {label: asdict(row.config or encoder.TRAINING) for label, row in ROWS.items()},
        **facts.environment(),
    }


def results(out: Path, sets: Sequence[str]) -> dict[tuple[str, str], list[rows.Result]]:
    """Return the results in `out` by (set, row)."""
    lines = {
        (name, label): list(rows.measured(path_of(out, name, label), settings_of(label)).values())
        for name in sets
        for label in ROWS
    }
    return {key: group for key, group in lines.items() if group}


def summaries(results: Mapping[tuple[str, str], Lines]) -> dict[str, dict[str, float]]:
    """Return the `summary` of every (set, row), keyed as 'set/row'."""
    return {"/".join(key): summary(lines) for key, lines in results.items()}


def summary(lines: Lines) -> dict[str, float]:
    """Return mean, standard deviation and quartiles of the least errors of the targets, and further means.

    Fits without a finite error, because they diverged, are excluded from the statistics and counted.
    """
    finite = [line for line in lines if line["mse"] is not None and line["mse_mean"] is not None]
    errors = np.array([line["mse"] for line in finite] or [np.nan], np.float64)
    low, middle, high = np.percentile(errors, (25, 50, 75))
    return {
        "targets": len(lines),
        "mse": float(errors.mean()),
        "std": float(errors.std(ddof=1)) if len(errors) > 1 else 0.0,
        "quartile_1": float(low),
        "median": float(middle),
        "quartile_3": float(high),
        "mean_of_renderings": float(np.mean([line["mse_mean"] for line in finite] or [np.nan])),
        "diverged": sum(bool(line.get("diverged_at")) or line["mse"] is None for line in lines),
        "cpu_s": float(sum(line["cpu_s"] for line in lines)),
        "wall_s": float(sum(line["wall_s"] for line in lines)),
    }


def markdown(results: Mapping[tuple[str, str], Lines], sets: Sequence[str]) -> str:
    """Return the table in Markdown of `results` by (set, row)."""
    theirs = published.ifs_table()
    heads = "".join(f" {name}, published | here: mean ± std (quartiles) |" for name in sets)
    text = [f"| row |{heads}", "|---|" + "---|" * (2 * len(sets))]
    for label, row in ROWS.items():
        cells = [
            f" {theirs.get(label, {}).get(name, '')} | {_cell(results.get((name, label), ()))} |" for name in sets
        ]
        text.append(f"| {label}: {row.about} |{''.join(cells)}")
    lines = [line for group in results.values() for line in group]
    minutes = [sum(line[name] for line in lines) / 60 for name in ("cpu_s", "wall_s")]
    text += [
        "",
        f"All fits together: {minutes[0]:.1f} minutes of CPU time, {minutes[1]:.1f} minutes of wall-clock time.",
    ]
    return "\n".join(text) + "\n"


def _cell(lines: Lines) -> str:
    if not lines:
        return ""
    of = summary(lines)
    quartiles = ", ".join(f"{of[name]:.3f}" for name in ("quartile_1", "median", "quartile_3"))
    diverged = f", {of['diverged']} of {of['targets']} diverged" if of["diverged"] else ""
    return f"{of['mse']:.4f} ± {of['std']:.4f} ({quartiles}){diverged}"
