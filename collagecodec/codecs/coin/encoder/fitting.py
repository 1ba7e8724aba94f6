"""Fitting a SIREN to a picture with Adam: checks, the best state, plateaus, divergence, checkpoints.

COIN (Dupont et al. 2021, arXiv 2103.03123) takes 50,000 steps of Adam over all pixels at a rate of 2e-4 and
keeps the best state: `published`. `annealed` sees a few thousand pixels a step, evenly spread (`siren.Pixels`),
at a higher rate that falls to 0: it ends at a higher PSNR after a fiftieth of the computation.
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
"""Pixels that a step of the annealed fit sees."""
CHECK = 500
"""Steps between two looks at the whole picture; a twentieth of the fit if that is less."""
WARM_UP = 200
WINDOW = 10
"""Checks whose mean tells a plateau; the checks of an annealed fit are noisy."""
COLLAPSE = 0.5
"""Loss of PSNR in dB, for `CHECK` steps, by which a fit has diverged although its numbers are finite: networks of
sines then end as a constant."""
_SAVE_EVERY = 60.0
_MEAN, _SPREAD, _FLOOR = 0.9, 0.999, 1e-8
_RETRIES = 4


class FittingError(CollageError):
    """The fit failed, or its checkpoint is of no use; the message says what to do."""


@dataclass(frozen=True)
class Plan:
    """How to fit: up to `steps` of Adam on about `batch` pixels each (0: all) at the rate `rate`.

    With `decay` the rate is reached in `WARM_UP` steps, or a twentieth of all, and falls to 0 along half a
    cosine. The fit ends before its time if the mean PSNR of the last `WINDOW` checks is less than `plateau` dB
    above that of the `WINDOW` before; 0: never.
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
            raise ValueError(f"steps {self.steps}, batch {self.batch}, seed {self.seed}: too small a number")
        if not (0 < self.rate < math.inf and 0 <= self.plateau < math.inf):
            raise ValueError(f"a rate is above 0 and a plateau not below, not {self.rate} and {self.plateau}")

    @classmethod
    def published(cls, steps: int, plateau: float, seed: int) -> Plan:
        """COIN's."""
        return cls(steps, 0, 2e-4, False, plateau, seed)

    @classmethod
    def annealed(cls, steps: int, plateau: float, seed: int) -> Plan:
        """The better one."""
        return cls(steps, BATCH, 2e-3, True, plateau, seed)

    @property
    def interval(self) -> int:
        """Steps between two checks."""
        return max(1, min(CHECK, self.steps // 20))


@dataclass(frozen=True)
class State:
    """A fit after `step` steps. Its arrays are never changed, so that it can be kept at any moment."""

    step: int
    weights: Floats
    mean: Floats
    spread: Floats
    best: Floats
    history: tuple[float, ...] = ()
    """PSNR in dB of the picture, 8 bits, at every check."""
    calm: int = 0
    """The step after which the moments of Adam began anew."""
    slowed: int = 0
    """How often the rate was halved because the fit diverged."""
    wall: float = 0.0
    """Seconds that it took up to the last check."""
    cpu: float = 0.0
    """Seconds of processor time of the same."""

    @classmethod
    def first(cls, weights: Floats) -> State:
        """Where a fit begins."""
        nothing = np.zeros_like(weights)
        return cls(0, weights, nothing, nothing, weights)


def adam(mean: Floats, spread: Floats, gradient: Floats, age: int) -> tuple[Floats, Floats, Floats]:
    """What the weights lose at a rate of 1, and the new moments, in step `age` = 1, 2 ... (Kingma & Ba 2015,
    Algorithm 1)."""
    mean = np.float32(_MEAN) * mean + np.float32(1 - _MEAN) * gradient
    spread = np.float32(_SPREAD) * spread + np.float32(1 - _SPREAD) * gradient * gradient
    root = np.sqrt(spread / np.float32(1 - _SPREAD**age)) + np.float32(_FLOOR)
    return mean / (np.float32(1 - _MEAN**age) * root), mean, spread


class Checkpoint:
    """A file with the state of one fit. `key` tells picture, network and plan: another one is refused."""

    def __init__(self, path: Path, key: str) -> None:
        self.path, self.key = path, key

    def load(self) -> State | None:
        """The state kept; None if there is no file. FittingError if it belongs to another fit or is damaged."""
        if not self.path.exists():
            return None
        try:
            with self.path.open("rb") as file, np.load(file, allow_pickle=False) as kept:
                key = str(kept["key"])
                one, two, three, four = (
                    np.asarray(kept[name], np.float32) for name in ("weights", "mean", "spread", "best")
                )
                step, calm, slowed = (int(number) for number in kept["numbers"])
                wall, cpu = (float(number) for number in kept["seconds"])
                history = tuple(kept["history"].tolist())
        except (OSError, ValueError, KeyError, EOFError, zipfile.BadZipFile) as error:
            raise FittingError(f"{self.path} is no checkpoint of a fit ({error}): remove it") from error
        if key != self.key:
            raise FittingError(
                f"{self.path} belongs to another picture or to other settings: remove it, or name another file"
            )
        return State(step, one, two, three, four, history, calm, slowed, wall, cpu)

    def save(self, state: State) -> None:
        """Write the file, whole or not at all."""
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
    """What a checkpoint must fit: everything on which a state depends. More steps may follow where no decay
    depends on their number."""
    course = replace(plan, steps=plan.steps if plan.decay else 1, plateau=0)
    text = f"{image.shape} {shape} {course} {plan.interval}"
    return hashlib.sha256(text.encode() + np.ascontiguousarray(image).tobytes()).hexdigest()


class Fitter:
    """One fit. `progress` hears the share done and the PSNR so far."""

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
        """Fit, from the checkpoint if there is one, which is kept up to date. FittingError if it diverges.

        KeyboardInterrupt writes the checkpoint, and says so in its message.
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
        """Whether the last checks brought less than the plan wants."""
        if not self.plan.plateau or len(state.history) < 2 * WINDOW:
            return False
        return fmean(state.history[-WINDOW:]) - fmean(state.history[-2 * WINDOW : -WINDOW]) < self.plan.plateau

    def _advance(self, state: State, gradients: Gradients) -> State:
        """The state after one more step, or after a retreat to the best state."""
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
        """Whether all checks of the last `CHECK` steps are far below the best before them."""
        last = -(-CHECK // self.plan.interval)
        return len(history) > last and max(history[-last:]) < max(history[:-last]) - COLLAPSE

    def _retreat(self, state: State) -> State:
        """From a fit that has diverged back to the best state, at half the rate."""
        if state.slowed == _RETRIES:
            raise FittingError(f"the fit diverges at rate {self.plan.rate}: set a smaller rate")
        nothing = np.zeros_like(state.weights)
        return replace(
            state, weights=state.best, mean=nothing, spread=nothing, calm=state.step, slowed=state.slowed + 1
        )

    def _report(self, step: int, loss: float) -> None:
        """Tell the progress, with the PSNR that the last round over the picture had on average."""
        share = max(1 / step, 1 / (len(self._edges) - 1), 0.02)
        self._seen += (loss - self._seen) * min(1.0, share)
        self._progress(step / self.plan.steps, f"{-10 * math.log10(max(self._seen, 1e-10)):.2f} dB")
