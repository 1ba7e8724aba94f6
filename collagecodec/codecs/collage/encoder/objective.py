"""The objective of a refinement, J = bits + trade_off / step^2 * squared error (RGB), and its derivatives.

Bits are estimated by the Laplace distributions behind the tables. The error is that of the restored picture;
the restoration runs in half precision and without the rounding between its layers, which averages out.
"""

from __future__ import annotations

import copy
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional as F

from collagecodec.codecs.collage.model import DecoderModel
from collagecodec.codecs.collage.quantiser import (
    CODE_UNIT,
    MAX_OFFSET,
    OFFSETS_PER_OCTAVE,
    STEP_UNIT,
    Quantisers,
    multipliers,
    offset_step_codes,
    rate_index_of,
)
from collagecodec.codecs.collage.torch.convolution import CORRECTION_RANGE
from collagecodec.codecs.collage.torch.integers import (
    ACTIVATION_MAX,
    ACTIVATION_STEPS,
    magnitude_feature,
    smooth_magnitude,
)
from collagecodec.codecs.collage.torch.loading import twins_of
from collagecodec.codecs.collage.torch.precision import half_pays
from collagecodec.codecs.collage.torch.prior import laplace_bits, scale_of
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
        self.quantisers = Quantisers(step_code, decoder.gains)
        self.step_code = step_code
        steps = (multipliers(step_code, decoder.gains) / CODE_UNIT).astype(np.float32)
        self.steps = torch.from_numpy(steps).view(1, -1, 1, 1)
        """Quantiser steps in pixel levels, (1, C, 1, 1) or (1, C, R, S)."""
        self.ratio: Tensor | None = None
        self.rate_index = torch.full((1, 1, 1, 1), rate_index_of(step_code) / ACTIVATION_STEPS)
        """Rate index / 16, (1, 1, 1, 1) or (1, 1, R, S)."""
        self.half = half_pays(self.steps.device)
        self.active = torch.from_numpy(active).view(1, -1, 1, 1)
        """Marks the channels that are coded, (1, C, 1, 1)."""
        self.weight = torch.full((1, 1, 1, 1), _weight(step_code))
        """Weight of a squared error, (1, 1, 1, 1) or that of every pixel."""
        self.rgb = torch.linalg.inv(YCC_FROM_RGB.double()).float()
        grey = not active.all()
        if grey:
            self.rgb = torch.tensor([1.0, 0, 0]).expand(3, 3)
        self.restoration: list[tuple[Tensor, Tensor]] = []
        """Weights and biases of the restoration's convolutions, including the rate index; empty without it."""
        if self.twins.restoration and (decoder.restores_grey or not grey):
            self.restoration = _convolutions(self.twins.restoration, self.rate_index, self.half)

    def mapped(self, offsets: NDArray[np.integer]) -> Objective:
        """Return the objective of a window whose cells have the offsets (R, S) of a quantiser map.

        A pixel counts as the finest of the four cells above it asks for.
        """
        mapped = copy.copy(self)
        scales, indices = self.quantisers.at(offsets), self.quantisers.indices(offsets)
        mapped.steps = torch.from_numpy((scales / CODE_UNIT).astype(np.float32)).permute(2, 0, 1)[None]
        mapped.rate_index = torch.from_numpy(indices.reshape(1, 1, *offsets.shape) / ACTIVATION_STEPS).float()
        mapped.ratio = torch.from_numpy(2.0 ** (offsets / OFFSETS_PER_OCTAVE)).float()[None, None]
        codes = offset_step_codes(self.step_code)[offsets + MAX_OFFSET]
        finest = np.minimum.reduce([codes[:-1, :-1], codes[1:, :-1], codes[:-1, 1:], codes[1:, 1:]])
        weights = torch.from_numpy(_weight(finest.astype(np.float32)))[None, None]
        mapped.weight = weights.repeat_interleave(self.cell, 2).repeat_interleave(self.cell, 3)
        return mapped

    def index_of(self, own: tuple[slice, ...]) -> Tensor:
        """Return the rate index of the cells in `own`, or the only one."""
        return self.rate_index[own] if self.rate_index.numel() > 1 else self.rate_index

    def ratio_of(self, own: tuple[slice, ...]) -> Tensor | None:
        """Return the steps of the cells in `own` / the picture's step, (1, 1, r, s); None if all are equal."""
        return None if self.ratio is None else self.ratio[own]

    def _weights(self, rows: slice, width: int) -> Tensor:
        return self.weight[:, :, rows, :width] if self.weight.numel() > 1 else self.weight

    def derivative(self, codes: Tensor, region: Region) -> tuple[float, Tensor]:
        """Return J and its derivative by the codes of the tile, (1, C, r, s)."""
        error, by_error = self.distortion(codes, region.target)
        rate = Rate(self, codes, region, smooth=True)
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
            cost = (self._weights(slice(top, bottom), width) * difference.square()).sum()
            by_planes[:, :, first:last] += torch.autograd.grad(cost, strip)[0]
            total += float(cost.detach())
        return total, self._transposed(by_planes)

    def _restored(self, planes: Tensor) -> Tensor:
        if not self.restoration:
            return planes
        framed = F.pad(planes, (2 * len(self.restoration),) * 4, mode="replicate").clamp(-128, 127)
        x = F.pixel_unshuffle(framed.bfloat16() if self.half else framed, 2) / ACTIVATION_STEPS
        x = x.contiguous(memory_format=torch.channels_last)
        for weight, bias in self.restoration[:-1]:
            x = F.conv2d(x, weight, bias).clamp(0, ACTIVATION_MAX / ACTIVATION_STEPS)
        correction = F.conv2d(x, *self.restoration[-1]).float() * CORRECTION_RANGE
        return planes + F.pixel_shuffle(correction, 2)

    def _transposed(self, by_planes: Tensor) -> Tensor:
        """Turn derivatives by samples into derivatives by codes, (1, C, R, S): the transpose of the synthesis."""
        cut = patches(F.pad(by_planes, (self.cell,) * 4), self.cell)
        by_codes = torch.empty(1, self.steps.shape[1], *cut.shape[2:4])
        for plane, (channels, atoms) in enumerate(zip(self.twins.channels, self.twins.atoms, strict=True)):
            by_codes[:, channels] = (cut[:, plane] @ atoms.T).permute(0, 3, 1, 2)
        return by_codes * self.steps

    def curvature(self) -> Tensor:
        """Return the second derivative of the error term by the codes, without the restoration.

        The shape is that of `steps`.
        """
        energies = torch.empty(self.steps.shape[1])
        of_planes = self.rgb.square().sum(0)
        for plane, (channels, atoms) in enumerate(zip(self.twins.channels, self.twins.atoms, strict=True)):
            energies[channels] = atoms.square().sum(1) * of_planes[plane]
        weight = self.weight
        if weight.numel() > 1:
            # An atom has about the same energy in each of the four blocks that its cell covers.
            blocks = F.pad(weight[:, :, :: self.cell, :: self.cell], (1, 1, 1, 1), mode="replicate")
            weight = F.avg_pool2d(blocks, 2, stride=1)
        return 2 * weight * energies.view(1, -1, 1, 1) * self.steps**2


