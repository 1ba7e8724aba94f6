"""Torch twin of the restoration (`collagecodec.collage.restoration`): a small network after the synthesis.

It sees the synthesised planes two by two pixels at a time and returns a correction of them. Its integers are
those of the prior; its picture inputs are whole pixel levels.
"""

from __future__ import annotations

from itertools import pairwise

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from collagecodec.networks.integers import (
    ACTIVATION_STEPS,
    IntegerLayer,
    LevelLine,
    activate,
    straight_through,
)

WIDTH = 32
CORRECTION_STEPS = 16
"""Corrections are multiples of 1/16 of a pixel level."""
CORRECTION_RANGE = 2.0
"""Pixel levels of correction for an output of 1."""


class Restoration(nn.Module):
    """Planes (B, 3, H, W) centred on 0, H and W even, to restored planes of the same shape."""

    def __init__(self, width: int = WIDTH, depth: int = 4) -> None:
        super().__init__()
        widths = [12, *[width] * (depth - 1)]
        self.layers = nn.ModuleList(
            IntegerLayer(a, b, kernel=3, shift=6 if a == 12 else 7, padding=0) for a, b in pairwise(widths)
        )
        self.lines = nn.ModuleList(LevelLine(width, 6 if index == 0 else 7) for index in range(depth - 1))
        self.out = IntegerLayer(width, 12, kernel=3, shift=7, padding=0)
        nn.init.zeros_(self.out.weight)

    def hidden(self) -> list[tuple[IntegerLayer, LevelLine]]:
        """The layers before the last, each with its line in the level."""
        pairs = zip(self.layers, self.lines, strict=True)
        return [(a, b) for a, b in pairs if isinstance(a, IntegerLayer) and isinstance(b, LevelLine)]

    def grown(self, width: int, depth: int) -> Restoration:
        """A larger restoration that starts where this one is: the same corrections, but for what 8-bit weights
        round off one more layer.

        Kept channels keep their weights, new channels are read with random weights and not yet listened to,
        and new layers copy their input. Raises ValueError for a smaller width or depth.
        """
        before = len(self.layers) + 1
        if width < self.out.weight.shape[1] or depth < before:
            raise ValueError(f"a restoration of {before} layers cannot become one of {depth}, {width} wide")
        larger = Restoration(width, depth)
        with torch.no_grad():
            for new, old in zip(larger.hidden(), [*self.hidden(), *[None] * (depth - before)], strict=True):
                _settle(new[0], old[0] if old else None)
                if old:
                    new[1].slope[: len(old[1].slope)] = old[1].slope
            _settle(larger.out, self.out)
        return larger

    def forward(self, planes: Tensor, level: Tensor) -> Tensor:
        """`level` (B, 1, 1, 1). Around the picture its outermost pixels are repeated."""
        margin = 2 * (len(self.layers) + 1)
        limited = F.pad(planes, (margin,) * 4, mode="replicate").clamp(-128, 127)
        whole = straight_through(torch.floor(limited + 0.5), limited)
        x = F.pixel_unshuffle(whole, 2) / ACTIVATION_STEPS
        x = x.contiguous(memory_format=torch.channels_last)
        for layer, line in zip(self.layers, self.lines, strict=True):
            x = activate(layer(x) + line(level))
        correction = F.pixel_shuffle(self.out(x), 2) * CORRECTION_RANGE
        steps = torch.floor(correction * CORRECTION_STEPS + 0.5) / CORRECTION_STEPS
        return planes + straight_through(steps, correction)


def _settle(new: IntegerLayer, old: IntegerLayer | None) -> None:
    """Give a grown layer the weights of `old`, or let it copy its input; new inputs weigh nothing yet."""
    if old is None:
        kept = new.weight.shape[1]
        new.weight.zero_()
        new.weight[range(kept), range(kept), 1, 1] = 127 / 128
        return
    outputs, inputs = old.weight.shape[:2]
    new.weight[:outputs] = 0
    new.weight[:outputs, :inputs] = old.weight
    new.bias[:outputs] = old.bias
