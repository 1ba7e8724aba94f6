"""Pictures of sequences, and their errors against targets, by the engine that is available."""

from __future__ import annotations

import torch
from torch import Tensor

from collagecodec.errors import MissingLibraryError
from collagecodec.fractals.learning import embedding, native, rendering

_FLOATS = 1 << 20
"""Numbers in an intermediate tensor: 4 MiB, which fit a cache."""


class Renderer:
    """Renders sequences of IFS into pictures, differentiably.

    `engine`: 'native', 'torch' or 'auto' (`config.FitConfig`); `tau` in square pixels. Raises MissingLibraryError
    for 'native' if it is not available.
    """

    def __init__(self, height: int, width: int, tau: float, engine: str = "auto") -> None:
        self.height, self.width, self.tau = height, width, tau
        reason = "not asked for" if engine == "torch" else native.available(tau)
        if reason and engine == "native":
            raise MissingLibraryError(reason)
        self.engine = "torch" if reason else "native"

    def __call__(self, A: Tensor, b: Tensor, indices: Tensor) -> Tensor:
        """Return pictures (M, B, H, W), from 0 up, of A (M, N, 2, 2), b (M, N, 2) and indices (M, B, T)."""
        if self.engine == "native":
            return native.render(self._points(A, b, indices), self.height, self.width, self.tau)
        return rendering.separable(self._points(A, b, indices), self.height, self.width, self.tau)

    def sample(self, A: Tensor, uniform: Tensor) -> Tensor:
        """See `embedding.sample`."""
        bounds = embedding.bounds(A)
        return native.sample(bounds, uniform) if self.engine == "native" else embedding.sample(bounds, uniform)

    def errors(self, A: Tensor, b: Tensor, indices: Tensor, targets: Tensor, clamp: bool) -> Tensor:
        """Return the mean squared errors (M, B) of the renderings against `targets` (M, H, W), cut at 1 if
        `clamp`.
        """
        if self.engine == "native":
            return native.errors(A, b, indices, embedding.start(A, b), targets, self.tau, clamp)
        parts = []
        largest = indices.shape[1] * max(
            indices.shape[2] * max(self.height, self.width), self.height * self.width
        )
        for chosen in torch.split(torch.arange(len(A)), max(1, _FLOATS // largest)):
            pictures = self(A[chosen], b[chosen], indices[chosen])
            cut = pictures.clamp(max=1) if clamp else pictures
            parts.append((cut - targets[chosen].unsqueeze(1)).square().mean((-2, -1)))
        return torch.cat(parts)

    def _points(self, A: Tensor, b: Tensor, indices: Tensor) -> Tensor:
        embed = native.embed if self.engine == "native" else embedding.embed
        return embed(A, b, indices, embedding.start(A, b))
