"""The objective of a refinement, J = bits + trade_off / step^2 * squared error (RGB), and its derivatives.

Bits are estimated by the Laplace distributions behind the tables. The error is that of the restored picture;
the restoration runs in half precision and without the rounding between its layers, which averages out.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional as F

from collagecodec.codecs.collage.model import DecoderModel
from collagecodec.codecs.collage.quantiser import CODE_UNIT, STEP_UNIT, multipliers, rate_index_of
from collagecodec.codecs.collage.torch.convolution import CORRECTION_RANGE
from collagecodec.codecs.collage.torch.integers import (
    ACTIVATION_MAX,
    ACTIVATION_STEPS,
    magnitude_feature,
    smooth_magnitude,
)
from collagecodec.codecs.collage.torch.loading import twins_of
from collagecodec.codecs.collage.torch.prior import laplace_bits, predict_first_slice, scale_of
from collagecodec.codecs.collage.torch.restoration import Restoration
from collagecodec.codecs.collage.torch.transform import YCC_FROM_RGB, overlap_add, patches

TRADE_OFF = 20.5
"""Weight of the error, equal to `[rate] trade_off` in the recipe of the models."""
STRIP = 16
"""Rows of blocks that are restored at a time; it bounds memory."""


@dataclass(frozen=True)
class Region:
    """The place of a tile's cells among the cells of a window, and the picture below the window."""

    own: tuple[slice, ...]
    """Index of the tile's cells in codes (1, C, R, S): those that may change and whose bits count."""
    target: Tensor
    """Luma and chroma (1, 3, h, w) centred on 0, h <= n (R - 1), w <= n (S - 1)."""


class Objective:
    """The objective J of a picture at a step code. Codes are (1, C, R, S) float32, not always integers."""

    def __init__(self, decoder: DecoderModel, step_code: int, active: NDArray[np.bool_]) -> None:
        self.twins = twins_of(decoder)
        self.cell = decoder.dictionary.cell
        steps = (multipliers(step_code, decoder.gains) / CODE_UNIT).astype(np.float32)
        self.steps = torch.from_numpy(steps).view(1, -1, 1, 1)
        self.rate_index = torch.full((1, 1, 1, 1), rate_index_of(step_code) / ACTIVATION_STEPS)
        self.active = torch.from_numpy(active).view(1, -1, 1, 1)
        """Marks the channels that are coded, (1, C, 1, 1)."""
        self.weight = TRADE_OFF / (step_code / STEP_UNIT) ** 2 / 3
        self.rgb = torch.linalg.inv(YCC_FROM_RGB.double()).float()
        grey = not active.all()
        if grey:
            self.rgb = torch.tensor([1.0, 0, 0]).expand(3, 3)
        self.restoration: list[tuple[Tensor, Tensor]] = []
        """Weights and biases of the restoration's convolutions, including the rate index; empty without it."""
        if self.twins.restoration and (decoder.restores_grey or not grey):
            self.restoration = _convolutions(self.twins.restoration, self.rate_index)

    def derivative(self, codes: Tensor, region: Region) -> tuple[float, Tensor]:
        """Return J and its derivative by the codes of the tile, (1, C, r, s)."""
        error, by_error = self.distortion(codes, region.target)
        rate = Rate(self, codes[region.own], smooth=True)
        return rate.total + error, by_error[region.own] + rate.by_code

    def distortion(self, codes: Tensor, target: Tensor) -> tuple[float, Tensor]:
        """Return the error term of J and its derivative by every code, (1, C, R, S)."""
        scaled = codes * self.steps
        cells = [
            scaled[:, channels].permute(0, 2, 3, 1) @ atoms
            for channels, atoms in zip(self.twins.channels, self.twins.atoms, strict=True)
        ]
        planes = overlap_add(torch.stack(cells, 1), self.cell)
        total, by_planes = 0.0, torch.zeros_like(planes)
        height, width = target.shape[2:]
        margin = 2 * len(self.restoration)
        for top in range(0, height, STRIP * self.cell):
            bottom = min(top + STRIP * self.cell, height)
            # The restoration works on blocks of 2x2 pixels, so strips have an even number of rows.
            first, last = max(top - margin, 0), min(bottom + bottom % 2 + margin, planes.shape[2])
            strip = planes[:, :, first:last].clone().requires_grad_()
            restored = self._restored(strip)[:, :, top - first : bottom - first, :width]
            difference = torch.einsum("dc,bchw->bdhw", self.rgb, restored - target[:, :, top:bottom])
            cost = self.weight * difference.square().sum()
            by_planes[:, :, first:last] += torch.autograd.grad(cost, strip)[0]
            total += float(cost.detach())
        return total, self._transposed(by_planes)

    def _restored(self, planes: Tensor) -> Tensor:
        if not self.restoration:
            return planes
        framed = F.pad(planes, (2 * len(self.restoration),) * 4, mode="replicate").clamp(-128, 127)
        x = F.pixel_unshuffle(framed.bfloat16(), 2) / ACTIVATION_STEPS
        x = x.contiguous(memory_format=torch.channels_last)
        for weight, bias in self.restoration[:-1]:
            x = F.conv2d(x, weight, bias).clamp(0, ACTIVATION_MAX / ACTIVATION_STEPS)
        correction = F.conv2d(x, *self.restoration[-1]).float() * CORRECTION_RANGE
        return planes + F.pixel_shuffle(correction, 2)

    def _transposed(self, by_planes: Tensor) -> Tensor:
        """Turn derivatives by samples into derivatives by codes, (1, C, R, S): the transpose of the synthesis."""
        cut = patches(F.pad(by_planes, (self.cell,) * 4), self.cell)
        by_codes = torch.empty(1, self.steps.numel(), *cut.shape[2:4])
        for plane, (channels, atoms) in enumerate(zip(self.twins.channels, self.twins.atoms, strict=True)):
            by_codes[:, channels] = (cut[:, plane] @ atoms.T).permute(0, 3, 1, 2)
        return by_codes * self.steps

    def curvature(self) -> Tensor:
        """Return the second derivative of the error term by the codes, without the restoration: (1, C, 1, 1)."""
        energies = torch.empty(self.steps.numel())
        of_planes = self.rgb.square().sum(0)
        for plane, (channels, atoms) in enumerate(zip(self.twins.channels, self.twins.atoms, strict=True)):
            energies[channels] = atoms.square().sum(1) * of_planes[plane]
        return 2 * self.weight * energies.view(1, -1, 1, 1) * self.steps**2


