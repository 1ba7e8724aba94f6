"""The settings of the codec `ifs`, most of which belong to the fit."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from collagecodec.codecs.ifs import code

Method = Literal["points", "distance"]


@dataclass(frozen=True)
class IfsSettings:
    """The fields are documented at `IfsCodec`."""

    maps: int = 10
    steps: int = 1000
    method: Method = "points"
    seed: int = 0
    bits: int = 0
    side: int = 32
    threshold: int = 0
    refine: int = 1
    fine: bool = False

    def __post_init__(self) -> None:
        """Raise ValueError for a setting out of range."""
        if not 2 <= self.maps <= 64:
            raise ValueError(f"maps must be 2 to 64, not {self.maps}")
        if self.bits and not code.MIN_BITS <= self.bits <= code.MAX_BITS:
            raise ValueError(f"bits must be 0 or {code.MIN_BITS} to {code.MAX_BITS}, not {self.bits}")
        if self.method not in ("points", "distance"):
            raise ValueError(f"method must be points or distance, not {self.method!r}")
        if self.steps < 1 or not 8 <= self.side <= 128 or self.seed < 0:
            raise ValueError("steps must be at least 1, side 8 to 128, seed at least 0")
        if not 0 <= self.threshold <= 255 or not 0 <= self.refine <= 8:
            raise ValueError("threshold must be 0 to 255, refine 0 to 8")
