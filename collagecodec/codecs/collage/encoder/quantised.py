"""The quantiser of some cells as the encoder uses it: one step, or the steps of a quantiser map."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from collagecodec.codecs.collage.encoder.analysis import Part
from collagecodec.codecs.collage.encoder.hypernetwork import LogStep
from collagecodec.codecs.collage.quantiser import (
    CODE_UNIT,
    MAX_OFFSET,
    Quantisers,
    multipliers,
    offset_step_codes,
    rate_index_of,
)


@dataclass(frozen=True)
class Quantised:
    """Steps and what the networks know of them, for cells (R, S) with C channels."""

    steps: NDArray[np.float32]
    """In pixel levels, (C,) or (R, S, C)."""
    log_step: LogStep
    """Half the binary logarithm of the step code, or that of every cell, (R, S)."""
    indices: int | NDArray[np.int64]
    """The rate index, or that of every cell, (R, S)."""
    offsets: NDArray[np.int64] | None
    """The quantiser map, (R, S); None if it is flat."""

    @classmethod
    def flat(cls, step_code: int, gains: NDArray[np.integer]) -> Quantised:
        """One step for all cells."""
        steps = (multipliers(step_code, gains) / CODE_UNIT).astype(np.float32)
        return cls(steps, math.log2(step_code) / 2, rate_index_of(step_code), None)

    @classmethod
    def mapped(cls, step_code: int, gains: NDArray[np.integer], offsets: NDArray[np.int64]) -> Quantised:
        """The steps of a map of offsets (R, S)."""
        quantisers = Quantisers(step_code, gains)
        codes = offset_step_codes(step_code)[offsets + MAX_OFFSET]
        return cls(
            steps=(quantisers.at(offsets) / CODE_UNIT).astype(np.float32),
            log_step=(np.log2(codes) / 2).astype(np.float32),
            indices=quantisers.indices(offsets).reshape(offsets.shape),
            offsets=offsets,
        )

    def cut(self, rows: slice, columns: slice) -> Quantised:
        """Return the quantiser of some of the cells."""
        if self.offsets is None or isinstance(self.indices, int) or isinstance(self.log_step, float):
            return self
        at = (rows, columns)
        return replace(
            self,
            steps=self.steps[at],
            log_step=self.log_step[at],
            indices=self.indices[at],
            offsets=self.offsets[at],
        )

    def of(self, part: Part) -> Quantised:
        """Return the quantiser of a tile's cells."""
        return self.cut(part.rows, part.columns)

    @property
    def rate_index(self) -> int | NDArray[np.int64]:
        """The rate index as the prior takes it: one, or that of every cell in raster order."""
        return self.indices if isinstance(self.indices, int) else self.indices.ravel()
