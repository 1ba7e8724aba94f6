"""A progress bar on standard error, for terminals, after a while."""

from __future__ import annotations

import shutil
import sys
import time

DELAY = 2.0
"""Seconds before the bar shows."""

_EVERY = 0.1
_WIDTH = 24


class Progress:
    """Shows `done` of `total` steps, the time left and a text; silent where nobody would see it."""

    def __init__(self, total: int, done: int = 0) -> None:
        self.total, self.first = total, done
        self._begun = self._shown = time.monotonic()
        self._alive = sys.stderr is not None and sys.stderr.isatty()
        self._drawn = False
        self._fresh = True

    def update(self, done: int, text: str = "") -> None:
        """Draw the bar, at most ten times a second and not before `DELAY`."""
        now = time.monotonic()
        if not self._alive or now - self._begun < DELAY or (now - self._shown < _EVERY and done < self.total):
            return
        self._shown, self._drawn = now, True
        filled = _WIDTH * done // max(1, self.total)
        line = f"[{'#' * filled}{'.' * (_WIDTH - filled)}] {done}/{self.total}"
        if done > self.first:
            left = (now - self._begun) * (self.total - done) / (done - self.first)
            line += f"  {duration(left)} left"
        width = shutil.get_terminal_size().columns - 1
        sys.stderr.write(f"\r\033[K{f'{line}  {text}'[:width]}")
        sys.stderr.flush()

    def share(self, done: float, text: str = "") -> None:
        """Draw the bar for a share of the work, 0 .. 1; the time left follows from what was done since the first
        call, which may be far along in work that was taken up again."""
        step = int(done * self.total)
        self.first = step if self._fresh else min(self.first, step)
        self._fresh = False
        self.update(step, text)

    def clear(self) -> None:
        """Wipe the bar off the line, so that something else can be written there."""
        if self._drawn:
            sys.stderr.write("\r\033[K")
            sys.stderr.flush()
            self._drawn = False


def duration(seconds: float) -> str:
    """Return seconds as '42 s', '3 min 10 s' or '2 h 05 min'."""
    whole = round(seconds)
    if whole < 60:
        return f"{whole} s"
    if whole < 3600:
        return f"{whole // 60} min {whole % 60:02d} s"
    return f"{whole // 3600} h {whole % 3600 // 60:02d} min"
