"""A progress bar on standard error, drawn by tqdm: for terminals only, and only for work that takes a while."""

from __future__ import annotations

import shutil
import sys
from typing import Any

DELAY = 2.0
"""Seconds before the bar shows."""

_STEPS = "{n_fmt}/{total_fmt} |{bar}| {rate_fmt}, {remaining} left  {desc}"
_SHARE = "{percentage:3.0f}% |{bar}| {remaining} left  {desc}"


class Progress:
    """Shows `done` of `total` steps, their rate, the time left and a text; silent where nobody would see it.

    `unit` names a step, as in '12.3 rows/s' for ' rows'.
    """

    def __init__(self, total: int, done: int = 0, unit: str = "it") -> None:
        self._total, self._bar, self._shared = total, None, False
        if sys.stderr is not None and sys.stderr.isatty():
            self._bar = _bar(total, done, unit)

    def update(self, done: int, text: str = "") -> None:
        """Draw the bar, at most ten times a second and not before `DELAY`."""
        if self._bar is not None:
            # Set here since tqdm draws nothing on terminals that report no size.
            self._bar.ncols, self._bar.desc = shutil.get_terminal_size().columns - 1, text
            self._bar.update(done - self._bar.n)

    def share(self, done: float, text: str = "") -> None:
        """Draw the bar for a share of the work, 0 .. 1.

        The time left follows from the work since the first call, which may begin anywhere if the work was
        resumed. A share that falls means that the work starts again.
        """
        if self._bar is not None:
            bar, step = self._bar, int(done * self._total)
            if not self._shared or step < bar.n:
                # Earlier work says nothing about the time left. The delay still counts from the start of the bar.
                elapsed = bar.format_dict["elapsed"]
                bar.initial, bar.start_t, bar.delay = step, bar.start_t + elapsed, bar.delay - elapsed
            bar.bar_format, self._shared = _SHARE, True
            self.update(step, text)

    def clear(self) -> None:
        """Erase the bar, so that something else can be written on its line."""
        if self._bar is not None:
            self._bar.clear()


def _bar(total: int, done: int, unit: str) -> Any:
    # Imported for terminals only: it takes a while.
    from tqdm.std import tqdm  # type: ignore[import-untyped]

    # Set for this class alone: tqdm would start a thread that watches its bars.
    quiet = type("_Bar", (tqdm,), {"monitor_interval": 0})
    return quiet(
        total=total, initial=done, unit=unit, bar_format=_STEPS, delay=DELAY, file=sys.stderr, position=0,
        mininterval=0.1, miniters=0, smoothing=0, leave=False, ncols=79, nrows=24,
    )  # fmt: skip
