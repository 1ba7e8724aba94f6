"""`python -m eval curves`: a plot of a training log, for the model card."""

from __future__ import annotations

from itertools import groupby
from pathlib import Path
from typing import Any

import click
import numpy as np
from numpy.typing import NDArray

from eval.commands.options import one_line_errors
from eval.harness.journal import JsonLines, read
from eval.report.figures import save

Floats = NDArray[np.float64]
WINDOW = 25
"""Number of log entries in the running median. An entry is a single batch with random quantiser steps."""
FIGURES = {"loss": "loss", "bpp": "bits per pixel", "psnr": "PSNR (dB)", "gain": "gain over the kernel (dB)"}


@click.command()
@click.option(
    "--log",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    required=True,
    help="The log.jsonl of a training run.",
)
@click.option(
    "--out",
    type=click.Path(dir_okay=False, path_type=Path),
    required=True,
    help="The file to write, .svg or .png.",
)
def curves(log: Path, out: Path) -> None:
    """Plot loss, rate and PSNR of a training run over its updates, in a colour per stage.

    Dots are single batches, each with its own quantiser steps. Coloured lines are running medians, and the black
    line is the validation set.
    """
    from matplotlib.figure import Figure  # late, as it takes a second

    with one_line_errors():
        entries = read(log, JsonLines())
        if not entries:
            raise ValueError(f"{log} contains no entries")
    names = [name for name in FIGURES if any(name in entry for entry in entries)]
    figure = Figure(figsize=(9, 2.1 * len(names)), layout="constrained")
    panels = figure.subplots(len(names), 1, sharex=True, squeeze=False)[:, 0]
    start = 0
    for number, (stage, group) in enumerate(groupby(entries, key=lambda entry: entry["stage"])):
        logged = list(group)
        part = _latest([entry for entry in logged if "validation" not in entry])
        validated = _latest([entry for entry in logged if "validation" in entry])
        for panel, name in zip(panels, names, strict=True):
            if part:
                updates, values = _points(part, name)
                panel.plot(start + updates, values, ".", ms=2, alpha=0.3, color=f"C{number}")
                panel.plot(start + updates, _median(values), color=f"C{number}", label=stage)
            if validated:
                figures = [{"update": entry["update"], **entry["validation"]} for entry in validated]
                updates, values = _points(figures, name)
                panel.plot(start + updates, values, "k.-", lw=1, ms=4)
        start += max(entry["update"] for entry in logged)
    for panel, name in zip(panels, names, strict=True):
        panel.set_ylabel(FIGURES[name])
        panel.grid(alpha=0.3)
    panels[0].set_yscale("log")
    panels[0].legend(ncols=4, fontsize="small")
    panels[-1].set_xlabel("updates")
    save(figure, out, dpi=110)
    click.echo(out)


def _latest(entries: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Return the entries by update. Of duplicates, which an interrupted run may leave, the later counts."""
    return [entry for _, entry in sorted({entry["update"]: entry for entry in entries}.items())]


def _points(entries: list[dict[str, Any]], name: str) -> tuple[Floats, Floats]:
    """Return the updates and the values of a figure, nan where an entry lacks it."""
    updates = np.array([entry["update"] for entry in entries], float)
    return updates, np.array([entry.get(name, np.nan) for entry in entries], float)


def _median(values: Floats) -> Floats:
    padded = np.pad(values, WINDOW // 2, mode="reflect")
    windows = np.lib.stride_tricks.sliding_window_view(padded, WINDOW)
    return np.asarray(np.median(windows, axis=1))
