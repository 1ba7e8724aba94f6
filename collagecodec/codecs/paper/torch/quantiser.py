"""Fixed-width quantisation of the code of a block: a rotation, then a table of levels for every component.

There are a few modes, each with its own tables and its own distribution of the same number of bits: a flat block
needs fine levels for few components, a busy one coarse levels for many. The mode of a block is stored with it.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

PAD = 1e6
"""Stands behind the levels of a table that is shorter than the longest; never the nearest."""
DOMAIN_BITS, MODE_BITS = 2, 3
MODES = 2**MODE_BITS
LONGEST = 8
"""Bits of the longest table."""


def nearest(values: Tensor, levels: Tensor) -> Tensor:
    """Number of the nearest level: values (B, Q) and rising levels (Q, L) to int64 (B, Q)."""
    edges = (levels[:, 1:] + levels[:, :-1]) / 2
    return torch.searchsorted(edges.contiguous(), values.T.contiguous()).T


def rounded(values: Tensor, levels: Tensor) -> Tensor:
    """The nearest levels of values (B, Q), with gradients to rising levels (Q, L)."""
    chosen = nearest(values.detach(), levels.detach())
    return levels[torch.arange(len(levels), device=levels.device), chosen]


def straight_through(values: Tensor, levels: Tensor) -> Tensor:
    """The nearest levels, with gradients both to the values, as if nothing was rounded, and to the levels."""
    return rounded(values, levels) + (values - values.detach())


class Quantiser(nn.Module):
    """Rotation of the numbers of a code, tables of its components at every rate, domain levels.

    Untrained, it is useless: `training.paper_calibration` sets it from data.
    """

    widths: Tensor
    """Bits of every component, int64 (rates, modes, Q); 0 for the last ones of a mode, which are not stored."""
    spread: Tensor
    """Standard deviation of every component, (Q,): levels are kept in this unit."""
    mean: Tensor

    def __init__(self, numbers: int, components: int, rates: int) -> None:
        super().__init__()
        rotation = torch.eye(components, numbers)
        self.analysis = nn.Parameter(rotation.clone())
        self.synthesis = nn.Parameter(rotation.clone())
        self.levels = nn.Parameter(torch.full((rates, MODES, components, 2**LONGEST), PAD))
        self.domain_levels = nn.Parameter(torch.linspace(-0.3, 0.3, 2**DOMAIN_BITS))
        self.register_buffer("mean", torch.zeros(numbers))
        self.register_buffer("spread", torch.ones(components))
        self.register_buffer("widths", torch.zeros(rates, MODES, components, dtype=torch.int64))

    def stored(self, rate: int, mode: int) -> int:
        """How many components are stored in a mode: the first ones."""
        return int((self.widths[rate, mode] > 0).sum())

    def table(self, rate: int, mode: int) -> Tensor:
        """Rising levels of the stored components in units of theta: (stored, longest)."""
        count = self.stored(rate, mode)
        longest = 2 ** int(self.widths[rate, mode].max())
        levels = self.levels[rate, mode, :count, :longest].sort(-1).values
        return levels * self.spread[:count, None]

    def rotate(self, theta: Tensor) -> Tensor:
        """Components (B, Q) of numbers (B, 4 (V + 3))."""
        return (theta - self.mean) @ self.analysis.T

    def domain(self, coefficients: Tensor) -> Tensor:
        """Domain coefficients (B, 4) at their nearest levels, straight through."""
        levels = self.domain_levels.sort().values
        return straight_through(coefficients, levels.expand(coefficients.shape[1], -1))

    @torch.no_grad()
    def modes(self, components: Tensor, rate: int) -> Tensor:
        """The mode of least squared error for components (B, Q): int64 (B,)."""
        errors = []
        for mode in range(MODES):
            count = self.stored(rate, mode)
            kept = components[:, :count]
            lost = (components[:, count:] ** 2).sum(1)
            errors.append(((rounded(kept, self.table(rate, mode)) - kept) ** 2).sum(1) + lost)
        return torch.stack(errors, 1).argmin(1)

    def forward(self, theta: Tensor, rate: int) -> Tensor:
        """Numbers (B, 4 (V + 3)) as they are stored at a rate, straight through."""
        components = self.rotate(theta)
        modes = self.modes(components, rate)
        stored = torch.zeros_like(components)
        for mode in range(MODES):
            rows = (modes == mode).nonzero()[:, 0]
            if len(rows):
                table = self.table(rate, mode)
                values = straight_through(components[rows, : len(table)], table)
                padded = nn.functional.pad(values, (0, stored.shape[1] - len(table)))
                stored = stored.index_add(0, rows, padded)
        return stored @ self.synthesis + self.mean
