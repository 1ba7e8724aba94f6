"""The iterated function system: affine maps of the plane, and how often each is chosen.

Coordinates are those of a picture of any size: the unit square is the picture, `x` (first) goes right along the
columns, `y` (second) goes down along the rows. The centre of pixel (row i, column j) of an H x W
picture is the point ((j + 0.5) / W, (i + 0.5) / H). Points outside the unit square are not drawn.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

Floats = NDArray[np.float64]

MAX_MAPS = 255
"""The index of a map fits a byte."""


@dataclass(frozen=True, eq=False)
class IFS:
    """Maps `v -> A[n] v + b[n]`, n < N, in picture coordinates.

    `A`: float64 (N, 2, 2), `b`: float64 (N, 2). Maps are chosen with probabilities proportional to |det A|
    (Tu et al. 2023, section 3). Raises `ValueError` for other shapes, for more than `MAX_MAPS` maps and for
    numbers that are not finite. An IFS need not contract; see `contraction`.
    """

    A: Floats
    b: Floats

    def __init__(self, A: ArrayLike, b: ArrayLike) -> None:
        matrices, offsets = np.array(A, np.float64), np.array(b, np.float64)
        count = len(offsets) if offsets.ndim else 0
        if not 1 <= count <= MAX_MAPS or matrices.shape != (count, 2, 2) or offsets.shape != (count, 2):
            raise ValueError(
                f"an IFS has A of shape (N, 2, 2) and b of shape (N, 2) with N from 1 to {MAX_MAPS}, "
                f"not {matrices.shape} and {offsets.shape}"
            )
        if not (np.isfinite(matrices).all() and np.isfinite(offsets).all()):
            raise ValueError("an IFS has finite numbers only")
        matrices.flags.writeable = offsets.flags.writeable = False
        object.__setattr__(self, "A", matrices)
        object.__setattr__(self, "b", offsets)

    def __len__(self) -> int:
        return len(self.b)

    @property
    def probabilities(self) -> Floats:
        """How often each map is chosen: (N,), sums to 1."""
        return probabilities(self.A)

    @property
    def singular_values(self) -> Floats:
        """(N, 2), the larger first."""
        return np.linalg.svd(self.A, compute_uv=False).astype(np.float64)

    @property
    def contraction(self) -> float:
        """The largest factor by which a map stretches; below 1 it guarantees an attractor."""
        return float(self.singular_values.max())

    def fixed_point(self, number: int) -> Floats:
        """Return the fixed point (2,) of map `number`; `LinAlgError` if it has none."""
        return np.linalg.solve(np.eye(2) - self.A[number], self.b[number])

    def points(self, indices: NDArray[np.integer], start: ArrayLike | None = None) -> Floats:
        """Return the points (..., T, 2) of the sequences `indices` (..., T): v[t] = A[i[t]] v[t-1] + b[i[t]].

        `start`: v[-1], (2,), by default the fixed point of map 0.
        """
        point = np.broadcast_to(self.fixed_point(0) if start is None else start, (*indices.shape[:-1], 2))
        points = np.empty((*indices.shape, 2))
        for step in range(indices.shape[-1]):
            chosen = indices[..., step]
            point = np.einsum("...ij,...j->...i", self.A[chosen], point) + self.b[chosen]
            points[..., step, :] = point
        return points

    def moved(self, scale: ArrayLike, offset: ArrayLike) -> IFS:
        """Return the IFS whose attractor is that of this IFS with every point `v` at `scale * v + offset`.

        `scale`: a number other than 0, or a pair for x and y; `offset`: (2,).
        """
        factor, shift = np.broadcast_to(np.asarray(scale, np.float64), (2,)), np.asarray(offset, np.float64)
        matrices = self.A * factor[:, None] / factor[None, :]
        return IFS(matrices, self.b * factor + shift - matrices @ shift)


def probabilities(A: Floats) -> Floats:
    """Return |det A| of the matrices (..., N, 2, 2) divided by its sum over N; equal shares if all are 0."""
    areas = np.abs(A[..., 0, 0] * A[..., 1, 1] - A[..., 0, 1] * A[..., 1, 0])
    total = areas.sum(-1, keepdims=True)
    return np.where(total > 0, areas / np.where(total > 0, total, 1), 1 / A.shape[-3])
