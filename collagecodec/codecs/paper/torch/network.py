"""The Neural Collage of Poli et al. 2022 on 40x40 blocks, in torch: hypernetwork, auxiliary domains, code.

A forward pass maps a block to a, b and gamma of its collage. Their observable products are quantised to fixed
widths, and the fixed point is decoded from the quantised values, at both rates of the model.

From the paper: the operator on blocks, auxiliary domains learned for all pictures, tanh a and b, softmax gamma,
an L2 loss on picture and code, fixed-width codes. Different here: the hypernetwork starts from a linear analysis
instead of noise, and a rotation precedes quantisation, which makes better use of 208 or 496 bits.
"""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from collagecodec.codecs.paper.decoder import (
    AMPLITUDE,
    BLOCK,
    BLOCK_BITS,
    CELL,
    CELLS,
    CHANNELS,
    MAX_DOMAIN,
    MIDDLE,
    OFFSET_GAIN,
    block_geometry,
)
from collagecodec.codecs.paper.torch.quantiser import Quantiser
from collagecodec.operator.torch_operator import CodeTensors, TorchOperator

ATOMS, COMPONENTS = 64, 208
ITERATIONS = 12
SAMPLES = CHANNELS * CELL * CELL
STRONGEST = 0.98
"""Limit of the sum of |c| over the terms of a cell, and so of |a|."""


def cut_cells(blocks: Tensor) -> Tensor:
    """Return the range cells (B, 4, 3 * 20 * 20) of blocks (B, 3, 40, 40)."""
    parts = blocks.reshape(-1, CHANNELS, 2, CELL, 2, CELL).permute(0, 2, 4, 1, 3, 5)
    return parts.reshape(-1, CELLS, SAMPLES)


class Factors(NamedTuple):
    """The hypernetwork's output for blocks in the paper's terms, before quantisation."""

    a: Tensor
    """Factors in (-1, 1), (B, 4, 1 + V), the domain first; all terms of a range cell have the same magnitude."""
    gamma: Tensor
    """Weights on the simplex, (B, 4, 1 + V)."""
    b: Tensor
    """Offsets in (-1, 1), in units of 128 pixel levels: (B, 4, 3)."""


def factorise(raw: Tensor, offset: Tensor) -> Factors:
    """Return a, gamma and b with gamma * a = `raw` (B, 4, 1 + V) and b = `offset` (B, 4, 3).

    gamma is the softmax of log|raw|, and a the hyperbolic tangent of a strength. gamma * a equals raw as long as
    sum|raw| is below `STRONGEST`.
    """
    size = raw.abs() + 1e-12
    total = size.sum(-1, keepdim=True)
    strength = torch.atanh(total.clamp(max=STRONGEST))
    sign = torch.where(raw < 0, -1.0, 1.0)
    return Factors(
        a=sign * torch.tanh(strength),
        gamma=torch.softmax(torch.log(size), -1),
        b=torch.tanh(torch.atanh(offset.clamp(-0.995, 0.995))),
    )


class Analysis(nn.Module):
    """The linear part of the hypernetwork: projections of each range cell on atoms and on its means."""

    def __init__(self, atoms: int) -> None:
        super().__init__()
        self.rows = nn.Parameter(torch.randn(atoms, SAMPLES) / SAMPLES**0.5)
        means = torch.eye(CHANNELS)[:, :, None].expand(-1, -1, CELL * CELL) / CELL
        self.means = nn.Parameter(means.reshape(CHANNELS, SAMPLES).clone())

    def forward(self, cells: Tensor) -> Tensor:
        """Return projections (B, 4, V + 3), scaled as an orthonormal transform, of cells (B, 4, 1200)."""
        return cells @ torch.cat([self.rows, self.means]).T

    def match(self, cells: Tensor, domain: Tensor) -> Tensor:
        """Return the least-squares coefficient (B, 4) of the pooled domain (B, 1, 1200) for each cell.

        Only the components of cell and domain that atoms and means cannot represent are compared.
        """
        smooth = torch.cat([self.rows, self.means]).detach()
        cells = cells - cells @ smooth.T @ smooth
        domain = domain - domain @ smooth.T @ smooth
        return (cells * domain).sum(-1) / ((domain**2).sum(-1) + SAMPLES)


class HyperNetwork(nn.Module):
    """The convolutional part, which corrects domain coefficients, auxiliary coefficients and offsets."""

    def __init__(self, atoms: int, width: int = 96, hidden: int = 256) -> None:
        super().__init__()
        numbers = CELLS * (atoms + CHANNELS)
        self.stem = nn.Conv2d(48, width, 3, padding=1)
        self.first = nn.Conv2d(width, width, 3, padding=1)
        self.second = nn.Conv2d(width, width, 3, padding=1)
        self.down = nn.Conv2d(width, width, 2, stride=2)
        self.flat = nn.Linear(width * 25, hidden)
        self.linear = nn.Linear(numbers + CELLS, hidden, bias=False)
        self.out = nn.Linear(hidden, numbers + CELLS)
        nn.init.zeros_(self.second.weight)
        nn.init.zeros_(self.out.weight)
        nn.init.zeros_(self.out.bias)

    def forward(self, blocks: Tensor, linear: Tensor, match: Tensor) -> tuple[Tensor, Tensor]:
        """Return corrections of theta (B, 4, V + 3) and of domain coefficients (B, 4), for (B, 3, 40, 40)."""
        x = self.stem(F.pixel_unshuffle(blocks / 64, 4))
        x = x + self.second(torch.relu(self.first(torch.relu(x))))
        x = self.flat(torch.relu(self.down(torch.relu(x))).flatten(1))
        compressed = torch.sign(linear) * torch.log2(1 + linear.abs() / 16)
        x = x + self.linear(torch.cat([compressed.flatten(1), 4 * match], 1))
        corrections = self.out(torch.relu(x))
        domain, theta = corrections[:, :CELLS], corrections[:, CELLS:]
        return 64 * theta.view(linear.shape), 0.25 * domain


