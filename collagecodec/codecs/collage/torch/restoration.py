"""Torch twin of the restoration (`collagecodec.codecs.collage.restoration`): a small network after the synthesis.

It sees the synthesised planes two by two pixels at a time and returns a correction of them. Its integers are
those of the prior; its picture inputs are whole pixel levels.
"""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional as F

from collagecodec.codecs.collage.torch.convolution import PlaneNetwork
from collagecodec.codecs.collage.torch.integers import IntegerLayer

WIDTH = 32


class Restoration(PlaneNetwork):
    """Planes (B, 3, H, W) centred on 0, H and W even, to restored planes of the same shape."""

    def __init__(self, width: int = WIDTH, depth: int = 4) -> None:
        super().__init__(width, depth, outputs=12)

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

    def forward(self, planes: Tensor, rate_index: Tensor) -> Tensor:
        """`rate_index` (B, 1, 1, 1). Around the picture its outermost pixels are repeated."""
        return planes + F.pixel_shuffle(self.maps(planes, rate_index), 2)


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
