"""The fit of a SIREN to a picture with Adam: checks, the best state, plateaus, divergence, checkpoints.

The plan `published` is that of COIN (Dupont et al. 2021, arXiv 2103.03123): 50,000 steps of Adam over all pixels
at a rate of 2e-4; the best state is the result. The plan `annealed` uses a few thousand pixels for each step,
spread evenly (`gradients.Pixels`), and a higher rate that falls to 0. It reaches a higher PSNR with a fiftieth
of the computation.
"""

from __future__ import annotations

import hashlib
import math
import time
import zipfile
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from statistics import fmean

import numpy as np
from numpy.typing import NDArray

from collagecodec.codecs.coin.encoder.gradients import Floats, Gradients, Pixels, initial
from collagecodec.codecs.coin.siren import Shape
from collagecodec.errors import CollageError
from collagecodec.io.files import write_atomic

BATCH = 6144
"""Pixels in a step of the annealed fit."""
CHECK = 500
"""Steps between two checks on the whole picture; a twentieth of the fit if that is less."""
WARM_UP = 200
WINDOW = 10
"""Number of checks whose mean shows a plateau; single checks of an annealed fit are noisy."""
COLLAPSE = 0.5
"""Loss of PSNR in dB, for `CHECK` steps, that counts as divergence. The weights are still finite then, but the
network would end as a constant."""
_SAVE_EVERY = 60.0
_MEAN, _SPREAD, _FLOOR = 0.9, 0.999, 1e-8
_RETRIES = 4


class FittingError(CollageError):
    """The fit failed or its checkpoint cannot be used; the message says what to do."""


