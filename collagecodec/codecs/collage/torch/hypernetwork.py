"""The hypernetwork: improves the codes of the linear analysis in a forward pass.

From the picture and the linear codes it predicts a correction and a threshold for every code. The threshold
is a smooth form of rate-distortion optimised quantisation: it pulls codes towards zero where the error
that they save is not worth their rate.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F


class Modulation(nn.Module):
    """Scales and shifts each channel depending on the step (FiLM, Perez et al. 2018)."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.inner = nn.Linear(2, 32)
        self.outer = nn.Linear(32, 2 * channels)
        nn.init.zeros_(self.outer.weight)
        nn.init.zeros_(self.outer.bias)

    def forward(self, x: Tensor, log_step: Tensor) -> Tensor:
        """Modulate `x` (B, C, H, W); `log_step` (B,) is half the binary logarithm of the step code, 0..8."""
        centred = (log_step - 6).unsqueeze(1)
        scale, shift = self.outer(torch.relu(self.inner(torch.cat([centred, centred**2], 1)))).chunk(2, 1)
        return x * (1 + scale[..., None, None]) + shift[..., None, None]


class Residual(nn.Module):
    """A residual block: x + conv(relu(modulate(conv(relu(x)))))."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.first = nn.Conv2d(channels, channels, 3, padding=1)
        self.modulation = Modulation(channels)
        self.second = nn.Conv2d(channels, channels, 3, padding=1)
        nn.init.zeros_(self.second.weight)

    def forward(self, x: Tensor, log_step: Tensor) -> Tensor:
        """Apply the block to `x` (B, C, H, W); the shape does not change."""
        return x + self.second(torch.relu(self.modulation(self.first(torch.relu(x)), log_step)))


class HyperNetwork(nn.Module):
    """The network from framed planes and linear codes to improved codes, both in quantiser steps."""

    def __init__(self, channels: int, widths: tuple[int, int, int] = (64, 128, 256)) -> None:
        super().__init__()
        fine, middle, coarse = widths
        self.stem = nn.Conv2d(48, fine, 3, padding=1)
        self.down = nn.Conv2d(fine, middle, 3, stride=2, padding=1)
        self.local = Residual(middle)
        self.cells = nn.Conv2d(middle, coarse, 4, stride=2)
        self.codes = nn.Conv2d(2 * channels, coarse, 1)
        self.wide = nn.ModuleList([Residual(coarse), Residual(coarse)])
        self.out = nn.Conv2d(coarse, 2 * channels, 1)
        nn.init.zeros_(self.out.weight)
        with torch.no_grad():
            bias = torch.cat([torch.zeros(channels), torch.full((channels,), -1.0)])
            self.out.bias = nn.Parameter(bias)

    def forward(self, ycc: Tensor, linear: Tensor, log_step: Tensor) -> Tensor:
        """Return improved codes (B, C, R, S), before rounding.

        `ycc` (B, 3, n (R + 1), n (S + 1)) are framed planes centred on 0, `linear` (B, C, R, S) linear codes
        in quantiser steps; `log_step` (B,) is half the binary logarithm of the step code.
        """
        x = F.pixel_unshuffle(ycc / 64, 4)
        x = self.down(torch.relu(self.stem(x)))
        x = self.cells(torch.relu(self.local(x, log_step)))
        clipped = linear.clamp(-3, 3)
        x = x + self.codes(torch.cat([clipped, torch.log2(1 + linear.abs())], 1))
        for block in self.wide:
            x = block(x, log_step)
        correction, threshold = self.out(torch.relu(x)).float().chunk(2, 1)
        codes = linear + correction
        return codes - 0.5 * torch.sigmoid(threshold) * torch.tanh(2 * codes)
