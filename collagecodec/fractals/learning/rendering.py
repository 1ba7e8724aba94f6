"""Differentiable rendering of points: a Gaussian for each, summed (Tu et al. 2023, differentiable rendering).

I[h, w] = sum over t of exp(-|(h, w) - v[t]|^2 / tau), in pixels. The Gaussian of a distance is the product of a
Gaussian of the row and a Gaussian of the column, so that the sum over t is a product of matrices (H, T) and (T,
W).
"""

from __future__ import annotations

import torch
from torch import Tensor

from collagecodec.fractals.learning.parameters import SPAN


def pixels(points: Tensor, height: int, width: int) -> tuple[Tensor, Tensor]:
    """Return column and row (...) of `points` (..., 2) of the frame of learning; pixel centres are integers."""
    placed = points / SPAN + 0.5
    return placed[..., 0] * width - 0.5, placed[..., 1] * height - 0.5


def separable(points: Tensor, height: int, width: int, tau: float) -> Tensor:
    """Return pictures (..., H, W), from 0 up, of `points` (..., T, 2); `tau` in square pixels."""
    columns, rows = pixels(points, height, width)
    across = torch.exp((columns.unsqueeze(-1) - torch.arange(width)).square() / -tau)
    down = torch.exp((rows.unsqueeze(-2) - torch.arange(height).unsqueeze(-1)).square() / -tau)
    return down @ across


def plain(points: Tensor, height: int, width: int, tau: float) -> Tensor:
    """Return the same as `separable`, by an exponential for every pixel and point."""
    columns, rows = pixels(points, height, width)
    across = (columns[..., None, None] - torch.arange(width)).square()
    down = (rows[..., None, None] - torch.arange(height)[:, None]).square()
    return torch.exp((across + down) / -tau).sum(-3)
