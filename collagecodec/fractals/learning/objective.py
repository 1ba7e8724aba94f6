"""The error of IFS against their targets, and its gradient: what a step of learning costs."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

from collagecodec.fractals.learning.embedding import embed, start
from collagecodec.fractals.learning.rendering import separable

Errors = Callable[[Tensor, Tensor, Tensor], Tensor]
"""A (M, N, 2, 2), b (M, N, 2), indices (M, B, T) -> mean squared errors (M, B), differentiable in A and b."""

_FLOATS = 1 << 22
"""Numbers of one intermediate tensor at a time: 16 MiB, which a shared cache holds."""


def torch_errors(targets: Tensor, tau: float, clamp: bool) -> Errors:
    """Return the errors against `targets` (M, H, W), computed by PyTorch.

    `tau` in square pixels; `clamp`: cut the rendering at 1.
    """
    height, width = targets.shape[1:]

    def errors(A: Tensor, b: Tensor, indices: Tensor) -> Tensor:
        begin = start(A, b)
        size = max(1, _FLOATS // (indices.shape[1] * indices.shape[2] * max(height, width)))
        parts = []
        for chosen in torch.split(torch.arange(len(A)), size):
            points = embed(A[chosen], b[chosen], indices[chosen], begin[chosen])
            pictures = separable(points, height, width, tau)
            cut = pictures.clamp(max=1) if clamp else pictures
            parts.append((cut - targets[chosen].unsqueeze(1)).square().mean((-2, -1)))
        return torch.cat(parts)

    return errors
