"""The settings of a fit; the defaults are those of Tu et al. 2023."""

from __future__ import annotations

from dataclasses import dataclass

from collagecodec.fractals.ifs import MAX_MAPS

OBJECTIVES = ("expectation", "fixed")
ENGINES = ("auto", "native", "torch")


@dataclass(frozen=True)
class FitConfig:
    """The settings of a fit. Raises `ValueError` for settings out of range.

    `maps`: N. `points`: T, the length of a sequence. `batch`: sequences a step. `tau`: square pixels of the
    target. `objective`: 'expectation' draws new sequences at every step, 'fixed' uses the first ones. `clamp`:
    cut the rendering at 1 before it is compared. `noise`: standard deviation of what noisy SGD adds to the
    numbers behind A, every `noise_every` steps of the first `noise_share` of all steps; 0 for none. `form`:
    'rotations' or 'plain' (`learning.parameters`). `learning_rate` is Adam's and halved after each quarter of
    the steps; `clip`: bound on the norm of the gradient, of A's numbers and of b; 0 for none. The numbers of
    `noise` and `clip` and the halving are those of the authors' code. `seed`: a target that diverges is fitted
    again with the next seed, up to `restarts` times. `engine`: 'native' is compiled on its first use and needs
    a C++ compiler, 'torch' does not; 'auto' uses 'native' if possible.
    """

    maps: int = 10
    points: int = 300
    batch: int = 50
    steps: int = 1000
    tau: float = 1.0
    objective: str = "expectation"
    clamp: bool = True
    form: str = "rotations"
    learning_rate: float = 0.05
    noise: float = 0.1
    noise_every: int = 10
    noise_share: float = 0.6
    clip: float = 1.0
    seed: int = 0
    restarts: int = 3
    engine: str = "auto"

    def __post_init__(self) -> None:
        """ValueError for settings out of range."""
        if not 1 <= self.maps <= MAX_MAPS:
            raise ValueError(f"maps is from 1 to {MAX_MAPS}, not {self.maps}")
        for name in ("points", "batch", "steps", "noise_every"):
            if getattr(self, name) < 1:
                raise ValueError(f"{name} is at least 1, not {getattr(self, name)}")
        for name in ("noise", "noise_share", "clip", "seed", "restarts"):
            if not getattr(self, name) >= 0:
                raise ValueError(f"{name} is not negative, unlike {getattr(self, name)}")
        for name in ("tau", "learning_rate"):
            if not getattr(self, name) > 0:
                raise ValueError(f"{name} is above 0, not {getattr(self, name)}")
        for name, known in (("objective", OBJECTIVES), ("form", ("rotations", "plain")), ("engine", ENGINES)):
            if getattr(self, name) not in known:
                raise ValueError(f"{name} is one of {', '.join(known)}, not {getattr(self, name)!r}")
