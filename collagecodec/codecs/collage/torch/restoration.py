"""Torch twin of the restoration (`collagecodec.codecs.collage.restoration`): a small network after the synthesis.

Its inputs are the synthesised planes, rounded to pixel levels, in blocks of 2x2 pixels; its output is a
correction of the planes.
"""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional as F

from collagecodec.codecs.collage.torch.convolution import PlaneNetwork
from collagecodec.codecs.collage.torch.integers import IntegerLayer

WIDTH, DEPTH = 48, 5


class Restoration(PlaneNetwork):
    """A network that restores planes (B, 3, H, W), centred on 0, H and W even; the shape does not change."""

    def __init__(self, width: int = WIDTH, depth: int = DEPTH) -> None:
        super().__init__(width, depth, outputs=12)

    def grown(self, width: int, depth: int) -> Restoration:
        """Return a larger restoration with the same corrections, up to the rounding of 8-bit weights.

        Existing channels keep their weights. New channels have random input weights and zero output weights,
        and new layers copy their input. Raises ValueError for a smaller width or depth.
        """
        before = len(self.layers) + 1
        if width < self.out.weight.shape[1] or depth < before:
            raise ValueError(f"a restoration of {before} layers cannot become one of {depth}, {width} wide")
        larger = Restoration(width, depth)
        with torch.no_grad():
            for new, old in zip(larger.hidden(), [*self.hidden(), *[None] * (depth - before)], strict=True):
                _copy_weights(new[0], old[0] if old else None)
                if old:
                    new[1].slope[: len(old[1].slope)] = old[1].slope
            _copy_weights(larger.out, self.out)
        return larger

    def forward(self, planes: Tensor, rate_index: Tensor) -> Tensor:
        """Restore the planes; `rate_index` (B, 1, 1, 1). The edge pixels of the picture are repeated outwards."""
        return planes + F.pixel_shuffle(self.maps(planes, rate_index), 2)


def _copy_weights(new: IntegerLayer, old: IntegerLayer | None) -> None:
    """Give a layer the weights of `old`, with zeros for new inputs; without `old` it copies its input."""
    if old is None:
        channels = new.weight.shape[1]
        new.weight.zero_()
        new.weight[range(channels), range(channels), 1, 1] = 127 / 128
        return
    outputs, inputs = old.weight.shape[:2]
    new.weight[:outputs] = 0
    new.weight[:outputs, :inputs] = old.weight
    new.bias[:outputs] = old.bias
