"""`python -m eval ifs`: Table 1 of Tu et al. 2023, its numbers beside ours."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path

import click
import numpy as np
from numpy.typing import NDArray

from collagecodec.cli.progress import Progress
from collagecodec.fractals.learning import native
from eval import facts
from eval.commands.options import out_option, told
from eval.datasets import DataError
from eval.fractals import encoder, rows, table
from eval.fractals.targets import NAMES, targets
from eval.store import write_json


@click.command()
@out_option
@click.option("--sets", default=",".join(NAMES), help="Of these, commas between.")
@click.option("--rows", "labels", default="F,D,E,C,A,B", help="Of these, in this order, commas between.")
@click.option("--targets", "count", type=click.IntRange(1), default=100, help="Of each set.")
@click.option("--threads", type=click.IntRange(1), default=1, help="Cores to use.")
@click.option(
    "--data-root",
    type=click.Path(path_type=Path),
    help="Where the folder mnist lies.  [default: $COLLAGE_DATA or ../shared/data by the checkout]",
)
def ifs(out: Path, sets: str, labels: str, count: int, threads: int, data_root: Path | None) -> None:
    """Re-run Table 1 of Learning Fractals by Gradient Descent and print its numbers beside ours.

    Fits 100 targets of each set for each row (rows A to F, see eval/fractals/rows.py). A line a target goes to
    SET-ROW.jsonl; what is there already is not fitted again. MNIST, FMNIST and KMNIST are read from IDX files in
    the folder mnist under --data-root; 'fractaldb' needs no files.
    """
    import torch

    torch.set_num_threads(threads)
    with told():
        chosen = _known(sets, NAMES, "set"), _known(labels, tuple(rows.ROWS), "row")
        present = _targets(chosen[0], count, data_root)
        out.mkdir(parents=True, exist_ok=True)
        write_json(out / "run.json", _facts(count, threads))
        for label in chosen[1]:
            for name, pictures in present.items():
                _measure(out, name, label, pictures)
    found = {
        (name, label): list(rows.measured(_path(out, name, label), _settings(label)).values())
        for name in present
        for label in rows.ROWS
    }
    found = {key: lines for key, lines in found.items() if lines}
    write_json(out / "summary.json", {"/".join(key): table.summary(lines) for key, lines in found.items()})
    text = table.markdown(found, list(present))
    (out / "table.md").write_text(text, encoding="utf-8")
    click.echo(text)


def _known(text: str, known: tuple[str, ...], what: str) -> list[str]:
    parts = [part.strip() for part in text.split(",") if part.strip()]
    for part in parts:
        if part not in known:
            raise ValueError(f"there is no {what} {part!r}: {', '.join(known)}")
    return parts


def _targets(sets: list[str], count: int, root: Path | None) -> dict[str, NDArray[np.float32]]:
    """Return the targets of the sets that are there, saying what is missing of the others."""
    present = {}
    for name in sets:
        try:
            present[name] = targets(name, count, root)
        except DataError as error:
            click.echo(f"left out {name}: {error}", err=True)
    if not present:
        raise DataError("none of these sets is there; 'fractaldb' needs no files")
    return present


def _measure(out: Path, name: str, label: str, pictures: NDArray[np.float32]) -> None:
    config = rows.ROWS[label].config
    path, settings = _path(out, name, label), _settings(label)
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
        solve = encoder.by_encoding(out / "encoder.safetensors")
    rows.measure(path, pictures, settings, solve, told_done)
    bar.clear()


def _path(out: Path, name: str, label: str) -> Path:
    return out / f"{name}-{label}.jsonl"


def _settings(label: str) -> str:
    return rows.settings_of(asdict(rows.ROWS[label].config or encoder.TRAINING))


def _facts(count: int, threads: int) -> dict[str, object]:
    return {
        "targets": count,
        "threads": threads,
        "engine": "torch" if native.available() else "native",
        "rows": {label: asdict(row.config or encoder.TRAINING) for label, row in rows.ROWS.items()},
        "machine": facts.machine(),
        "versions": facts.versions(),
    }
