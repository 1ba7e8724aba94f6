"""Fixed-width quantisation of the code of a block: a rotation, then a table of levels for every component."""

from __future__ import annotations

import torch
from torch import Tensor, nn

PAD = 1e6
"""Stands behind the levels of a table that is shorter than the longest; never the nearest."""
DOMAIN_BITS = 2
LONGEST = 8
"""Bits of the longest table."""


def nearest(values: Tensor, levels: Tensor) -> Tensor:
    """Number of the nearest level: values (B, Q) and rising levels (Q, L) to int64 (B, Q)."""
    edges = (levels[:, 1:] + levels[:, :-1]) / 2
    return torch.searchsorted(edges.contiguous(), values.T.contiguous()).T


def straight_through(values: Tensor, levels: Tensor) -> Tensor:
    """The nearest levels, with gradients both to the values, as if nothing was rounded, and to the levels."""
    chosen = nearest(values.detach(), levels.detach())
    rounded = levels[torch.arange(len(levels), device=levels.device), chosen]
    return rounded + (values - values.detach())


class Quantiser(nn.Module):
    """Rotation of the numbers of a code, tables of its components at every rate, domain levels.

    Untrained, it is useless: `training.paper_calibration` sets it from data.
    """

    widths: Tensor
    """Bits of every component at every rate, int64 (rates, Q); 0 for the last ones, which are not stored."""
    spread: Tensor
    """Standard deviation of every component, (Q,): levels are kept in this unit."""
    mean: Tensor

    def __init__(self, numbers: int, components: int, block_bits: tuple[int, ...]) -> None:
        super().__init__()
        rates = len(block_bits)
        rotation = torch.eye(components, numbers)
        self.analysis = nn.Parameter(rotation.clone())
        self.synthesis = nn.Parameter(rotation.clone())
        self.levels = nn.Parameter(torch.full((rates, components, 2**LONGEST), PAD))
        self.domain_levels = nn.Parameter(torch.linspace(-0.3, 0.3, 2**DOMAIN_BITS))
        self.register_buffer("mean", torch.zeros(numbers))
        self.register_buffer("spread", torch.ones(components))
        self.register_buffer("widths", torch.zeros(rates, components, dtype=torch.int64))

    def stored(self, rate: int) -> int:
        """How many components are stored at a rate: the first ones."""
        return int((self.widths[rate] > 0).sum())

    def table(self, rate: int) -> Tensor:
        """Rising levels of the stored components of a rate in units of theta: (stored, longest)."""
        count = self.stored(rate)
        longest = 2 ** int(self.widths[rate].max()) if count else 1
        levels = self.levels[rate, :count, :longest].sort(-1).values
        return levels * self.spread[:count, None]

    def rotate(self, theta: Tensor) -> Tensor:
        """Components (B, Q) of numbers (B, 4 (V + 3))."""
        return (theta - self.mean) @ self.analysis.T

    def domain(self, coefficients: Tensor) -> Tensor:
        """Domain coefficients (B, 4) at their nearest levels, straight through."""
        levels = self.domain_levels.sort().values
        return straight_through(coefficients, levels.expand(coefficients.shape[1], -1))

    def forward(self, theta: Tensor, rate: int) -> Tensor:
        """Numbers (B, 4 (V + 3)) as they are stored at a rate, straight through."""
        count = self.stored(rate)
        components = straight_through(self.rotate(theta)[:, :count], self.table(rate))
        return components @ self.synthesis[:count] + self.mean
