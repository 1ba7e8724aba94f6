"""Torch twin of the prior (`collagecodec.codecs.collage.prior`), which chooses the table of every symbol.

Symbols are decoded slice by slice (channels from low to high frequency) and, within a slice, pass by pass
(quincunx order). Each pass has a small network. Its inputs are the rate index and the magnitudes of all earlier
symbols in the 3x3 cells around; its outputs are positions on a continuous scale of tables, whose integers
are the tables of the file format.
"""

from __future__ import annotations

from collections.abc import Callable
from itertools import pairwise

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from collagecodec.codecs.collage.torch.integers import (
    ACTIVATION_MAX,
    ACTIVATION_STEPS,
    IntegerLayer,
    RateLine,
    activate,
    magnitude_feature,
    straight_through,
)
from collagecodec.training.fusing import fusible

TABLES = 64
FIRST_SCALE = 0.06
LAST_SCALE = 200.0
SCALE_RATIO = (LAST_SCALE / FIRST_SCALE) ** (1 / (TABLES - 1))
BEFORE, OWN, HIDDEN = 64, 32, 96
LOG2_E = 1.4426950408889634


def scaled_rate_index(step: float) -> float:
    """Return the rate index of a step in pixel levels, divided by 16.

    The computation uses integers, so every machine gets the same result.
    """
    return (int(step * 64) ** 8).bit_length() / ACTIVATION_STEPS - 1 / ACTIVATION_STEPS


def pass_masks(rows: int, columns: int, slice_index: int) -> list[Tensor]:
    """Return boolean masks (rows, columns) of the passes of a slice, in coding order.

    The first slice has three passes: cells with even row and column, cells with odd row and column, all
    others. Later slices join the first two.
    """
    i, j = torch.arange(rows)[:, None] % 2, torch.arange(columns)[None, :] % 2
    even, odd, rest = (i + j) == 0, (i + j) == 2, (i + j) == 1
    return [even, odd, rest] if slice_index == 0 else [even | odd, rest]


class PassNetwork(nn.Module):
    """The network that gives the positions on the table scale of a slice's channels in a pass."""

    def __init__(self, before: int, own: int, channels: int, hidden: int = HIDDEN) -> None:
        super().__init__()
        self.near = IntegerLayer(before + own + 2, hidden, kernel=3, shift=8)
        self.mix = IntegerLayer(hidden, hidden, shift=7)
        self.out = IntegerLayer(hidden, channels, shift=5)
        self.out.weight.data.mul_(0.1)
        self.line = RateLine(channels, shift=5)

    def forward(self, features: Tensor, rate_index: Tensor) -> Tensor:
        """Return unrounded positions (B, C, H, W) for `features` (B, F, H, W).

        `rate_index` (B, 1, 1, 1) is in multiples of 1/16.
        """
        hidden = activate(self.mix(activate(self.near(features))))
        return self.out(hidden) + self.line(rate_index)