@dataclass(frozen=True)
class Plan:
    """The settings of a fit: up to `steps` steps of Adam on about `batch` pixels each (0: all), at `rate`.

    With `decay` the rate rises for `WARM_UP` steps, or a twentieth of all, and falls to 0 along half a cosine.
    The fit stops early if the mean PSNR of the last `WINDOW` checks is less than `plateau` dB above the mean of
    the `WINDOW` checks before; 0 never stops early.
    """

    steps: int
    batch: int
    rate: float
    decay: bool
    plateau: float
    seed: int

    def __post_init__(self) -> None:
        """ValueError for a setting out of range."""
        if self.steps < 1 or self.batch < 0 or self.seed < 0:
            raise ValueError(f"steps {self.steps}, batch {self.batch} or seed {self.seed} is too small")
        if not (0 < self.rate < math.inf and 0 <= self.plateau < math.inf):
            raise ValueError(f"the rate {self.rate} must be above 0 and the plateau {self.plateau} at least 0")

    @classmethod
    def published(cls, steps: int, plateau: float, seed: int) -> Plan:
        """Return the plan of the COIN paper."""
        return cls(steps, 0, 2e-4, False, plateau, seed)

    @classmethod
    def annealed(cls, steps: int, plateau: float, seed: int) -> Plan:
        """Return the plan with small batches and a falling rate."""
        return cls(steps, BATCH, 2e-3, True, plateau, seed)

    @property
    def interval(self) -> int:
        """Steps between two checks."""
        return max(1, min(CHECK, self.steps // 20))


@dataclass(frozen=True)
class State:
    """The state of a fit after `step` steps; its arrays are never modified, so it can be saved at any time."""

    step: int
    weights: Floats
    mean: Floats
    spread: Floats
    best: Floats
    history: tuple[float, ...] = ()
    """PSNR in dB of the 8-bit picture at every check."""
    calm: int = 0
    """The step at which the moments of Adam were last reset."""
    slowed: int = 0
    """How often the rate was halved because the fit diverged."""
    wall: float = 0.0
    """Elapsed seconds at the last check."""
    cpu: float = 0.0
    """Processor seconds at the last check."""

    @classmethod
    def first(cls, weights: Floats) -> State:
        """Return the initial state of a fit."""
        zeros = np.zeros_like(weights)
        return cls(0, weights, zeros, zeros, weights)


def adam(mean: Floats, spread: Floats, gradient: Floats, age: int) -> tuple[Floats, Floats, Floats]:
    """Return the decrease of the weights at rate 1, and the new moments (Kingma & Ba 2015, Algorithm 1).

    `age` = 1, 2 ... is the number of the step.
    """
    mean = np.float32(_MEAN) * mean + np.float32(1 - _MEAN) * gradient
    spread = np.float32(_SPREAD) * spread + np.float32(1 - _SPREAD) * gradient * gradient
    root = np.sqrt(spread / np.float32(1 - _SPREAD**age)) + np.float32(_FLOOR)
    return mean / (np.float32(1 - _MEAN**age) * root), mean, spread


class Checkpoint:
    """A file with the state of a fit; `key` identifies picture, network and plan, and other keys are refused."""

    def __init__(self, path: Path, key: str) -> None:
        self.path, self.key = path, key

    def load(self) -> State | None:
        """Return the saved state, or None without a file; FittingError if it is damaged or of another fit."""
        if not self.path.exists():
            return None
        try:
            with self.path.open("rb") as file, np.load(file, allow_pickle=False) as saved:
                key = str(saved["key"])
                weights, mean, spread, best = (
                    np.asarray(saved[name], np.float32) for name in ("weights", "mean", "spread", "best")
                )
                step, calm, slowed = (int(number) for number in saved["numbers"])
                wall, cpu = (float(number) for number in saved["seconds"])
                history = tuple(saved["history"].tolist())
        except (OSError, ValueError, KeyError, EOFError, zipfile.BadZipFile) as error:
            raise FittingError(f"{self.path} is no checkpoint of a fit ({error}): remove it") from error
        if key != self.key:
            raise FittingError(
                f"{self.path} belongs to another picture or to other settings: remove it, or name another file"
            )
        return State(step, weights, mean, spread, best, history, calm, slowed, wall, cpu)

    def save(self, state: State) -> None:
        """Write the file atomically."""
        numbers = np.array((state.step, state.calm, state.slowed))
        write_atomic(
            self.path,
            lambda stream: np.savez(
                stream, key=np.array(self.key), weights=state.weights, mean=state.mean, spread=state.spread,
                best=state.best, numbers=numbers, history=np.array(state.history, float),
                seconds=np.array((state.wall, state.cpu)),
            ),
            force=True,
        )  # fmt: skip


def key_of(image: NDArray[np.uint8], shape: Shape, plan: Plan) -> str:
    """Return a hash of all that a state depends on: picture, shape and plan.

    Without decay the number of steps is left out, so that a fit can be continued with more steps.
    """
    course = replace(plan, steps=plan.steps if plan.decay else 1, plateau=0)
    text = f"{image.shape} {shape} {course} {plan.interval}"
    return hashlib.sha256(text.encode() + np.ascontiguousarray(image).tobytes()).hexdigest()


class Fitter:
    """A fit. `progress` is called with the share that is done and a note on the PSNR."""

    def __init__(
        self,
        image: NDArray[np.uint8],
        shape: Shape,
        plan: Plan,
        progress: Callable[[float, str], None] | None = None,
        checkpoint: Checkpoint | None = None,
    ) -> None:
        self.plan, self.shape = plan, shape
        self.pixels = Pixels.of(image, plan.seed)
        self._progress = progress or (lambda share, note: None)
        self._checkpoint = checkpoint
        batches = max(1, self.pixels.count // plan.batch) if plan.batch else 1
        self._edges = [self.pixels.count * number // batches for number in range(batches + 1)]
        self._seen = 0.0
        self._clock = time.perf_counter(), time.process_time()

    def run(self) -> State:
        """Run the fit, resuming from the checkpoint if there is one; FittingError if it diverges.

        A KeyboardInterrupt saves the checkpoint and names it in its message.
        """
        state = (self._checkpoint.load() if self._checkpoint else None) or State.first(
            initial(self.shape, self.plan.seed)
        )
        saved = time.monotonic()
        with Gradients(self.shape, self.pixels) as gradients:
            try:
                while state.step < self.plan.steps and not self._settled(state):
                    state = self._advance(state, gradients)
                    if self._checkpoint and time.monotonic() - saved > _SAVE_EVERY:
                        self._checkpoint.save(state)
                        saved = time.monotonic()
            except (KeyboardInterrupt, SystemExit) as error:
                self._interrupted(state, error)
                raise
        if self._checkpoint:
            self._checkpoint.save(state)
        return state

    def _interrupted(self, state: State, error: BaseException) -> None:
        if self._checkpoint:
            self._checkpoint.save(state)
        if self._checkpoint and isinstance(error, KeyboardInterrupt):
            raise KeyboardInterrupt(
                f"step {state.step} of {self.plan.steps} is kept in {self._checkpoint.path}; "
                "the same command continues"
            )

    def _settled(self, state: State) -> bool:
        """Return whether the PSNR of the last checks has reached a plateau."""
        if not self.plan.plateau or len(state.history) < 2 * WINDOW:
            return False
        return fmean(state.history[-WINDOW:]) - fmean(state.history[-2 * WINDOW : -WINDOW]) < self.plan.plateau

    def _advance(self, state: State, gradients: Gradients) -> State:
        """Return the state after another step, or after a retreat to the best state."""
        plan = self.plan
        epoch, number = divmod(state.step, len(self._edges) - 1)
        batch = np.random.default_rng([plan.seed, 2, epoch]).permutation(len(self._edges) - 1)[number]
        loss, gradient = gradients.loss(state.weights, self._edges[batch], self._edges[batch + 1])
        following = self._moved(state, gradient)
        if not (math.isfinite(loss) and np.isfinite(following.weights).all()):
            return self._retreat(replace(state, step=state.step + 1))
        self._report(following.step, loss)
        if following.step % plan.interval == 0 or following.step == plan.steps:
            following = self._checked(following, gradients)
        return following

    def _moved(self, state: State, gradient: Floats) -> State:
        step = state.step + 1
        rate = self.plan.rate / 2**state.slowed
        if self.plan.decay:
            warm_up = max(1, min(WARM_UP, self.plan.steps // 20))
            rate *= (1 + math.cos(math.pi * state.step / self.plan.steps)) / 2 * min(1, step / warm_up)
        change, mean, spread = adam(state.mean, state.spread, gradient, step - state.calm)
        weights = np.subtract(state.weights, np.float32(rate) * change)
        return replace(state, step=step, weights=weights, mean=mean, spread=spread)

    def _checked(self, state: State, gradients: Gradients) -> State:
        error = gradients.squared_error(state.weights)
        psnr = 10 * math.log10(255**2 / error) if error else 100.0
        before = max(state.history, default=-math.inf)
        clock = time.perf_counter(), time.process_time()
        wall, cpu = (now - then for now, then in zip(clock, self._clock, strict=True))
        self._clock = clock
        history = (*state.history, psnr)
        state = replace(state, history=history, wall=state.wall + wall, cpu=state.cpu + cpu)
        if self._collapsed(history) and state.slowed < _RETRIES:
            return self._retreat(state)
        return replace(state, best=state.weights) if psnr > before else state

    def _collapsed(self, history: tuple[float, ...]) -> bool:
        """Return whether all checks of the last `CHECK` steps are far below the best earlier check."""
        last = -(-CHECK // self.plan.interval)
        return len(history) > last and max(history[-last:]) < max(history[:-last]) - COLLAPSE

    def _retreat(self, state: State) -> State:
        """Return to the best state after divergence, at half the rate; FittingError after too many retreats."""
        if state.slowed == _RETRIES:
            raise FittingError(f"the fit diverges at rate {self.plan.rate}: set a smaller rate")
        zeros = np.zeros_like(state.weights)
        return replace(
            state, weights=state.best, mean=zeros, spread=zeros, calm=state.step, slowed=state.slowed + 1
        )

    def _report(self, step: int, loss: float) -> None:
        """Report the progress and the mean PSNR of about the last pass over the picture."""
        share = max(1 / step, 1 / (len(self._edges) - 1), 0.02)
        self._seen += (loss - self._seen) * min(1.0, share)
        self._progress(step / self.plan.steps, f"{-10 * math.log10(max(self._seen, 1e-10)):.2f} dB")
