"""Figure 5 of Tu et al. 2023, repeated: the journal with a row per snapshot, and pictures of the IFS."""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from collagecodec.cli.progress import Progress
from collagecodec.fractals.learning.objective import Renderer
from eval.harness.journal import Journal, JsonLines, read
from eval.studies.learned_ifs import gan, idx, rows
from eval.studies.learned_ifs.gan import GanConfig


def measure(out: Path, name: str, config: GanConfig, root: Path | None) -> None:
    """Run the experiment on a data set unless its journal is complete. Raises `DataError`."""
    if len(lines_of(out, name, config)) == config.steps // config.every + 1:
        return
    seen, unseen = gan.pictures(name, config, root)
    path, settings = _path(out, name), rows.settings_of(asdict(config))
    path.unlink(missing_ok=True)
    bar, spent = Progress(config.steps), time.process_time()
    snapshots = gan.snapshots(seen[0], config, lambda step, loss: bar.update(step, f"{name} {loss:.2f}"))
    with Journal(path, JsonLines(), lambda row: row["step"]) as journal:
        for step, numbers in snapshots:
            learning = time.process_time() - spent
            on_fractals, on_set = gan.accuracy(numbers, seen, unseen, config)
            journal.add({
                "step": step,
                "accuracy": round(on_set, 4),
                "accuracy_on_ifs": round(on_fractals, 4),
                "learning_cpu_s": round(learning, 1),
                "measuring_cpu_s": round(time.process_time() - spent - learning, 1),
                "settings": settings,
            })  # fmt: skip
            _sheet(numbers, config).save(out / f"learned-{name}.png", optimize=True)
            spent = time.process_time()
    bar.clear()


def _sheet(numbers: Tensor, config: GanConfig, across: int = 10) -> Image.Image:
    """Draw every IFS, `across` of them in a row."""
    renderer, generator = Renderer(idx.SIDE, idx.SIDE, 1.0), torch.Generator().manual_seed(0)
    made = gan.rendered(numbers, renderer, config.points, generator)[:, 0].numpy()
    framed = np.pad(made, ((0, -len(made) % across), (1, 1), (1, 1)), constant_values=1)
    lines = framed.reshape(-1, across, *framed.shape[1:]).swapaxes(1, 2)
    sheet = lines.reshape(-1, across * framed.shape[2])
    return Image.fromarray((sheet * 255).round().astype(np.uint8))


def lines_of(out: Path, name: str, config: GanConfig) -> list[Mapping[str, Any]]:
    """Return the rows of a data set in `out` for these settings."""
    settings = rows.settings_of(asdict(config))
    return [row for row in read(_path(out, name), JsonLines()) if row["settings"] == settings]


def _path(out: Path, name: str) -> Path:
    return out / f"gan-{name}.jsonl"


def table(results: Mapping[str, list[Mapping[str, Any]]]) -> str:
    """Return the accuracies as text, a line per data set."""
    steps = [line["step"] for line in next(iter(results.values()))]
    text = [f"{'steps':10}" + "".join(f"{step:>9}" for step in steps)]
    text += [
        f"{name:10}" + "".join(f"{100 * line['accuracy']:8.1f}%" for line in lines)
        for name, lines in results.items()
    ]
    return "\n".join(text)
