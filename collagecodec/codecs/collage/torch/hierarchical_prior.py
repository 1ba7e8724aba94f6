"""Torch twin of the hierarchical prior (`collagecodec.codecs.collage.hierarchical_prior`)."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import pairwise

import torch
from torch import Tensor, nn

from collagecodec.codecs.collage.hierarchical_order import (
    FIRST_PASSES,
    FIRST_STRIDE,
    Indices,
    cells_of,
    passes_of,
)
from collagecodec.codecs.collage.torch.integers import (
    ACTIVATION_MAX,
    ACTIVATION_STEPS,
    IntegerLayer,
    RateLine,
    activate,
    magnitude_feature,
)

HIDDEN, BEFORE, OWN = (128, 128, 128, 128, 96), (0, 0, 0, 64, 64), (0, 0, 0, 48, 32)
"""Widths of the networks of each slice, and of the embeddings of magnitudes; 0 stands for no embedding."""


class PassNetwork(nn.Module):
    """The network that gives the positions on the table scale of a slice's channels in a pass.

    Features (B, M, F) are those of the cell's neighbourhood, side by side.
    """

    def __init__(self, features: int, hidden: int, channels: int) -> None:
        super().__init__()
        self.near = IntegerLayer(features, hidden, shift=8)
        self.near_line = RateLine(hidden, shift=8)
        self.mix = IntegerLayer(hidden, hidden, shift=7)
        self.out = IntegerLayer(hidden, channels, shift=5)
        self.out.weight.data.mul_(0.1)
        self.line = RateLine(channels, shift=5)

    def forward(self, features: Tensor, rate: Tensor) -> Tensor:
        """Return unrounded positions (B, M, C) for features (B, M, F) and `rate` (B, 1 or M, 1) / 16."""
        hidden = activate(self.near.of_features(features) + self.near_line.of_features(rate))
        hidden = activate(self.mix.of_features(hidden))
        return self.out.of_features(hidden) + self.line.of_features(rate)


class HierarchicalPrior(nn.Module):
    """The networks of all passes of all slices, and the linear predictors of the first slice.

    `slices` holds the first channel of each slice, followed by the channel count. `hidden` gives the width of the
    networks of each slice; `before` and `own` the channels that embed the magnitudes of earlier slices and of
    the slice itself, 0 for the magnitudes themselves.
    """

    def __init__(
        self,
        slices: list[int],
        hidden: Sequence[int] = HIDDEN,
        before: Sequence[int] = BEFORE,
        own: Sequence[int] = OWN,
    ) -> None:
        super().__init__()
        self.slices = slices
        self.embed_before, self.embed_own, self.passes = nn.ModuleList(), nn.ModuleList(), nn.ModuleList()
        for index, (first, last) in enumerate(pairwise(slices)):
            self.embed_before.append(IntegerLayer(first, before[index]) if before[index] else nn.Identity())
            self.embed_own.append(IntegerLayer(last - first, own[index]) if own[index] else nn.Identity())
            width_before, width_own = before[index] or first, own[index] or last - first
            networks = [
                PassNetwork(9 * (width_before + 1) + len(each.taps) * width_own, hidden[index], last - first)
                for each in passes_of(index)
            ]
            self.passes.append(nn.ModuleList(networks))
        count = slices[1]
        self.left = nn.Parameter(torch.zeros(count))
        self.around = nn.Parameter(torch.zeros(len(FIRST_PASSES) - 1, count, count * 4))

    def networks(self, index: int) -> list[PassNetwork]:
        """Return the networks of the passes of a slice."""
        return [network for network in self.passes[index].children() if isinstance(network, PassNetwork)]

    def forward(self, symbols: Tensor, rate_index: Tensor) -> Tensor:
        """Return positions (B, C, H, W) for symbols (B, C, H, W); a pass sees the symbols of earlier passes."""
        return self.positions(magnitude_feature(symbols), rate_index)

    def positions(self, magnitudes: Tensor, rate_index: Tensor) -> Tensor:
        """Return positions (B, C, H, W) for the magnitude features (B, C, H, W) of the symbols.

        `rate_index`, in multiples of 1/16, is (B, 1, 1, 1), or that of every cell, (B, 1, H, W).
        """
        rate = rate_index.flatten(2).mT
        batch, channels, rows, columns = magnitudes.shape
        flat = magnitudes.flatten(2).mT
        one = torch.full_like(flat[..., :1], ACTIVATION_MAX / ACTIVATION_STEPS)
        positions = torch.empty_like(flat)
        for index, (first, last) in enumerate(pairwise(self.slices)):
            before = self._embedded(self.embed_before[index], flat[..., :first])
            before = _with_outside(torch.cat([before, one], 2))
            own = _with_outside(self._embedded(self.embed_own[index], flat[..., first:last]))
            for network, cells in zip(self.networks(index), cells_of(rows, columns, index), strict=True):
                near = [_gathered(before, cells.square), _gathered(own, cells.taps)]
                flat_cells = torch.from_numpy(cells.flat)
                own_rate = rate if rate.shape[1] == 1 else rate[:, flat_cells]
                positions[:, flat_cells, first:last] = network(torch.cat(near, 2), own_rate)
        return positions.mT.reshape(batch, channels, rows, columns)

    @staticmethod
    def _embedded(layer: nn.Module, magnitudes: Tensor) -> Tensor:
        return activate(layer.of_features(magnitudes)) if isinstance(layer, IntegerLayer) else magnitudes

    def means(self, codes: Tensor) -> Tensor:
        """Return integer predictions (B, S, H, W) of the first slice's integer codes from its earlier passes."""
        with torch.no_grad():
            return self.predictions(codes)

    def predictions(self, codes: Tensor, whole: Callable[[Tensor], Tensor] = torch.floor) -> Tensor:
        """Return the predictions of `means`, rounded by `whole`."""
        left, around = self.weights_of_means()
        batch, count, rows, columns = codes.shape
        known = torch.zeros_like(codes)
        step = FIRST_STRIDE
        known[:, :, ::step, step::step] = codes[:, :, ::step, :-step:step]
        known[:, :, step::step, :1] = codes[:, :, :-step:step, :1]
        means = whole((known * left.view(1, -1, 1, 1) + 128) / 256).flatten(2)
        flat = torch.cat([codes.flatten(2), torch.zeros_like(codes[..., 0, :1])], 2)
        for weights, cells in zip(around, cells_of(rows, columns, 0)[1:], strict=True):
            near = flat[:, :, torch.from_numpy(cells.mirrored).to(codes.device)]
            near = near.permute(0, 2, 3, 1).flatten(2)
            means[:, :, torch.from_numpy(cells.flat)] = whole((near @ weights.T + 128) / 256).mT
        return means.view(batch, count, rows, columns)

    def weights_of_means(self) -> tuple[Tensor, Tensor]:
        """Return the predictors in units of 1/256: left (S,), and around (P, S, 4 S) for P later passes."""
        left, around = (torch.floor(weights * 256 + 0.5) for weights in (self.left, self.around))
        return left, around


def _with_outside(features: Tensor) -> Tensor:
    """Append a cell of zeros, which stands for all cells outside the tile: (B, M, F) to (B, M + 1, F)."""
    return torch.cat([features, torch.zeros_like(features[:, :1])], 1)


def _gathered(features: Tensor, cells: Indices) -> Tensor:
    """Return the features (B, M, T F) of the cells (M, T), tap by tap."""
    index = torch.from_numpy(cells.ravel()).to(features.device)
    chosen = features.index_select(1, index)
    return chosen.view(len(features), len(cells), cells.shape[1] * features.shape[2])
