"""Layers that compute, in float32, exactly what the integer decoder computes.

Activations are multiples of 1/16 in [0, 127/16]; weights are multiples of 2^-shift with at most 127 steps.
Every sum is then a multiple of 2^-(shift + 4), and stays exact in float32 while its integer value is below
2^24. Rounding is floor(x + 1/2), as a right shift with rounding does it. Gradients pass straight through.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from collagecodec.training.fusing import fusible

ACTIVATION_STEPS = 16
ACTIVATION_MAX = 127


def straight_through(exact: Tensor, smooth: Tensor) -> Tensor:
    """The value of `exact` with the gradient of `smooth`."""
    return smooth + (exact - smooth).detach()


@fusible
def activate(x: Tensor) -> Tensor:
    """Clipped, quantised rectifier: values k/16 with k in 0..127."""
    steps = torch.floor(x * ACTIVATION_STEPS + 0.5).clamp(0, ACTIVATION_MAX) / ACTIVATION_STEPS
    return straight_through(steps, x.clamp(0, ACTIVATION_MAX / ACTIVATION_STEPS))


@fusible
def magnitude_feature(symbols: Tensor) -> Tensor:
    """log2(1 + |q|) in sixteenths, clipped like an activation: what the prior sees of a decoded symbol."""
    steps = torch.floor(ACTIVATION_STEPS * torch.log2(1 + symbols.abs()) + 0.5)
    return steps.clamp(0, ACTIVATION_MAX) / ACTIVATION_STEPS


@fusible
def smooth_magnitude(symbols: Tensor) -> Tensor:
    """The value of `magnitude_feature` with the gradient of log2(1 + |q|)."""
    smooth = torch.log2(1 + symbols.abs()).clamp(0, ACTIVATION_MAX / ACTIVATION_STEPS)
    steps = torch.floor(ACTIVATION_STEPS * smooth + 0.5).clamp(0, ACTIVATION_MAX) / ACTIVATION_STEPS
    return straight_through(steps, smooth)


class IntegerLayer(nn.Module):
    """Linear map of the channels, or 3x3 convolution, with integer weights; (B, C, H, W) to (B, D, H, W)."""

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
        """Weights in units of 2^-shift: whole numbers in -127..127, shape of `weight`."""
        return torch.floor(self.weight * 2**self.shift + 0.5).clamp(-127, 127)

    def integer_bias(self) -> Tensor:
        """Biases in units of 2^-(shift + 4): whole numbers."""
        return torch.floor(self.bias * (ACTIVATION_STEPS * 2**self.shift) + 0.5)

    def forward(self, x: Tensor) -> Tensor:
        """The sum before activation; real value, exact."""
        scale = 2.0**self.shift
        limit = 127 / scale
        weight = straight_through(self.integer_weight() / scale, self.weight.clamp(-limit, limit))
        bias = straight_through(self.integer_bias() / (ACTIVATION_STEPS * scale), self.bias)
        return F.conv2d(x, weight, bias, padding=self.padding)


class RateLine(nn.Module):
    """Per-channel straight line in the level (the logarithm of the step), in integers like the layers."""

    def __init__(self, channels: int, shift: int = 7) -> None:
        super().__init__()
        self.shift = shift
        self.slope = nn.Parameter(torch.zeros(channels))

    def integer_slope(self) -> Tensor:
        """Slopes in units of 2^-shift: whole numbers, not limited to 127."""
        return torch.floor(self.slope * 2**self.shift + 0.5)

    def forward(self, rate_index: Tensor) -> Tensor:
        """`rate_index` of shape (B, 1, 1, 1), multiples of 1/16; returns (B, C, 1, 1)."""
        slope = straight_through(self.integer_slope() / 2.0**self.shift, self.slope)
        return slope.view(1, -1, 1, 1) * rate_index
