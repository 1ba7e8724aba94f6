"""Figure 5 of Tu et al. 2023, re-run: lines of JSON, a line a snapshot, and what is drawn of them."""

from __future__ import annotations

import json
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
from eval.studies.learned_ifs import gan, idx, rows
from eval.studies.learned_ifs.gan import GanConfig


def measure(out: Path, name: str, config: GanConfig, root: Path | None) -> None:
    """Run the experiment on a set and write its lines, unless all of them are there. Raises `DataError`."""
    if len(lines_of(out, name, config)) == config.steps // config.every + 1:
        return
    seen, unseen = gan.pictures(name, config, root)
    path, settings = _path(out, name), rows.settings_of(asdict(config))
    path.unlink(missing_ok=True)
    bar, spent = Progress(config.steps), time.process_time()
    for step, numbers in gan.snapshots(
        seen[0], config, lambda step, loss: bar.update(step, f"{name} {loss:.2f}")
    ):
        learning = time.process_time() - spent
        on_fractals, on_set = gan.accuracy(numbers, seen, unseen, config)
        line = {
            "step": step,
            "accuracy": round(on_set, 4),
            "accuracy_on_ifs": round(on_fractals, 4),
            "learning_cpu_s": round(learning, 1),
            "measuring_cpu_s": round(time.process_time() - spent - learning, 1),
            "settings": settings,
        }
        with path.open("a", encoding="utf-8") as file:
            file.write(json.dumps(line) + "\n")
        _sheet(numbers, config).save(out / f"learned-{name}.png", optimize=True)
        spent = time.process_time()
    bar.clear()


def _sheet(numbers: Tensor, config: GanConfig, across: int = 10) -> Image.Image:
    """Return a picture of every IFS, `across` in a row."""
    renderer, generator = Renderer(idx.SIDE, idx.SIDE, 1.0), torch.Generator().manual_seed(0)
    made = gan.rendered(numbers, renderer, config.points, generator)[:, 0].numpy()
    framed = np.pad(made, ((0, -len(made) % across), (1, 1), (1, 1)), constant_values=1)
    lines = framed.reshape(-1, across, *framed.shape[1:]).swapaxes(1, 2)
    sheet = lines.reshape(-1, across * framed.shape[2])
    return Image.fromarray((sheet * 255).round().astype(np.uint8))


def lines_of(out: Path, name: str, config: GanConfig) -> list[Mapping[str, Any]]:
    """Return the lines of a set in `out` for these settings."""
    path, settings = _path(out, name), rows.settings_of(asdict(config))
    if not path.exists():
        return []
    lines = [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]
    return [line for line in lines if line["settings"] == settings]


def _path(out: Path, name: str) -> Path:
    return out / f"gan-{name}.jsonl"


def table(found: Mapping[str, list[Mapping[str, Any]]]) -> str:
    """Return the accuracies, a row a set."""
    steps = [line["step"] for line in next(iter(found.values()))]
    text = [f"{'steps':10}" + "".join(f"{step:>9}" for step in steps)]
    text += [
        f"{name:10}" + "".join(f"{100 * line['accuracy']:8.1f}%" for line in lines)
        for name, lines in found.items()
    ]
    return "\n".join(text)
