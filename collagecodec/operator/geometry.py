"""The positions of range cells and domain cells of a collage at any natural scale, and the eight isometries.

The numpy operator (`operator.operator`) and its torch version (`operator.torch_operator`) share this module, so
that both read and write the same samples.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from fractions import Fraction
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.floating]
Indices = NDArray[np.int64]

ISOMETRIES = 8
"""Isometry e in 0..7 rotates by e % 4 quarter turns counterclockwise, then flips upside down if e >= 4."""
IDENTITY = (0,)
ALL_ISOMETRIES = tuple(range(ISOMETRIES))


def isometry_order(size: int) -> Indices:
    """Return the order of the samples of a flattened square cell under each isometry: int64 (8, size * size)."""
    cell = np.arange(size * size, dtype=np.int64).reshape(size, size)
    turned = [np.rot90(cell, e % 4) for e in range(ISOMETRIES)]
    return np.stack([(t if e < 4 else t[::-1]).ravel() for e, t in enumerate(turned)])


def apply_isometry(cells: Floats, isometry: int) -> Floats:
    """Apply an isometry 0..7 to square cells (..., n, n); ValueError for another number."""
    if not 0 <= isometry < ISOMETRIES:
        raise ValueError(f"isometries are numbered 0..7, not {isometry}")
    size = cells.shape[-1]
    flat = cells.reshape(*cells.shape[:-2], size * size)
    return flat[..., isometry_order(size)[isometry]].reshape(cells.shape)


def domain_grid(height: int, width: int, size: int, step: int) -> Indices:
    """Return the corners (y, x) of all size x size cells at multiples of `step`, row by row: int64 (N, 2)."""
    if size > min(height, width) or size < 1 or step < 1:
        raise ValueError(f"{height}x{width} samples hold no domain cells of {size} with a step of {step}")
    rows = np.arange(0, height - size + 1, step)
    columns = np.arange(0, width - size + 1, step)
    return np.stack(np.meshgrid(rows, columns, indexing="ij"), -1).reshape(-1, 2).astype(np.int64)


@dataclass(frozen=True, eq=False)
class Geometry:
    """The range cells and domain cells of a block of height x width samples.

    height, width   samples, multiples of `cell`
    cell            stride n of the range cells
    lapped          False: cells are n x n boxes. True: cells are 2n x 2n and overlap; cell k of a row covers
                    the n-sample boxes k - 1 and k, a row of B boxes has B + 1 cells, and samples outside the
                    block are dropped
    corners         (y, x) of each domain cell, int64 (N, 2); none by default
    pool            ratio of the sides of domain cells and range cells: an integer of at least 1
    isometries      the isometries that may be applied to domain cells

    Candidate e * N + n is domain cell n, pooled, after isometry `isometries[e]`. Raises ValueError if the values
    contradict each other.
    """

    height: int
    width: int
    cell: int
    lapped: bool = False
    corners: Indices | None = None
    pool: int = 2
    isometries: tuple[int, ...] = IDENTITY

    def __post_init__(self) -> None:
        if self.cell < 1 or min(self.height, self.width) < 1 or self.height % self.cell or self.width % self.cell:
            raise ValueError(f"{self.height}x{self.width} samples are not a multiple of cells of {self.cell}")
        if self.pool < 1 or not self.isometries or not set(self.isometries) <= set(ALL_ISOMETRIES):
            raise ValueError("the pooling factor is at least 1 and isometries are numbered 0..7")
        corners = np.zeros((0, 2), np.int64) if self.corners is None else np.asarray(self.corners, np.int64)
        if corners.ndim != 2 or corners.shape[1] != 2:
            raise ValueError(f"corners of domain cells are (y, x) pairs, not an array of shape {corners.shape}")
        limit = np.array([self.height, self.width]) - self.domain_size
        if corners.size and (corners.min() < 0 or (corners > limit).any()):
            raise ValueError(f"a domain cell of {self.domain_size} samples reaches outside the block")
        object.__setattr__(self, "corners", corners)

    @property
    def support(self) -> int:
        """Side of a range cell in samples: n, or 2n where lapped."""
        return 2 * self.cell if self.lapped else self.cell

    @property
    def domain_size(self) -> int:
        """Side of a domain cell in samples."""
        return self.pool * self.support

    @property
    def rows(self) -> int:
        """Rows of range cells."""
        return self.height // self.cell + self.lapped

    @property
    def columns(self) -> int:
        """Columns of range cells."""
        return self.width // self.cell + self.lapped

    @property
    def cells(self) -> int:
        """Number K of range cells."""
        return self.rows * self.columns

    @property
    def domains(self) -> int:
        """Number N of domain cells."""
        return len(self._corners)

    @property
    def candidates(self) -> int:
        """Number of domain cells times isometries."""
        return self.domains * len(self.isometries)

    @property
    def unit(self) -> int:
        """The denominator of natural scales: at multiples of 1 / unit all cell borders lie between samples."""
        return math.gcd(self.cell, *map(int, self._corners.ravel()))

    @property
    def _corners(self) -> Indices:
        assert self.corners is not None
        return self.corners

    def natural_scale(self, scale: float | Fraction) -> Fraction:
        """Return the smallest natural scale of at least `scale`; ValueError unless `scale` is positive."""
        if not 0 < scale < math.inf:
            raise ValueError(f"a scale must be positive and finite, not {scale}")
        return Fraction(math.ceil(Fraction(scale) * self.unit), self.unit)

    def scaled(self, scale: float | Fraction) -> Geometry:
        """Return the partition with all lengths multiplied by `scale`; ValueError unless the scale is natural."""
        factor = self.natural_scale(scale)
        if factor != Fraction(scale):
            raise ValueError(f"scale {scale} is not natural: the multiples of 1/{self.unit} are")
        height, width, cell = (int(length * factor) for length in (self.height, self.width, self.cell))
        corners = self._corners * factor.numerator // factor.denominator
        return replace(self, height=height, width=width, cell=cell, corners=corners)

    @property
    def stride(self) -> int:
        """The distance between pooled windows: `pool` if all corners are multiples of it, else a divisor."""
        return math.gcd(self.pool, *map(int, self._corners.ravel()))

    @cached_property
    def gather(self) -> Indices:
        """Flat indices of the samples of each candidate: int64 (candidates, support * support).

        They index the means over `pool` x `pool` windows that begin at multiples of `stride`.
        """
        across = (self.width - self.pool) // self.stride + 1
        inner = np.arange(self.support, dtype=np.int64) * (self.pool // self.stride)
        orders = isometry_order(self.support)[list(self.isometries)]
        offsets = (inner[:, None] * across + inner).ravel()[orders]
        first = self._corners // self.stride
        starts = first[:, 0] * across + first[:, 1]
        return (starts[None, :, None] + offsets[:, None, :]).reshape(-1, self.support**2)

    @cached_property
    def window(self) -> NDArray[np.float64]:
        """The weights of domain terms and of b inside a range cell, (support, support).

        Overlapping weights sum to 1. Boxes have weights of 1. Lapped cells have sin^2 along both axes, which
        averages overlapping contributions, so that the map contracts by the same factor as a map of boxes.
        """
        if not self.lapped:
            return np.ones((self.support, self.support))
        # Products and sums of multiples of 2^-20 are exact in float64, so the windows sum to exactly 1.
        rise = np.sin(np.pi * (np.arange(self.cell) + 0.5) / (2 * self.support)) ** 2
        rise = np.round(rise * 2**20) / 2**20
        line = np.concatenate([rise, 1 - rise])
        return np.outer(line, line)