class Dictionary(nn.Module):
    """The learned auxiliary domains U_v, which all pictures share."""

    def __init__(self, atoms: int) -> None:
        super().__init__()
        self.atoms = nn.Parameter(torch.randn(atoms, CHANNELS, CELL, CELL) / SAMPLES**0.5)

    def forward(self) -> Tensor:
        """Return the atoms in pixel levels: (V, 3, 20, 20)."""
        return self.atoms * AMPLITUDE


class Decoded(NamedTuple):
    """A batch of decoded blocks at a rate."""

    picture: Tensor
    """Fixed points in pixel levels around 0: (B, 3, 40, 40)."""
    error: Tensor
    """Mean squared error of each block in squared pixel levels: (B,)."""


class PaperNetwork(nn.Module):
    """All trained parts of `collage-paper`."""

    def __init__(self, atoms: int = ATOMS, components: int | None = None) -> None:
        super().__init__()
        numbers = CELLS * (atoms + CHANNELS)
        self.analysis = Analysis(atoms)
        self.hypernetwork = HyperNetwork(atoms)
        self.dictionary = Dictionary(atoms)
        self.quantiser = Quantiser(numbers, components or min(numbers, COMPONENTS), len(BLOCK_BITS))
        self.operator = TorchOperator(block_geometry())

    def factors(self, blocks: Tensor) -> Factors:
        """Return the code, in the paper's terms, of blocks (B, 3, 40, 40) in pixel levels around 0."""
        cells, pooled = cut_cells(blocks), F.avg_pool2d(blocks, BLOCK // CELL).flatten(1)[:, None]
        match = self.analysis.match(cells, pooled)
        linear = self.analysis(cells)
        theta, domain = self.hypernetwork(blocks, linear, match)
        domain = (match + domain).clamp(-MAX_DOMAIN, MAX_DOMAIN)
        # The atoms represent the remainder after the domain term, as in the collage of the block.
        stored = self.quantiser.domain(domain)
        theta = theta + self.analysis(cells - stored[..., None] * pooled)
        auxiliary, offset = theta[..., :-CHANNELS] / AMPLITUDE, theta[..., -CHANNELS:]
        raw = torch.cat([domain[..., None], auxiliary], -1)
        return factorise(raw, offset / (OFFSET_GAIN * MIDDLE))

    def theta(self, factors: Factors) -> tuple[Tensor, Tensor]:
        """Return the observable products of a code: domain coefficients (B, 4), others (B, 4 (V + 3)) scaled."""
        products = factors.gamma * factors.a
        scaled = torch.cat([products[..., 1:] * AMPLITUDE, factors.b * (MIDDLE * OFFSET_GAIN)], -1)
        return products[..., 0], scaled.flatten(1)

    def picture(self, domain: Tensor, theta: Tensor) -> Tensor:
        """Return the fixed points (B, 3, 40, 40) of stored values, in pixel levels around 0."""
        by_cell = theta.view(len(theta), CELLS, -1)
        code = CodeTensors(
            domain=domain[:, None, :, None],
            auxiliary=by_cell[:, None, :, :-CHANNELS] / AMPLITUDE,
            offset=by_cell[..., -CHANNELS:].transpose(1, 2) / OFFSET_GAIN,
        )
        start = theta.new_zeros(len(theta), CHANNELS, BLOCK, BLOCK)
        return self.operator.fixed_point(code, self.dictionary(), start, ITERATIONS)

    def forward(self, rgb: Tensor) -> tuple[list[Decoded], Factors]:
        """Encode and decode blocks (B, 3, 40, 40) in 0..255; return a `Decoded` for each rate, and the code."""
        blocks = rgb - MIDDLE
        factors = self.factors(blocks)
        domain, theta = self.theta(factors)
        stored = self.quantiser.domain(domain)
        decoded = []
        for rate in range(len(BLOCK_BITS)):
            picture = self.picture(stored, self.quantiser(theta, rate))
            decoded.append(Decoded(picture, ((picture - blocks) ** 2).mean((1, 2, 3))))
        return decoded, factors

    @torch.no_grad()
    def components(self, rgb: Tensor) -> tuple[Tensor, Tensor]:
        """Return domain coefficients (B, 4) and components (B, Q) of blocks (B, 3, 40, 40) in 0..255."""
        domain, theta = self.theta(self.factors(rgb - MIDDLE))
        return domain, self.quantiser.rotate(theta)
