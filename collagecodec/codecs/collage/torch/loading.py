"""Builds the torch twins of a decoder from the integers of its file."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from collagecodec.codecs.collage import model as decoders
from collagecodec.codecs.collage.dictionary import ATOM_UNIT
from collagecodec.codecs.collage.integers import IntegerLayer as StoredLayer
from collagecodec.codecs.collage.torch.integers import ACTIVATION_STEPS, IntegerLayer, RateLine
from collagecodec.codecs.collage.torch.prior import Prior
from collagecodec.codecs.collage.torch.restoration import Restoration


@dataclass(frozen=True)
class Twins:
    """The differentiable parts of a decoder; no parameter requires a gradient."""

    atoms: tuple[Tensor, ...]
    """Atoms of every plane, (V, 4 n n) float32."""
    channels: tuple[Tensor, ...]
    """Channel of the code of each atom, (V,)."""
    prior: Prior
    restoration: Restoration | None


def twins_of(decoder: decoders.DecoderModel) -> Twins:
    """Return the torch twins of a decoder."""
    planes = decoder.dictionary.planes
    stored = decoder.restoration
    return Twins(
        atoms=tuple(torch.from_numpy(p.atoms.astype(np.float32) / ATOM_UNIT) for p in planes),
        channels=tuple(torch.from_numpy(p.channels.astype(np.int64)) for p in planes),
        prior=_prior(decoder).requires_grad_(False),
        restoration=_restoration(stored.layers).requires_grad_(False) if stored else None,
    )


def _prior(decoder: decoders.DecoderModel) -> Prior:
    stored = decoder.prior
    bounds = [each.first for each in stored.slices] + [stored.slices[-1].last]
    prior = Prior(bounds, hidden=stored.slices[0].networks[0].mix.weight.shape[0])
    for index, stored_slice in enumerate(stored.slices):
        if stored_slice.before:
            _fill(prior.embed_before[index], stored_slice.before)
        _fill(prior.embed_own[index], stored_slice.own)
        for network, source in zip(prior.networks(index), stored_slice.networks, strict=True):
            _fill(network.near, source.near)
            _fill(network.mix, source.mix)
            _fill(network.out, source.out, network.line)
    predictor = stored.predictor
    sources = (predictor.left, predictor.diagonal.T, predictor.direct.T)
    for target, weights in zip((prior.left, prior.diagonal, prior.direct), sources, strict=True):
        _copy(target, np.asarray(weights) / 256)
    return prior


def _restoration(layers: tuple[StoredLayer, ...]) -> Restoration:
    restoration = Restoration(layers[-1].weight.shape[0] // 9, len(layers))
    for (layer, line), source in zip(restoration.hidden(), layers, strict=False):
        _fill(layer, source, line)
    _fill(restoration.out, layers[-1])
    return restoration


def _fill(layer: nn.Module, source: StoredLayer, line: RateLine | None = None) -> None:
    """Set a layer, and its line in the rate index, to the decoder's weights."""
    assert isinstance(layer, IntegerLayer)
    unit = 2.0**layer.shift
    outputs, inputs, kernel, _ = layer.weight.shape
    taps = source.weight.reshape(kernel, kernel, inputs, outputs).transpose(3, 2, 0, 1)
    _copy(layer.weight, taps / unit)
    _copy(layer.bias, source.bias / (ACTIVATION_STEPS * unit))
    if line is not None:
        _copy(line.slope, source.slope / 2.0**line.shift)


def _copy(target: Tensor, values: NDArray[np.floating]) -> None:
    with torch.no_grad():
        target.copy_(torch.from_numpy(np.ascontiguousarray(values, np.float32)))
