"""What a refinement lowers: J = bits + trade_off / step^2 * squared error (RGB, per pixel), and its derivatives.

Bits are those of the Laplace distributions behind the tables; the error is that of the restored picture, with
the restoration in half precision and without the rounding between its layers, which averages out.
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
"""What the recipe of the models weighs error with, `[rate] trade_off`."""
STRIP = 16
"""Rows of blocks that go through the restoration at a time, to bound memory."""


@dataclass(frozen=True)
class Region:
    """The cells of a tile with some around them, and the picture below them."""

    own: tuple[slice, ...]
    """Index of the tile's cells in codes (1, C, R, S): those that may change and whose bits count."""
    target: Tensor
    """Luma and chroma (1, 3, h, w) centred on 0, h <= n (R - 1), w <= n (S - 1)."""


class Objective:
    """J of one picture at one stored step. Codes are (1, C, R, S) float32, not always whole."""

    def __init__(self, decoder: DecoderModel, step_code: int, active: NDArray[np.bool_]) -> None:
        self.twins = twins_of(decoder)
        self.cell = decoder.dictionary.cell
        steps = (multipliers(step_code, decoder.gains) / CODE_UNIT).astype(np.float32)
        self.steps = torch.from_numpy(steps).view(1, -1, 1, 1)
        self.rate_index = torch.full((1, 1, 1, 1), rate_index_of(step_code) / ACTIVATION_STEPS)
        self.active = torch.from_numpy(active).view(1, -1, 1, 1)
        """Channels that are coded, (1, C, 1, 1)."""
        self.weight = TRADE_OFF / (step_code / STEP_UNIT) ** 2 / 3
        self.rgb = torch.linalg.inv(YCC_FROM_RGB.double()).float()
        grey = not active.all()
        if grey:
            self.rgb = torch.tensor([1.0, 0, 0]).expand(3, 3)
        self.restoration: list[tuple[Tensor, Tensor]] = []
        """Weights and biases of the restoration's convolutions, the level included; none if it is left out."""
        if self.twins.restoration and (decoder.restores_grey or not grey):
            self.restoration = _convolutions(self.twins.restoration, self.rate_index)

    def derivative(self, codes: Tensor, region: Region) -> tuple[float, Tensor]:
        """J and its derivative by the region's own codes."""
        error, by_error = self.distortion(codes, region.target)
        rate = Rate(self, codes[region.own], smooth=True)
        return rate.total + error, by_error[region.own] + rate.by_code

    def distortion(self, codes: Tensor, target: Tensor) -> tuple[float, Tensor]:
        """The error's part of J, and its derivative by every code."""
        scaled = codes * self.steps
        parts = [
            scaled[:, channels].permute(0, 2, 3, 1) @ atoms
            for channels, atoms in zip(self.twins.channels, self.twins.atoms, strict=True)
        ]
        planes = overlap_add(torch.stack(parts, 1), self.cell)
        total, by_planes = 0.0, torch.zeros_like(planes)
        height, width = target.shape[2:]
        margin = 2 * len(self.restoration)
        for top in range(0, height, STRIP * self.cell):
            bottom = min(top + STRIP * self.cell, height)
            # The restoration looks at two rows at a time.
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
        """From derivatives by samples to derivatives by codes: the transpose of the synthesis."""
        cut = patches(F.pad(by_planes, (self.cell,) * 4), self.cell)
        found = torch.empty(1, self.steps.numel(), *cut.shape[2:4])
        for plane, (channels, atoms) in enumerate(zip(self.twins.channels, self.twins.atoms, strict=True)):
            found[:, channels] = (cut[:, plane] @ atoms.T).permute(0, 3, 1, 2)
        return found * self.steps

    def curvature(self) -> Tensor:
        """Second derivative of the error's part by every code, as if nothing were restored: (1, C, 1, 1)."""
        found = torch.empty(self.steps.numel())
        of_planes = self.rgb.square().sum(0)
        for plane, (channels, atoms) in enumerate(zip(self.twins.channels, self.twins.atoms, strict=True)):
            found[channels] = atoms.square().sum(1) * of_planes[plane]
        return 2 * self.weight * found.view(1, -1, 1, 1) * self.steps**2


class Rate:
    """Bits of a tile's codes (1, C, r, s) and their derivatives."""

    def __init__(self, objective: Objective, codes: Tensor, smooth: bool = False) -> None:
        """With `smooth` the codes need not be whole, and `by_code` is the whole derivative."""
        prior = objective.twins.prior
        first, weights = prior.slices[1], prior.weights_of_means()
        leaf = codes.clone().requires_grad_()
        means = torch.zeros_like(codes)
        means[:, :first] = predict_first_slice(torch.round(codes[:, :first]), weights)
        drift = predict_first_slice(leaf[:, :first], weights, whole=_as_it_is)
        moved = (leaf if smooth else codes) - means
        moved = torch.cat([moved[:, :first] + (drift.detach() - drift), moved[:, first:]], 1)
        self.symbols = moved.detach()
        self.features = magnitude_feature(self.symbols)
        features = smooth_magnitude(moved) if smooth else self.features.requires_grad_()
        with torch.autocast("cpu", torch.bfloat16, enabled=smooth):
            positions = prior.positions(features, objective.rate_index)
        scale = scale_of(positions.float())
        bits = laplace_bits(moved, scale)
        wanted = [leaf] if smooth else [leaf, features]
        found = torch.autograd.grad(bits.sum(), wanted)
        self.by_code = found[0]
        """Derivative by a code: with `smooth` all of it, otherwise that of the symbols that it predicts."""
        self.by_feature = found[-1]
        self.scale, self.each = scale.detach(), bits.detach()
        self.total = float(self.each.sum())

    def difference(self, change: float) -> Tensor:
        """Bits more for a symbol that is larger by `change`: its own, and by the tables of those after it."""
        changed = self.symbols + change
        own = laplace_bits(changed, self.scale) - self.each
        return own + self.by_feature * (magnitude_feature(changed) - self.features.detach())


def _convolutions(restoration: Restoration, rate_index: Tensor) -> list[tuple[Tensor, Tensor]]:
    """Weights and biases in half precision, the weights laid out for speed."""
    found = [(layer.weight, layer.bias + line(rate_index).flatten()) for layer, line in restoration.hidden()]
    found.append((restoration.out.weight, restoration.out.bias))
    return [
        (w.detach().bfloat16().contiguous(memory_format=torch.channels_last), b.detach().bfloat16())
        for w, b in found
    ]


def _as_it_is(values: Tensor) -> Tensor:
    return values
