"""Torch twin of `collagecodec.codecs.collage.integers`: float32 layers with the results of the integer decoder.

Activations are multiples of 1/16 in 0..127/16; weights are multiples of 2^-shift, at most 127 of them. Every
sum is a multiple of 2^-(shift + 4) and exact in float32 as long as the multiple is below 2^24. Rounding is
floor(x + 1/2), as in a right shift with rounding. Gradients pass through roundings unchanged.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from collagecodec.training.fusing import fusible

ACTIVATION_STEPS = 16
ACTIVATION_MAX = 127


def straight_through(exact: Tensor, smooth: Tensor) -> Tensor:
    """Return the value of `exact` with the gradient of `smooth`."""
    return smooth + (exact - smooth).detach()


@fusible
def activate(x: Tensor) -> Tensor:
    """Rectify, clip and round to multiples k/16 with k in 0..127."""
    steps = torch.floor(x * ACTIVATION_STEPS + 0.5).clamp(0, ACTIVATION_MAX) / ACTIVATION_STEPS
    return straight_through(steps, x.clamp(0, ACTIVATION_MAX / ACTIVATION_STEPS))


@fusible
def magnitude_feature(symbols: Tensor) -> Tensor:
    """Return log2(1 + |q|) rounded to 1/16 and clipped like an activation: the prior's input for a symbol q."""
    steps = torch.floor(ACTIVATION_STEPS * torch.log2(1 + symbols.abs()) + 0.5)
    return steps.clamp(0, ACTIVATION_MAX) / ACTIVATION_STEPS


@fusible
def smooth_magnitude(symbols: Tensor) -> Tensor:
    """Return the value of `magnitude_feature` with the gradient of log2(1 + |q|)."""
    smooth = torch.log2(1 + symbols.abs()).clamp(0, ACTIVATION_MAX / ACTIVATION_STEPS)
    steps = torch.floor(ACTIVATION_STEPS * smooth + 0.5).clamp(0, ACTIVATION_MAX) / ACTIVATION_STEPS
    return straight_through(steps, smooth)


class IntegerLayer(nn.Module):
    """A convolution with integer weights and a 1x1 or 3x3 kernel, from (B, C, H, W) to (B, D, H, W)."""

    def __init__(
        self, inputs: int, outputs: int, kernel: int = 1, shift: int = 7, padding: int | None = None
    ) -> None:
        super().__init__()
        self.kernel, self.shift = kernel, shift
        self.padding = kernel // 2 if padding is None else padding
        spread = (2.0 / (inputs * kernel * kernel)) ** 0.5
        self.weight = nn.Parameter(torch.randn(outputs, inputs, kernel, kernel) * spread)
        self.bias = nn.Parameter(torch.zeros(outputs))

    def integer_weight(self) -> Tensor:
        """Return the weights in units of 2^-shift: integers -127..127 in the shape of `weight`."""
        return torch.floor(self.weight * 2**self.shift + 0.5).clamp(-127, 127)

    def integer_bias(self) -> Tensor:
        """Return the biases (D,) in units of 2^-(shift + 4): integers."""
        return torch.floor(self.bias * (ACTIVATION_STEPS * 2**self.shift) + 0.5)

    def forward(self, x: Tensor) -> Tensor:
        """Return the exact sums before activation, (B, D, H, W)."""
        weight, bias = self._rounded()
        return F.conv2d(x, weight, bias, padding=self.padding)

    def of_features(self, x: Tensor) -> Tensor:
        """Return the exact sums (..., D) of a 1x1 layer for features (..., C)."""
        weight, bias = self._rounded()
        return F.linear(x, weight[..., 0, 0], bias)

    def _rounded(self) -> tuple[Tensor, Tensor]:
        """Return weights and biases as the decoder has them, with the gradient of the unrounded ones."""
        scale = 2.0**self.shift
        limit = 127 / scale
        weight = straight_through(self.integer_weight() / scale, self.weight.clamp(-limit, limit))
        return weight, straight_through(self.integer_bias() / (ACTIVATION_STEPS * scale), self.bias)


class RateLine(nn.Module):
    """A slope for every channel, in integers like the layers, that is multiplied by the rate index."""

    def __init__(self, channels: int, shift: int = 7) -> None:
        super().__init__()
        self.shift = shift
        self.slope = nn.Parameter(torch.zeros(channels))

    def integer_slope(self) -> Tensor:
        """Return the slopes (C,) in units of 2^-shift: integers, not limited to 127."""
        return torch.floor(self.slope * 2**self.shift + 0.5)

    def forward(self, rate_index: Tensor) -> Tensor:
        """Return the line's values (B, C, 1, 1); `rate_index` (B, 1, 1, 1) is in multiples of 1/16."""
        return self._rounded().view(1, -1, 1, 1) * rate_index

    def of_features(self, rate: Tensor) -> Tensor:
        """Return the line's values (B, M, C) for rate indices (B, M, 1)."""
        return self._rounded() * rate

    def _rounded(self) -> Tensor:
        return straight_through(self.integer_slope() / 2.0**self.shift, self.slope)
