"""Torch twin of `collagecodec.codecs.collage.convolution`: stacks of 3x3 integer convolutions on planes."""

from __future__ import annotations

from itertools import pairwise

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from collagecodec.codecs.collage.torch.integers import (
    ACTIVATION_STEPS,
    IntegerLayer,
    RateLine,
    activate,
    straight_through,
)

CORRECTION_STEPS = 16
"""Outputs are multiples of 1/16 pixel level."""
CORRECTION_RANGE = 2.0
"""Pixel levels for an output of 1."""


class PlaneNetwork(nn.Module):
    """A network from planes (B, 3, H, W), centred on 0, H and W even, to `outputs` maps of half their size."""

    def __init__(self, width: int, depth: int, outputs: int) -> None:
        """Create `depth` convolutions, all but the last with `width` channels; the last starts at zero."""
        super().__init__()
        widths = [12, *[width] * (depth - 1)]
        self.layers = nn.ModuleList(
            IntegerLayer(a, b, kernel=3, shift=6 if a == 12 else 7, padding=0) for a, b in pairwise(widths)
        )
        self.lines = nn.ModuleList(RateLine(width, 6 if index == 0 else 7) for index in range(depth - 1))
        self.out = IntegerLayer(width, outputs, kernel=3, shift=7, padding=0)
        nn.init.zeros_(self.out.weight)

    def hidden(self) -> list[tuple[IntegerLayer, RateLine]]:
        """Return all layers but the last, each with its line in the rate index."""
        pairs = zip(self.layers, self.lines, strict=True)
        return [(a, b) for a, b in pairs if isinstance(a, IntegerLayer) and isinstance(b, RateLine)]

    def maps(self, planes: Tensor, rate_index: Tensor) -> Tensor:
        """Return outputs (B, outputs, H / 2, W / 2), multiples of 1/16 pixel level.

        `rate_index` (B, 1, 1, 1) is in multiples of 1/16. The edge pixels of the planes are repeated outwards.
        """
        margin = 2 * (len(self.layers) + 1)
        limited = F.pad(planes, (margin,) * 4, mode="replicate").clamp(-128, 127)
        rounded = straight_through(torch.floor(limited + 0.5), limited)
        x = F.pixel_unshuffle(rounded, 2) / ACTIVATION_STEPS
        x = x.contiguous(memory_format=torch.channels_last)
        for layer, line in self.hidden():
            x = activate(layer(x) + line(rate_index))
        outputs: Tensor = self.out(x) * CORRECTION_RANGE
        steps = torch.floor(outputs * CORRECTION_STEPS + 0.5) / CORRECTION_STEPS
        return straight_through(steps, outputs)
