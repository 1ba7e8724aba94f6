"""Table 1 of Tu et al. 2023, re-run: which targets, which rows, where they are kept."""

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
    """Return the targets of the sets that are there, saying what is missing of the others."""
    found = {}
    for name in sets:
        try:
            found[name] = targets(name, count, root, out / "fractaldb-targets.png")
        except DataError as error:
            click.echo(f"left out {name}: {error}", err=True)
    if not found:
        raise DataError("none of these sets is there; 'fractaldb' needs no files")
    return found


def measure(out: Path, name: str, label: str, pictures: NDArray[np.float32]) -> None:
    """Measure a row on the targets of a set, those that have no line in `out` yet."""
    config = ROWS[label].config
    path, settings = path_of(out, name, label), settings_of(label)
    steps = config.steps if config else 1
    bar = Progress(len(pictures) * steps, len(rows.measured(path, settings)) * steps)
    done = bar.first
    text = f"{name} {label}"

    def told_step(number: int, many: int) -> None:
        bar.update(done + number * many, text)

    def told_done(finished: int) -> None:
        nonlocal done
        done = finished * steps
        bar.update(done, text)

    if config:
        solve = rows.by_fitting(config, lambda step: told_step(step.number, len(step.targets)))
    else:
        solve = encoder.by_encoding(out / "encoder.safetensors", encoder.TRAINING)
    rows.measure(path, pictures, settings, solve, told_done)
    bar.clear()


def path_of(out: Path, name: str, label: str) -> Path:
    """Return where the lines of a set and a row are kept."""
    return out / f"{name}-{label}.jsonl"


def settings_of(label: str) -> str:
    """Return the name of the settings of a row."""
    return rows.settings_of(asdict(ROWS[label].config or encoder.TRAINING))


def facts_of(count: int, threads: int) -> dict[str, object]:
    """Return what a run depends on: settings, engine, machine, versions."""
    return {
        "targets": count,
        "threads": threads,
        "engine": "torch" if native.available() else "native",
        "rows": {label: asdict(row.config or encoder.TRAINING) for label, row in ROWS.items()},
        "machine": facts.machine(),
        "versions": facts.versions(),
    }


def found(out: Path, sets: Sequence[str]) -> dict[tuple[str, str], list[rows.Found]]:
    """Return the lines in `out` by (set, row), those that are there."""
    lines = {
        (name, label): list(rows.measured(path_of(out, name, label), settings_of(label)).values())
        for name in sets
        for label in ROWS
    }
    return {key: group for key, group in lines.items() if group}


def summaries(found: Mapping[tuple[str, str], Lines]) -> dict[str, dict[str, float]]:
    """Return `summary` of every (set, row), by 'set/row'."""
    return {"/".join(key): summary(lines) for key, lines in found.items()}


def summary(lines: Lines) -> dict[str, float]:
    """Return mean, standard deviation and quartiles over the targets of their least errors, and other means.

    Fits that diverged to where there is no error to take are left out of them and counted.
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


def markdown(found: Mapping[tuple[str, str], Lines], sets: Sequence[str]) -> str:
    """Return the table. `found`: the lines of (set, row)."""
    theirs = published.ifs_table()
    heads = "".join(f" {name}, published | here: mean ± std (quartiles) |" for name in sets)
    text = [f"| row |{heads}", "|---|" + "---|" * (2 * len(sets))]
    for label, row in ROWS.items():
        cells = [
            f" {theirs.get(label, {}).get(name, '')} | {_cell(found.get((name, label), ()))} |" for name in sets
        ]
        text.append(f"| {label}: {row.about} |{''.join(cells)}")
    lines = [line for group in found.values() for line in group]
    hours = [sum(line[name] for line in lines) / 60 for name in ("cpu_s", "wall_s")]
    text += ["", f"Fits: {hours[0]:.1f} minutes of processor, {hours[1]:.1f} minutes of clock in all."]
    return "\n".join(text) + "\n"


def _cell(lines: Lines) -> str:
    if not lines:
        return ""
    of = summary(lines)
    quartiles = ", ".join(f"{of[name]:.3f}" for name in ("quartile_1", "median", "quartile_3"))
    diverged = f", {of['diverged']} of {of['targets']} diverged" if of["diverged"] else ""
    return f"{of['mse']:.4f} ± {of['std']:.4f} ({quartiles}){diverged}"
