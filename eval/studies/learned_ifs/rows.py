"""The rows of Table 1 of Tu et al. 2023, measured target by target and kept as lines of JSON."""

from __future__ import annotations

import hashlib
import json
import os
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from collagecodec.fractals.ifs import IFS, Floats
from collagecodec.fractals.learning.config import FitConfig
from collagecodec.fractals.learning.evaluation import errors
from collagecodec.fractals.learning.fitting import Step, fit

FULL = FitConfig(restarts=0)
ENCODER = "B"
CHUNK = 25
"""Targets at a time: what is lost when a run is stopped."""


@dataclass(frozen=True)
class Row:
    """A row of the table: what it is, and the settings of its fits; None for the encoder, which fits nothing."""

    about: str
    config: FitConfig | None


ROWS = {
    "A": Row("plain S", replace(FULL, form="plain")),
    ENCODER: Row("inverse encoder", None),
    "C": Row("without clamp", replace(FULL, clamp=False)),
    "D": Row("without noisy SGD", replace(FULL, noise=0.0)),
    "E": Row("Fixed in place of Expectation", replace(FULL, objective="fixed")),
    "F": Row("full", FULL),
}

Found = dict[str, Any]
Solver = Callable[[NDArray[np.float32]], tuple[Floats, Floats, Found]]
"""Targets (M, 32, 32) -> A, b in picture coordinates, and lists of M further facts to keep."""


def measured(path: Path, settings: str) -> dict[int, Found]:
    """Return what stands in the file for these settings, by target; a line cut short is passed over."""
    found = {}
    for line in path.read_text(encoding="utf-8").splitlines() if path.exists() else ():
        try:
            one = json.loads(line)
        except json.JSONDecodeError:
            continue
        if one.get("settings") == settings:
            found[int(one["target"])] = one
    return found


def measure(
    path: Path, targets: NDArray[np.float32], settings: str, solve: Solver, progress: Callable[[int], None]
) -> None:
    """Append a line to `path` for every one of `targets` (M, 32, 32) that has none yet.

    A line: the target's number, the least and the mean of the errors of 100 renderings, whether the fit
    diverged, the largest singular value of the maps, seconds of processor and clock as shares of its chunk.
    `progress` is told how many targets are done.
    """
    done = measured(path, settings)
    if path.exists():  # cut off what an interruption may have left of a line, or the next would be glued to it
        data = path.read_bytes()
        if not data.endswith(b"\n"):
            os.truncate(path, data.rfind(b"\n") + 1)
    for numbers in _chunks([number for number in range(len(targets)) if number not in done]):
        clock, processor = time.perf_counter(), time.process_time()
        A, b, facts = solve(targets[numbers])
        spent = {
            "cpu_s": (time.process_time() - processor) / len(numbers),
            "wall_s": (time.perf_counter() - clock) / len(numbers),
        }
        found = errors(A, b, targets[numbers])
        with path.open("a", encoding="utf-8") as file:
            for place, number in enumerate(numbers):
                line = {
                    "target": number,
                    "mse": _rounded(found[place].min()),
                    "mse_mean": _rounded(found[place].mean()),
                    "contraction": _rounded(IFS(A[place], b[place]).contraction),
                    **{name: values[place] for name, values in facts.items()},
                    **{name: _rounded(value) for name, value in spent.items()},
                    "settings": settings,
                }
                file.write(json.dumps(line) + "\n")
        progress(len(targets) if numbers[-1] == len(targets) - 1 else numbers[-1] + 1)


def by_fitting(config: FitConfig, on_step: Callable[[Step], None]) -> Solver:
    """Return a solver that fits with `config`."""

    def solve(targets: NDArray[np.float32]) -> tuple[Floats, Floats, Found]:
        fitted = fit(targets, config, on_step=on_step)
        steps = {restart.target: restart.step for restart in fitted.restarts}
        facts = {
            "loss": [_rounded(loss) for loss in fitted.losses[:, -1]],
            "seed": fitted.seeds.tolist(),
            "diverged_at": [steps.get(number, 0) for number in range(len(targets))],
        }
        return fitted.A, fitted.b, facts

    return solve


def settings_of(settings: Mapping[str, Any]) -> str:
    """Return a short name for settings: other settings, another name. The engine does not count: same work."""
    kept = {name: value for name, value in settings.items() if name != "engine"}
    return hashlib.sha256(json.dumps(kept, sort_keys=True).encode()).hexdigest()[:8]


def _chunks(numbers: list[int]) -> Iterator[list[int]]:
    for first in range(0, len(numbers), CHUNK):
        yield numbers[first : first + CHUNK]


def _rounded(value: float) -> float | None:
    return float(f"{value:.6g}") if np.isfinite(value) else None
