"""Fixed-width quantisation of the code of a block: a rotation, then a table of levels for every component.

A block has one of eight modes, which is stored. All modes have the same number of bits but distribute them
differently: flat blocks need fine levels for few components, busy blocks coarse levels for many.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

PAD = 1e6
"""Fills tables that are shorter than the longest; far from all values, it is never the nearest level."""
DOMAIN_BITS, MODE_BITS = 2, 3
MODES = 2**MODE_BITS
LONGEST = 8
"""Bits of the longest table."""


def nearest(values: Tensor, levels: Tensor) -> Tensor:
    """Return the index of the nearest of rising levels (Q, L) for values (B, Q): int64 (B, Q)."""
    edges = (levels[:, 1:] + levels[:, :-1]) / 2
    return torch.searchsorted(edges.contiguous(), values.T.contiguous()).T


def rounded(values: Tensor, levels: Tensor) -> Tensor:
    """Return the nearest of rising levels (Q, L) for values (B, Q), with gradients to the levels."""
    chosen = nearest(values.detach(), levels.detach())
    return levels[torch.arange(len(levels), device=levels.device), chosen]


def straight_through(values: Tensor, levels: Tensor) -> Tensor:
    """Return the nearest levels, with gradients to the levels and, as if unrounded, to the values."""
    return rounded(values, levels) + (values - values.detach())


class Quantiser(nn.Module):
    """The rotation of a code, the tables of its components at every rate, and the levels of domain coefficients.

    It is useless before `calibration` has set it from data.
    """

    widths: Tensor
    """Bits of every component, int64 (rates, modes, Q); components with 0 bits come last and are not stored."""
    spread: Tensor
    """Standard deviation of every component, (Q,), which is the unit of its levels."""
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
        """Return the number of stored components of a mode, which are its first components."""
        return int((self.widths[rate, mode] > 0).sum())

    def table(self, rate: int, mode: int) -> Tensor:
        """Return rising levels of the stored components in units of theta: (stored, longest)."""
        count = self.stored(rate, mode)
        longest = 2 ** int(self.widths[rate, mode].max())
        levels = self.levels[rate, mode, :count, :longest].sort(-1).values
        return levels * self.spread[:count, None]

    def rotate(self, theta: Tensor) -> Tensor:
        """Return the components (B, Q) of theta (B, 4 (V + 3))."""
        return (theta - self.mean) @ self.analysis.T

    def domain(self, coefficients: Tensor) -> Tensor:
        """Return domain coefficients (B, 4) at their nearest levels, with straight-through gradients."""
        levels = self.domain_levels.sort().values
        return straight_through(coefficients, levels.expand(coefficients.shape[1], -1))

    @torch.no_grad()
    def modes(self, components: Tensor, rate: int) -> Tensor:
        """Return the mode with the least squared error for components (B, Q): int64 (B,)."""
        errors = []
        for mode in range(MODES):
            count = self.stored(rate, mode)
            coded = components[:, :count]
            lost = (components[:, count:] ** 2).sum(1)
            errors.append(((rounded(coded, self.table(rate, mode)) - coded) ** 2).sum(1) + lost)
        return torch.stack(errors, 1).argmin(1)

    def forward(self, theta: Tensor, rate: int) -> Tensor:
        """Return theta (B, 4 (V + 3)) quantised at a rate, with straight-through gradients."""
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