class Rate:
    """The bits of a tile's codes (1, C, r, s) and their derivatives."""

    def __init__(self, objective: Objective, codes: Tensor, smooth: bool = False) -> None:
        """With `smooth`, codes may be real numbers and `by_code` is the complete derivative."""
        prior = objective.twins.prior
        first, weights = prior.slices[1], prior.weights_of_means()
        leaf = codes.clone().requires_grad_()
        means = torch.zeros_like(codes)
        means[:, :first] = predict_first_slice(torch.round(codes[:, :first]), weights)
        drift = predict_first_slice(leaf[:, :first], weights, whole=_unrounded)
        moved = (leaf if smooth else codes) - means
        moved = torch.cat([moved[:, :first] + (drift.detach() - drift), moved[:, first:]], 1)
        self.symbols = moved.detach()
        self.features = magnitude_feature(self.symbols)
        features = smooth_magnitude(moved) if smooth else self.features.requires_grad_()
        with torch.autocast("cpu", torch.bfloat16, enabled=smooth):
            positions = prior.positions(features, objective.rate_index)
        scale = scale_of(positions.float())
        bits = laplace_bits(moved, scale)
        variables = [leaf] if smooth else [leaf, features]
        gradients = torch.autograd.grad(bits.sum(), variables)
        self.by_code = gradients[0]
        """Derivative by each code; without `smooth`, only through the symbols that the code predicts."""
        self.by_feature = gradients[-1]
        self.scale, self.each = scale.detach(), bits.detach()
        self.total = float(self.each.sum())

    def difference(self, change: float) -> Tensor:
        """Estimate the bits added if a symbol grows by `change`, (1, C, r, s).

        The estimate adds the symbol's bits and, to first order, those of later symbols whose tables change.
        """
        changed = self.symbols + change
        symbol_bits = laplace_bits(changed, self.scale) - self.each
        return symbol_bits + self.by_feature * (magnitude_feature(changed) - self.features.detach())


def _convolutions(restoration: Restoration, rate_index: Tensor) -> list[tuple[Tensor, Tensor]]:
    """Return weights and biases in half precision, the weights in the fastest memory layout."""
    layers = [(layer.weight, layer.bias + line(rate_index).flatten()) for layer, line in restoration.hidden()]
    layers.append((restoration.out.weight, restoration.out.bias))
    return [
        (w.detach().bfloat16().contiguous(memory_format=torch.channels_last), b.detach().bfloat16())
        for w, b in layers
    ]


def _unrounded(values: Tensor) -> Tensor:
    return values
