"""The rows of Table 1 of Tu et al. 2023, measured target by target and kept in journals."""

from __future__ import annotations

import hashlib
import json
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
from eval.harness.journal import Journal, JsonLines, read

FULL = FitConfig(restarts=0)
ENCODER = "B"
CHUNK = 25
"""Number of targets fitted together. An interruption loses at most these."""


@dataclass(frozen=True)
class Row:
    """A row of the table: a description, and the settings of its fits, None for the encoder."""

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

Result = dict[str, Any]
Solver = Callable[[NDArray[np.float32]], tuple[Floats, Floats, Result]]
"""Maps targets (M, 32, 32) to A and b in picture coordinates, and to lists of M further values to record."""


def measured(path: Path, settings: str) -> dict[int, Result]:
    """Return the results in a journal for these settings, by target."""
    return {int(row["target"]): row for row in read(path, JsonLines()) if row["settings"] == settings}


def measure(
    path: Path, targets: NDArray[np.float32], settings: str, solve: Solver, progress: Callable[[int], None]
) -> None:
    """Add a row to the journal `path` for each of `targets` (M, 32, 32) that has none yet.

    A row contains the number of the target, the least and the mean error of 100 renderings, whether the fit
    diverged, the largest singular value of the maps, and the CPU and wall-clock seconds per target of its chunk.
    `progress` receives the number of finished targets.
    """
    with Journal(path, JsonLines(), lambda row: (row["settings"], row["target"])) as journal:
        for numbers in _chunks([number for number in range(len(targets)) if (settings, number) not in journal]):
            clock, processor = time.perf_counter(), time.process_time()
            A, b, facts = solve(targets[numbers])
            spent = {
                "cpu_s": (time.process_time() - processor) / len(numbers),
                "wall_s": (time.perf_counter() - clock) / len(numbers),
            }
            target_errors = errors(A, b, targets[numbers])
            journal.add(
                *(
                    {
                        "target": number,
                        "mse": _rounded(target_errors[place].min()),
                        "mse_mean": _rounded(target_errors[place].mean()),
                        "contraction": _rounded(IFS(A[place], b[place]).contraction),
                        **{name: values[place] for name, values in facts.items()},
                        **{name: _rounded(value) for name, value in spent.items()},
                        "settings": settings,
                    }
                    for place, number in enumerate(numbers)
                )
            )
            progress(len(targets) if numbers[-1] == len(targets) - 1 else numbers[-1] + 1)


def by_fitting(config: FitConfig, on_step: Callable[[Step], None]) -> Solver:
    """Return a solver that fits IFS with `config`."""

    def solve(targets: NDArray[np.float32]) -> tuple[Floats, Floats, Result]:
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
    """Return a short hash of settings. The engine is ignored because it does not affect results."""
    kept = {name: value for name, value in settings.items() if name != "engine"}
    return hashlib.sha256(json.dumps(kept, sort_keys=True).encode()).hexdigest()[:8]


def _chunks(numbers: list[int]) -> Iterator[list[int]]:
    for first in range(0, len(numbers), CHUNK):
        yield numbers[first : first + CHUNK]


def _rounded(value: float) -> float | None:
    return float(f"{value:.6g}") if np.isfinite(value) else None