class Rate:
    """The bits of a tile's codes (1, C, r, s) and their derivatives."""

    def __init__(self, objective: Objective, codes: Tensor, region: Region, smooth: bool = False) -> None:
        """`codes` are those of the window. With `smooth` they may be real; `by_code` is the full derivative."""
        codes = codes[region.own]
        prior = objective.twins.prior
        first = prior.slices[1]
        leaf = codes.clone().requires_grad_()
        means = torch.zeros_like(codes)
        ratio = objective.ratio_of(region.own)
        whole = torch.round(codes[:, :first])
        means[:, :first] = (
            prior.predictions(whole)
            if ratio is None
            else torch.round(prior.predictions(whole * ratio, whole=_unrounded) / ratio)
        )
        scaled = leaf[:, :first] if ratio is None else leaf[:, :first] * ratio
        drift = prior.predictions(scaled, whole=_unrounded) / (1.0 if ratio is None else ratio)
        moved = (leaf if smooth else codes) - means
        moved = torch.cat([moved[:, :first] + (drift.detach() - drift), moved[:, first:]], 1)
        self.symbols = moved.detach()
        self.features = magnitude_feature(self.symbols)
        features = smooth_magnitude(moved) if smooth else self.features.requires_grad_()
        with torch.autocast("cpu", torch.bfloat16, enabled=smooth and objective.half):
            positions = prior.positions(features, objective.index_of(region.own))
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


def _weight(step_code: Any) -> Any:
    """Return the weight of a squared error at a step code, number or array."""
    return TRADE_OFF / (step_code / STEP_UNIT) ** 2 / 3


def _convolutions(restoration: Restoration, rate_index: Tensor, half: bool) -> list[tuple[Tensor, Tensor]]:
    """Return weights and biases, in half precision if that pays, the weights in the fastest memory layout."""
    kind = torch.bfloat16 if half else torch.float32
    layers = [(layer.weight, layer.bias + line(rate_index).flatten()) for layer, line in restoration.hidden()]
    layers.append((restoration.out.weight, restoration.out.bias))
    return [
        (w.detach().to(kind).contiguous(memory_format=torch.channels_last), b.detach().to(kind))
        for w, b in layers
    ]


def _unrounded(values: Tensor) -> Tensor:
    return values
