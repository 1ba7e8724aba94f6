"""The whole production codec in torch: analysis, hypernetwork, quantiser, prior, synthesis."""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor, nn

from collagecodec.codecs.collage.torch.enlargement import Enlargement
from collagecodec.codecs.collage.torch.hypernetwork import HyperNetwork
from collagecodec.codecs.collage.torch.prior import Prior, laplace_bits, rate_index_of, scale_of
from collagecodec.codecs.collage.torch.restoration import Restoration
from collagecodec.codecs.collage.torch.transform import Dictionary, frame, rgb_from_ycc, ycc_from_rgb

ATOMS = (256, 64, 64)
SLICE_ENDS = ((10, 3, 3), (48, 16, 16), (128, 40, 40), (256, 64, 64))
"""Atoms of each plane in the first 1, 2, 3, 4 slices."""


def slice_layout(
    atoms: tuple[int, int, int] = ATOMS, ends: tuple[tuple[int, int, int], ...] = SLICE_ENDS
) -> tuple[list[int], list[int]]:
    """First channel of each slice (channel count last), and for each channel its place among all atoms."""
    starts = (0, atoms[0], atoms[0] + atoms[1])
    order: list[int] = []
    slices = [0]
    done = (0, 0, 0)
    for end in ends:
        for plane in range(3):
            order.extend(range(starts[plane] + done[plane], starts[plane] + end[plane]))
        done = end
        slices.append(len(order))
    return slices, order


class Outcome(NamedTuple):
    """What one pass over a batch of pictures gives."""

    bits: Tensor
    """Bits of every picture as coded, a gradient for the prior only: (B,)."""
    soft_bits: Tensor
    """Bits under uniform noise instead of rounding, a gradient for the encoder only: (B,)."""
    error: Tensor
    """Mean squared error of every picture over pixels and RGB, 8-bit units squared: (B,)."""
    codes: Tensor
    """Integer codes (B, C, R, S)."""
    symbols: Tensor
    """What is entropy coded: codes less their predictions."""
    positions: Tensor
    """Positions on the table scale."""


class CollageNetwork(nn.Module):
    """All that is trained of the production codec."""

    def __init__(self) -> None:
        super().__init__()
        self.slices, order = slice_layout()
        self.dictionary = Dictionary(ATOMS, order)
        self.hypernetwork = HyperNetwork(sum(ATOMS))
        self.prior = Prior(self.slices)
        self.restoration = Restoration()
        self.enlargement = Enlargement()

    def forward(
        self, rgb: Tensor, step: Tensor, learn_codes: bool = True, enlarge: bool = False
    ) -> Outcome | tuple[Tensor, Tensor]:
        """Encode and decode (B, 3, H, W) pictures in 0..255 with the steps (B,).

        With `enlarge`, only the enlargement learns, and the result are planes (B, 3, 2 H, 2 W) with it and
        with its kernel alone.
        """
        if enlarge:
            planes = self.decoded(rgb, step)
            with torch.autocast(rgb.device.type, torch.bfloat16):
                detail = self.enlargement.detail(planes, levels_of(step).view(-1, 1, 1, 1))
            plain = self.enlargement.doubled(planes)
            return plain + detail.float(), plain
        with torch.set_grad_enabled(learn_codes and torch.is_grad_enabled()):
            codes = self.encode(rgb, step)
        return self.outcome(rgb, step, codes)

    def encode(self, rgb: Tensor, step: Tensor, half: bool = True) -> Tensor:
        """Real-valued codes in quantiser steps: (B, 3, H, W) in 0..255 and (B,) to (B, C, R, S)."""
        ycc = frame(ycc_from_rgb(rgb))
        linear = self.dictionary.analyse(ycc) / self.dictionary.steps(step)
        with torch.autocast(rgb.device.type, torch.bfloat16, enabled=half):
            codes: Tensor = self.hypernetwork(ycc, linear, levels_of(step))
        return codes

    @torch.no_grad()
    def decoded(self, rgb: Tensor, step: Tensor) -> Tensor:
        """Restored planes (B, 3, H, W) of (B, 3, H, W) pictures in 0..255, as a decoder has them."""
        codes = torch.round(self.encode(rgb, step))
        planes = self.dictionary.synthesise(codes * self.dictionary.steps(step))
        restored: Tensor = self.restoration(planes, levels_of(step).view(-1, 1, 1, 1))
        return restored

    def outcome(self, rgb: Tensor, step: Tensor, codes: Tensor, half: bool = True) -> Outcome:
        """Rate and distortion of real-valued codes; the error is not exact with `half`."""
        rounded = torch.round(codes.detach())
        first = self.slices[1]
        means = torch.zeros_like(rounded)
        means[:, :first] = self.prior.means(rounded[:, :first])
        symbols = rounded - means
        positions = self.prior(symbols, levels_of(step).view(-1, 1, 1, 1))
        scale = scale_of(positions)
        noisy = codes - means + torch.rand_like(codes) - 0.5
        planes = self.dictionary.synthesise((codes + (rounded - codes).detach()) * self.dictionary.steps(step))
        # Half precision rounds the sums of the restoration before its own rounding: no matter for a gradient.
        with torch.autocast(rgb.device.type, torch.bfloat16, enabled=half):
            planes = self.restoration(planes, levels_of(step).view(-1, 1, 1, 1)).float()
        height, width = rgb.shape[-2:]
        back = rgb_from_ycc(planes[..., :height, :width])
        return Outcome(
            bits=laplace_bits(symbols, scale).sum((1, 2, 3)),
            soft_bits=laplace_bits(noisy, scale.detach()).sum((1, 2, 3)),
            error=((back - rgb) ** 2).mean((1, 2, 3)),
            codes=rounded,
            symbols=symbols,
            positions=positions,
        )


def levels_of(step: Tensor) -> Tensor:
    """Level of each step, (B,) to (B,)."""
    return torch.tensor([rate_index_of(float(s)) for s in step], device=step.device)
