"""The codec `collage` in torch: analysis, hypernetwork, quantiser, prior, synthesis."""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor, nn

from collagecodec.codecs.collage.torch.enlargement import Enlargement
from collagecodec.codecs.collage.torch.hierarchical_prior import HierarchicalPrior
from collagecodec.codecs.collage.torch.hypernetwork import HyperNetwork
from collagecodec.codecs.collage.torch.precision import half_pays
from collagecodec.codecs.collage.torch.prior import laplace_bits, scale_of, scaled_rate_index
from collagecodec.codecs.collage.torch.restoration import Restoration
from collagecodec.codecs.collage.torch.structure import ms_ssim
from collagecodec.codecs.collage.torch.transform import Dictionary, frame, rgb_from_ycc, ycc_from_rgb

ATOMS = (256, 64, 64)
SLICE_ENDS = ((10, 3, 3), (24, 8, 8), (48, 16, 16), (128, 40, 40), (256, 64, 64))
"""Atoms of each plane in the first 1, 2, 3, 4, 5 slices."""
FINEST = (2, 3, 4, 8, 16)
"""For each slice the widest cell, in samples, whose frequencies lie in it and the slices before."""


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
    luma_error: Tensor
    """Mean squared error of the luma of every picture, in squared pixel levels: (B,)."""
    dissimilarity: Tensor
    """1 - MS-SSIM of the luma of every picture, (B,); zeros unless asked for."""
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
        self.prior = HierarchicalPrior(self.slices)
        self.restoration = Restoration()
        self.enlargement = Enlargement()

    def forward(
        self,
        rgb: Tensor,
        step: Tensor,
        learn_codes: bool = True,
        enlarge: bool = False,
        structure: bool = False,
        window: int = 0,
    ) -> Outcome | tuple[Tensor, Tensor]:
        """Encode and decode pictures (B, 3, H, W) in 0..255 with steps (B,) in pixel levels.

        Without `learn_codes` the analysis and the hypernetwork get no gradient. With `structure` the outcome
        has `dissimilarity`. A `window` above 0 restores and judges only a random square of so many pixels,
        which suits updates in which the codes do not learn. With `enlarge` only the enlargement gets a
        gradient, and the results are planes (B, 3, 2 H, 2 W): enlarged, and doubled by the cubic kernel alone.
        """
        half = half_pays(rgb.device)
        if enlarge:
            planes = self.decoded(rgb, step)
            with torch.autocast(rgb.device.type, torch.bfloat16, enabled=half):
                detail = self.enlargement.detail(planes, scaled_rate_indices(step).view(-1, 1, 1, 1))
            plain = self.enlargement.doubled(planes)
            return plain + detail.float(), plain
        with torch.set_grad_enabled(learn_codes and torch.is_grad_enabled()):
            codes = self.encode(rgb, step, half)
        return self.outcome(rgb, step, codes, half, structure, window)

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
        codes = torch.round(self.encode(rgb, step, half_pays(rgb.device)))
        planes = self.dictionary.synthesise(codes * self.dictionary.steps(step))
        restored: Tensor = self.restoration(planes, scaled_rate_indices(step).view(-1, 1, 1, 1))
        return restored

    def outcome(
        self,
        rgb: Tensor,
        step: Tensor,
        codes: Tensor,
        half: bool = True,
        structure: bool = False,
        window: int = 0,
    ) -> Outcome:
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
        planes, rgb = _windows(planes[..., : rgb.shape[-2], : rgb.shape[-1]], rgb, window)
        # Half precision adds rounding errors to the restoration, which do not matter for a gradient.
        with torch.autocast(rgb.device.type, torch.bfloat16, enabled=half):
            planes = self.restoration(planes, scaled_rate_indices(step).view(-1, 1, 1, 1)).float()
        difference = rgb_from_ycc(planes) - rgb
        luma = ycc_from_rgb(rgb)[:, 0]
        return Outcome(
            bits=laplace_bits(symbols, scale).sum((1, 2, 3)),
            soft_bits=laplace_bits(noisy, scale.detach()).sum((1, 2, 3)),
            error=(difference**2).mean((1, 2, 3)),
            luma_error=((planes[:, 0] - luma) ** 2).mean((1, 2)),
            dissimilarity=1 - ms_ssim(planes[:, 0] + 128, luma + 128) if structure else torch.zeros_like(step),
            codes=rounded,
            symbols=symbols,
            positions=positions,
        )


def _windows(planes: Tensor, rgb: Tensor, window: int) -> tuple[Tensor, Tensor]:
    """Cut the same random square from both, at even offsets; all of them if `window` is 0."""
    if not window or window >= min(rgb.shape[-2:]):
        return planes, rgb
    top, left = (2 * int(torch.randint((size - window) // 2 + 1, ())) for size in rgb.shape[-2:])
    cut = (..., slice(top, top + window), slice(left, left + window))
    return planes[cut], rgb[cut]


def scaled_rate_indices(step: Tensor) -> Tensor:
    """Return the rate index, divided by 16, of each step (B,) in pixel levels."""
    return torch.tensor([scaled_rate_index(float(s)) for s in step], device=step.device)