class Prior(nn.Module):
    """The networks of all passes of all slices, and the linear predictors of the first slice.

    `slices` holds the first channel of each slice, followed by the channel count.
    """

    def __init__(self, slices: list[int], hidden: int = HIDDEN) -> None:
        super().__init__()
        self.slices = slices
        self.embed_before = nn.ModuleList()
        self.embed_own = nn.ModuleList()
        self.passes = nn.ModuleList()
        for index, (first, last) in enumerate(pairwise(slices)):
            before = BEFORE if index else 0
            self.embed_before.append(IntegerLayer(first, BEFORE) if index else nn.Identity())
            self.embed_own.append(IntegerLayer(last - first, OWN))
            count = 2 if index else 3
            self.passes.append(
                nn.ModuleList(PassNetwork(before, OWN, last - first, hidden) for _ in range(count))
            )
        count = slices[1]
        self.left = nn.Parameter(torch.zeros(count))
        self.diagonal = nn.Parameter(torch.zeros(count, count * 4))
        self.direct = nn.Parameter(torch.zeros(count, count * 4))

    def networks(self, index: int) -> list[PassNetwork]:
        """Return the networks of the passes of a slice."""
        return [network for network in self.passes[index].children() if isinstance(network, PassNetwork)]

    def forward(self, symbols: Tensor, rate_index: Tensor) -> Tensor:
        """Return positions (B, C, H, W) for symbols (B, C, H, W); a pass sees the symbols of earlier passes."""
        return self.positions(magnitude_feature(symbols), rate_index)

    def positions(self, magnitudes: Tensor, rate_index: Tensor) -> Tensor:
        """Return positions (B, C, H, W) for the magnitude features (B, C, H, W) of the symbols."""
        batch, _, rows, columns = magnitudes.shape
        plane = torch.ones_like(magnitudes[:, :1])
        context = [plane * rate_index, plane * (ACTIVATION_MAX / ACTIVATION_STEPS)]
        positions = []
        for index, (first, last) in enumerate(pairwise(self.slices)):
            before = [activate(self.embed_before[index](magnitudes[:, :first]))] if index else []
            seen = torch.zeros(rows, columns, dtype=torch.bool)
            merged = torch.zeros(batch, last - first, rows, columns, device=magnitudes.device)
            for network, mask in zip(self.networks(index), pass_masks(rows, columns, index), strict=True):
                earlier = activate(self.embed_own[index](magnitudes[:, first:last])) * seen.to(magnitudes.device)
                of_pass = network(torch.cat([*before, earlier, *context], 1), rate_index)
                merged = torch.where(mask.to(magnitudes.device), of_pass, merged)
                seen = seen | mask
            positions.append(merged)
        return torch.cat(positions, 1)

    def means(self, codes: Tensor) -> Tensor:
        """Return integer predictions (B, S, H, W) of the first slice's integer codes from its earlier passes."""
        with torch.no_grad():
            return self.predictions(codes)

    def predictions(self, codes: Tensor, whole: Callable[[Tensor], Tensor] = torch.floor) -> Tensor:
        """Return the predictions of `means`, rounded by `whole`."""
        return predict_first_slice(codes, self.weights_of_means(), whole)

    def weights_of_means(self) -> tuple[Tensor, Tensor, Tensor]:
        """Return the three predictors in units of 1/256: left (S,), diagonal and direct (S, 4 S)."""
        left, diagonal, direct = (torch.floor(w * 256 + 0.5) for w in (self.left, self.diagonal, self.direct))
        return left, diagonal, direct


def predict_first_slice(
    codes: Tensor, weights: tuple[Tensor, Tensor, Tensor], whole: Callable[[Tensor], Tensor] = torch.floor
) -> Tensor:
    """Return predictions (B, S, H, W), rounded by `whole`, for integer codes (B, S, H, W).

    Cells with even row and column are predicted from the nearest such cell to the left, in the first column
    from above. Cells with odd row and column are predicted from their four diagonal neighbours, all others from
    their four direct neighbours. Neighbours outside are reflected; a single row or column has zeros there.
    """
    left, diagonal, direct = weights
    _, _, rows, columns = codes.shape
    known = torch.zeros_like(codes)
    known[:, :, ::2, 2::2] = codes[:, :, ::2, :-2:2]
    known[:, :, 2::2, :1] = codes[:, :, :-2:2, :1]
    means = whole((known * left.view(1, -1, 1, 1) + 128) / 256)
    wide = F.pad(codes, (0, 0, 1, 1), mode="reflect" if rows > 1 else "constant")
    wide = F.pad(wide, (1, 1, 0, 0), mode="reflect" if columns > 1 else "constant")

    def neighbours(offsets: list[tuple[int, int]]) -> Tensor:
        return torch.cat([wide[:, :, 1 + y : 1 + y + rows, 1 + x : 1 + x + columns] for y, x in offsets], 1)

    masks = pass_masks(rows, columns, 0)
    for mask, offsets, matrix in (
        (masks[1], [(-1, -1), (-1, 1), (1, -1), (1, 1)], diagonal),
        (masks[2], [(-1, 0), (0, -1), (0, 1), (1, 0)], direct),
    ):
        sums = torch.einsum("dc,bchw->bdhw", matrix, neighbours(offsets))
        means = torch.where(mask.to(codes.device), whole((sums + 128) / 256), means)
    return means


@fusible
def scale_of(position: Tensor) -> Tensor:
    """Return the Laplace scale b, in quantiser steps, of positions on the table scale, clipped to the tables."""
    limited = straight_through(position.clamp(0, TABLES - 1), position.clamp(-8, TABLES + 8))
    return FIRST_SCALE * SCALE_RATIO**limited


@fusible
def laplace_bits(values: Tensor, scale: Tensor) -> Tensor:
    """Return the bits of values coded with unit bins under a zero-mean Laplace distribution of scale b."""
    distance = values.abs()
    tails = torch.exp(-(0.5 - distance).clamp(min=0) / scale) + torch.exp(-(0.5 + distance) / scale)
    near = -torch.log2((1 - 0.5 * tails).clamp(min=1e-6))
    edge = (distance - 0.5).clamp(min=0) / scale * LOG2_E
    far = edge - torch.log2(-0.5 * torch.expm1(-1 / scale))
    return torch.where(distance < 0.5, near, far)
