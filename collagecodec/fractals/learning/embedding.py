"""The fractal embedding layer: sequences of map indices to sequences of points, for many IFS at once.

Both forms give the same points. The loop applies one map a step to all sequences. The scan composes neighbouring
maps, which is associative, in log2(T) rounds (Hillis and Steele 1986): fewer, larger operations, but more of
them in all. `python -m eval ifs-speed` measures both; `embed` chooses by the number of sequences.
"""

from __future__ import annotations

import torch
from torch import Tensor

SCAN_BELOW = 128
"""With fewer sequences than this the scan is the faster form on a processor core."""


def bounds(A: Tensor) -> Tensor:
    """Return the running sums (M, N) of the probabilities |det A| / sum |det A|, A (M, N, 2, 2); no gradient.

    IFS whose determinants are all 0, or not finite, choose their maps evenly.
    """
    with torch.no_grad():
        areas = (A[..., 0, 0] * A[..., 1, 1] - A[..., 0, 1] * A[..., 1, 0]).abs()
        total = areas.sum(-1, keepdim=True)
        usable = torch.isfinite(total) & (total > 0)
        return torch.where(usable, areas / total, 1 / areas.shape[-1]).cumsum(-1)


def sample(bounds: Tensor, uniform: Tensor) -> Tensor:
    """Return indices of maps, uint8 (M, B, T), of `bounds` (M, N) and `uniform` (B, T) in [0, 1).

    The M IFS share the random numbers, so that the result of one does not depend on the others.
    """
    indices = torch.zeros((len(bounds), *uniform.shape), dtype=torch.uint8)
    for number in range(bounds.shape[1] - 1):
        indices += uniform >= bounds[:, number, None, None]
    return indices


def start(A: Tensor, b: Tensor) -> Tensor:
    """Return the first points of the sequences, (M, 2): the fixed point of each first map, without gradient."""
    with torch.no_grad():
        first, offset = A[:, 0], b[:, 0]
        matrix = torch.eye(2) - first
        determinant = matrix[:, 0, 0] * matrix[:, 1, 1] - matrix[:, 0, 1] * matrix[:, 1, 0]
        x = matrix[:, 1, 1] * offset[:, 0] - matrix[:, 0, 1] * offset[:, 1]
        y = matrix[:, 0, 0] * offset[:, 1] - matrix[:, 1, 0] * offset[:, 0]
        return torch.stack([x, y], -1) / determinant.unsqueeze(-1)


def embed(A: Tensor, b: Tensor, indices: Tensor, begin: Tensor) -> Tensor:
    """Return the points (M, B, T, 2) of the sequences `indices` (M, B, T), each from `begin` (M, 2) on."""
    few = indices.shape[0] * indices.shape[1] < SCAN_BELOW
    return scan(A, b, indices, begin) if few else loop(A, b, indices, begin)


def loop(A: Tensor, b: Tensor, indices: Tensor, begin: Tensor) -> Tensor:
    """Return the same as `embed`, step by step."""
    matrices, offsets = _chosen(A, b, indices)
    point, points = begin.unsqueeze(1).expand(-1, indices.shape[1], -1), []
    # One unbind each: indexing in the loop would make every step's gradient as large as the whole sequence.
    for matrix, offset in zip(matrices.unbind(2), offsets.unbind(2), strict=True):
        point = matrix[..., 0] * point[..., :1] + matrix[..., 1] * point[..., 1:] + offset
        points.append(point)
    return torch.stack(points, 2)


def scan(A: Tensor, b: Tensor, indices: Tensor, begin: Tensor) -> Tensor:
    """Return the same as `embed`, by a parallel scan over the composition of affine maps."""
    matrices, offsets = _chosen(A, b, indices)
    length, reach = indices.shape[2], 1
    while reach < length:
        later, earlier = matrices[:, :, reach:], matrices[:, :, :-reach]
        moved = (later @ offsets[:, :, :-reach].unsqueeze(-1)).squeeze(-1) + offsets[:, :, reach:]
        matrices = torch.cat([matrices[:, :, :reach], later @ earlier], 2)
        offsets = torch.cat([offsets[:, :, :reach], moved], 2)
        reach *= 2
    return (matrices @ begin[:, None, None, :, None]).squeeze(-1) + offsets


def _chosen(A: Tensor, b: Tensor, indices: Tensor) -> tuple[Tensor, Tensor]:
    """Return the maps of every step: (M, B, T, 2, 2) and (M, B, T, 2)."""
    count, maps = A.shape[:2]
    flat = (indices.long() + torch.arange(count)[:, None, None] * maps).flatten()
    table = torch.cat([A.flatten(-2), b], -1).flatten(0, 1)
    chosen = torch.nn.functional.embedding(flat, table).reshape(*indices.shape, 6)
    return chosen[..., :4].reshape(*indices.shape, 2, 2), chosen[..., 4:]
