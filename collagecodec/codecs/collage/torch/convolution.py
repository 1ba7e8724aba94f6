"""Stacks of 3x3 integer convolutions on planes: torch twin of `collagecodec.codecs.collage.convolution`."""

from __future__ import annotations

from itertools import pairwise

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from collagecodec.codecs.collage.torch.integers import (
    ACTIVATION_STEPS,
    IntegerLayer,
    LevelLine,
    activate,
    straight_through,
)

CORRECTION_STEPS = 16
"""Outputs are multiples of 1/16 of a pixel level."""
CORRECTION_RANGE = 2.0
"""Pixel levels for an output of 1."""


class PlaneNetwork(nn.Module):
    """Planes (B, 3, H, W) centred on 0, H and W even, to `outputs` maps of half their size."""

    def __init__(self, width: int, depth: int, outputs: int) -> None:
        """`depth` convolutions, all but the last of `width` channels; the last one starts at zero."""
        super().__init__()
        widths = [12, *[width] * (depth - 1)]
        self.layers = nn.ModuleList(
            IntegerLayer(a, b, kernel=3, shift=6 if a == 12 else 7, padding=0) for a, b in pairwise(widths)
        )
        self.lines = nn.ModuleList(LevelLine(width, 6 if index == 0 else 7) for index in range(depth - 1))
        self.out = IntegerLayer(width, outputs, kernel=3, shift=7, padding=0)
        nn.init.zeros_(self.out.weight)

    def hidden(self) -> list[tuple[IntegerLayer, LevelLine]]:
        """The layers before the last, each with its line in the level."""
        pairs = zip(self.layers, self.lines, strict=True)
        return [(a, b) for a, b in pairs if isinstance(a, IntegerLayer) and isinstance(b, LevelLine)]

    def maps(self, planes: Tensor, level: Tensor) -> Tensor:
        """Multiples of 1/16 level (B, outputs, H / 2, W / 2) for `level` (B, 1, 1, 1). Around the planes their
        outermost pixels are repeated."""
        margin = 2 * (len(self.layers) + 1)
        limited = F.pad(planes, (margin,) * 4, mode="replicate").clamp(-128, 127)
        whole = straight_through(torch.floor(limited + 0.5), limited)
        x = F.pixel_unshuffle(whole, 2) / ACTIVATION_STEPS
        x = x.contiguous(memory_format=torch.channels_last)
        for layer, line in self.hidden():
            x = activate(layer(x) + line(level))
        found: Tensor = self.out(x) * CORRECTION_RANGE
        steps = torch.floor(found * CORRECTION_STEPS + 0.5) / CORRECTION_STEPS
        return straight_through(steps, found)
