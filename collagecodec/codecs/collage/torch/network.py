"""The codec `collage` in torch: analysis, hypernetwork, quantiser, prior, synthesis."""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor, nn

from collagecodec.codecs.collage.torch.enlargement import Enlargement
from collagecodec.codecs.collage.torch.hypernetwork import HyperNetwork
from collagecodec.codecs.collage.torch.prior import Prior, laplace_bits, scale_of, scaled_rate_index
from collagecodec.codecs.collage.torch.restoration import Restoration
from collagecodec.codecs.collage.torch.transform import Dictionary, frame, rgb_from_ycc, ycc_from_rgb

ATOMS = (256, 64, 64)
SLICE_ENDS = ((10, 3, 3), (48, 16, 16), (128, 40, 40), (256, 64, 64))
"""Atoms of each plane in the first 1, 2, 3, 4 slices."""


def slice_layout(
    atoms: tuple[int, int, int] = ATOMS, ends: tuple[tuple[int, int, int], ...] = SLICE_ENDS
) -> tuple[list[int], list[int]]:
    """Return the first channel of each slice, followed by the channel count, and the atom of each channel."""
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
    """Rate and distortion of a batch of pictures."""

    bits: Tensor
    """Bits of every picture as coded, with a gradient for the prior only: (B,)."""
    soft_bits: Tensor
    """Bits with uniform noise instead of rounding, with a gradient for the encoder only: (B,)."""
    error: Tensor
    """Mean squared error of every picture over pixels and RGB, in squared pixel levels: (B,)."""
    codes: Tensor
    """Integer codes (B, C, R, S)."""
    symbols: Tensor
    """Entropy-coded integers (B, C, R, S): codes minus their predictions."""
    positions: Tensor
    """Positions on the table scale, (B, C, R, S)."""


class CollageNetwork(nn.Module):
    """All trained parts of the codec `collage`."""

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
        """Encode and decode pictures (B, 3, H, W) in 0..255 with steps (B,) in pixel levels.

        Without `learn_codes` the analysis and the hypernetwork get no gradient. With `enlarge` only the
        enlargement gets a gradient, and the results are planes (B, 3, 2 H, 2 W): enlarged, and doubled by the
        cubic kernel alone.
        """
        if enlarge:
            planes = self.decoded(rgb, step)
            with torch.autocast(rgb.device.type, torch.bfloat16):
                detail = self.enlargement.detail(planes, scaled_rate_indices(step).view(-1, 1, 1, 1))
            plain = self.enlargement.doubled(planes)
            return plain + detail.float(), plain
        with torch.set_grad_enabled(learn_codes and torch.is_grad_enabled()):
            codes = self.encode(rgb, step)
        return self.outcome(rgb, step, codes)

    def encode(self, rgb: Tensor, step: Tensor, half: bool = True) -> Tensor:
        """Return real-valued codes (B, C, R, S) in quantiser steps of pictures (B, 3, H, W) in 0..255."""
        ycc = frame(ycc_from_rgb(rgb))
        linear = self.dictionary.analyse(ycc) / self.dictionary.steps(step)
        with torch.autocast(rgb.device.type, torch.bfloat16, enabled=half):
            codes: Tensor = self.hypernetwork(ycc, linear, scaled_rate_indices(step))
        return codes

    @torch.no_grad()
    def decoded(self, rgb: Tensor, step: Tensor) -> Tensor:
        """Return the decoder's restored planes (B, 3, H, W), centred on 0, of pictures (B, 3, H, W) in 0..255."""
        codes = torch.round(self.encode(rgb, step))
        planes = self.dictionary.synthesise(codes * self.dictionary.steps(step))
        restored: Tensor = self.restoration(planes, scaled_rate_indices(step).view(-1, 1, 1, 1))
        return restored

    def outcome(self, rgb: Tensor, step: Tensor, codes: Tensor, half: bool = True) -> Outcome:
        """Return rate and distortion of real-valued codes (B, C, R, S); with `half` the error is approximate."""
        rounded = torch.round(codes.detach())
        first = self.slices[1]
        means = torch.zeros_like(rounded)
        means[:, :first] = self.prior.means(rounded[:, :first])
        symbols = rounded - means
        positions = self.prior(symbols, scaled_rate_indices(step).view(-1, 1, 1, 1))
        scale = scale_of(positions)
        noisy = codes - means + torch.rand_like(codes) - 0.5
        planes = self.dictionary.synthesise((codes + (rounded - codes).detach()) * self.dictionary.steps(step))
        # Half precision adds rounding errors to the restoration, which do not matter for a gradient.
        with torch.autocast(rgb.device.type, torch.bfloat16, enabled=half):
            planes = self.restoration(planes, scaled_rate_indices(step).view(-1, 1, 1, 1)).float()
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


def scaled_rate_indices(step: Tensor) -> Tensor:
    """Return the rate index, divided by 16, of each step (B,) in pixel levels."""
    return torch.tensor([scaled_rate_index(float(s)) for s in step], device=step.device)
