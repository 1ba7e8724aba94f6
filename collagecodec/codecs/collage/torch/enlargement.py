"""Torch twin of the enlargement (`collagecodec.codecs.collage.enlargement`): planes at twice their size."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional as F

from collagecodec.codecs.collage.torch.convolution import PlaneNetwork
from collagecodec.sampling.resample import PHASES, UNIT, cubic_weights

WIDTH, DEPTH = 32, 4


class Enlargement(PlaneNetwork):
    """A network from planes (B, 3, H, W), centred on 0, H and W even, to planes (B, 3, 2 H, 2 W)."""

    def __init__(self, width: int = WIDTH, depth: int = DEPTH) -> None:
        super().__init__(width, depth, outputs=48)
        nearer = torch.from_numpy(cubic_weights()[[3 * PHASES // 4, PHASES // 4]]).float() / UNIT
        self.register_buffer("kernel", nearer.view(2, 1, 6), persistent=False)

    kernel: Tensor
    """Weights of the six nearest pixels for the first and the second of two finer pixels, (2, 1, 6)."""

    def forward(self, planes: Tensor, rate_index: Tensor) -> Tensor:
        """Double the planes; `rate_index` (B, 1, 1, 1). The edge pixels of the picture are repeated outwards."""
        return self.doubled(planes) + self.detail(planes, rate_index)

    def detail(self, planes: Tensor, rate_index: Tensor) -> Tensor:
        """Return the correction that the network adds to the kernel's result, (B, 3, 2 H, 2 W)."""
        batch, channels, height, width = planes.shape
        maps = self.maps(planes, rate_index)
        # Outputs: plane, row and column in the block of 2x2 pixels, row and column of the finer pixel.
        detail = maps.view(batch, channels, 2, 2, 2, 2, height // 2, width // 2)
        return detail.permute(0, 1, 6, 2, 4, 7, 3, 5).reshape(batch, channels, 2 * height, 2 * width)

    def doubled(self, planes: Tensor) -> Tensor:
        """Double the planes by the cubic kernel alone: (B, 3, 2 H, 2 W)."""
        return self._columns(self._columns(planes.mT).mT)

    def _columns(self, planes: Tensor) -> Tensor:
        """Double the columns by the cubic kernel."""
        shape = planes.shape
        rows = F.pad(planes.reshape(-1, 1, shape[-1]), (3, 3), mode="replicate")
        finer = F.conv1d(rows, self.kernel)
        pairs = torch.stack([finer[:, 0, :-1], finer[:, 1, 1:]], -1)
        return pairs.reshape(*shape[:-1], 2 * shape[-1])
