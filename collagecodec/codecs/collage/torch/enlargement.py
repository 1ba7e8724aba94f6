"""Torch twin of the enlargement (`collagecodec.codecs.collage.enlargement`): planes at twice their size."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional as F

from collagecodec.codecs.collage.torch.convolution import PlaneNetwork
from collagecodec.sampling.resample import PHASES, UNIT, cubic_weights

WIDTH, DEPTH = 32, 4


class Enlargement(PlaneNetwork):
    """Planes (B, 3, H, W) centred on 0, H and W even, to planes (B, 3, 2 H, 2 W)."""

    def __init__(self, width: int = WIDTH, depth: int = DEPTH) -> None:
        super().__init__(width, depth, outputs=48)
        nearer = torch.from_numpy(cubic_weights()[[3 * PHASES // 4, PHASES // 4]]).float() / UNIT
        self.register_buffer("kernel", nearer.view(2, 1, 6), persistent=False)

    kernel: Tensor
    """Weights of the six nearest pixels for the first and the second of two finer ones, (2, 1, 6)."""

    def forward(self, planes: Tensor, rate_index: Tensor) -> Tensor:
        """`rate_index` (B, 1, 1, 1). Around the picture its outermost pixels are repeated."""
        return self.doubled(planes) + self.detail(planes, rate_index)

    def detail(self, planes: Tensor, rate_index: Tensor) -> Tensor:
        """What the network adds, (B, 3, 2 H, 2 W)."""
        batch, channels, height, width = planes.shape
        maps = self.maps(planes, rate_index)
        # Outputs: plane, row and column of the pair, finer row and column.
        detail = maps.view(batch, channels, 2, 2, 2, 2, height // 2, width // 2)
        return detail.permute(0, 1, 6, 2, 4, 7, 3, 5).reshape(batch, channels, 2 * height, 2 * width)

    def doubled(self, planes: Tensor) -> Tensor:
        """The planes at twice their size by the cubic kernel alone."""
        return self._columns(self._columns(planes.mT).mT)

    def _columns(self, planes: Tensor) -> Tensor:
        """Twice as many columns, by the cubic kernel."""
        shape = planes.shape
        rows = F.pad(planes.reshape(-1, 1, shape[-1]), (3, 3), mode="replicate")
        found = F.conv1d(rows, self.kernel)
        pairs = torch.stack([found[:, 0, :-1], found[:, 1, 1:]], -1)
        return pairs.reshape(*shape[:-1], 2 * shape[-1])
