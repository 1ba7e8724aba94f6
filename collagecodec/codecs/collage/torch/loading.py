"""Builds torch modules from the files of a model: the twins of a decoder, or the whole network to train on."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from collagecodec.codecs.collage import hierarchical_prior as stored_prior
from collagecodec.codecs.collage import model as decoders
from collagecodec.codecs.collage.dictionary import ATOM_UNIT
from collagecodec.codecs.collage.integers import IntegerLayer as StoredLayer
from collagecodec.codecs.collage.quincunx_prior import QuincunxPrior
from collagecodec.codecs.collage.torch.convolution import PlaneNetwork
from collagecodec.codecs.collage.torch.enlargement import Enlargement
from collagecodec.codecs.collage.torch.hierarchical_prior import HierarchicalPrior
from collagecodec.codecs.collage.torch.integers import ACTIVATION_STEPS, IntegerLayer, RateLine
from collagecodec.codecs.collage.torch.network import CollageNetwork
from collagecodec.codecs.collage.torch.prior import Prior
from collagecodec.codecs.collage.torch.restoration import Restoration
from collagecodec.codecs.models import newest, read_tensors
from collagecodec.errors import ModelMismatchError


@dataclass(frozen=True)
class Twins:
    """The differentiable parts of a decoder; no parameter requires a gradient."""

    atoms: tuple[Tensor, ...]
    """Atoms of every plane, (V, 4 n n) float32."""
    channels: tuple[Tensor, ...]
    """Channel of the code of each atom, (V,)."""
    prior: Prior | HierarchicalPrior
    restoration: Restoration | None


def twins_of(decoder: decoders.DecoderModel) -> Twins:
    """Return the torch twins of a decoder."""
    planes = decoder.dictionary.planes
    stored = decoder.restoration
    return Twins(
        atoms=tuple(torch.from_numpy(p.atoms.astype(np.float32) / ATOM_UNIT) for p in planes),
        channels=tuple(torch.from_numpy(p.channels.astype(np.int64)) for p in planes),
        prior=_prior(decoder.prior).requires_grad_(False),
        restoration=_restoration(stored.layers).requires_grad_(False) if stored else None,
    )


@torch.no_grad()
def network_of(folder: Path) -> CollageNetwork:
    """Return the network of the newest version of the model in a folder, as it was when exported.

    Decoder weights come back rounded to integers and hypernetwork weights to float16. Raises ModelMismatchError
    if the folder has no encoder or a file is damaged.
    """
    fingerprint = newest(folder)
    tensors = read_tensors(folder / f"decoder-{fingerprint}.safetensors")
    decoder = decoders.build_decoder(tensors, folder.name, fingerprint)
    tensors = read_tensors(folder / f"encoder-{fingerprint}.safetensors")
    network = CollageNetwork()
    dictionary = network.dictionary
    for plane, source in enumerate(decoder.dictionary.planes):
        _copy(dictionary.synthesis[plane], source.atoms / ATOM_UNIT)
        _copy(dictionary.analysis[plane], np.asarray(tensors[f"analysis.{plane}"], np.float32))
    _copy(dictionary.gain, np.log(np.maximum(decoder.gains, 1) / 4096))
    prefix = "hypernetwork."
    weights = {key.removeprefix(prefix): value for key, value in tensors.items() if key.startswith(prefix)}
    network.hypernetwork.load_state_dict(
        {key: torch.from_numpy(np.asarray(value, np.float32)) for key, value in weights.items()}
    )
    if not isinstance(decoder.prior, stored_prior.HierarchicalPrior):
        raise ModelMismatchError(f"the model in {folder} is of the first generation: start from a later one")
    network.prior = _hierarchical_prior(decoder.prior)
    if decoder.restoration:
        network.restoration = _restoration(decoder.restoration.layers)
    if decoder.enlargement:
        layers = decoder.enlargement.layers
        network.enlargement = Enlargement(layers[-1].weight.shape[0] // 9, len(layers))
        _fill_planes(network.enlargement, layers)
    return network


def _prior(stored: QuincunxPrior | stored_prior.HierarchicalPrior) -> Prior | HierarchicalPrior:
    if isinstance(stored, stored_prior.HierarchicalPrior):
        return _hierarchical_prior(stored)
    return _quincunx_prior(stored)


def _quincunx_prior(stored: QuincunxPrior) -> Prior:
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


def _hierarchical_prior(stored: stored_prior.HierarchicalPrior) -> HierarchicalPrior:
    bounds = [each.first for each in stored.slices] + [stored.slices[-1].last]
    hidden = [each.networks[0].mix.weight.shape[0] for each in stored.slices]
    before, own = (
        [0 if layer is None else layer.weight.shape[1] for layer in layers]
        for layers in zip(*((each.before, each.own) for each in stored.slices), strict=True)
    )
    prior = HierarchicalPrior(bounds, hidden, before, own)
    for index, stored_slice in enumerate(stored.slices):
        if stored_slice.before:
            _fill(prior.embed_before[index], stored_slice.before)
        if stored_slice.own:
            _fill(prior.embed_own[index], stored_slice.own)
        for network, source in zip(prior.networks(index), stored_slice.networks, strict=True):
            _fill(network.near, source.near, network.near_line)
            _fill(network.mix, source.mix)
            _fill(network.out, source.out, network.line)
    _copy(prior.left, stored.predictor.left / 256)
    _copy(prior.around, np.stack([weights.T for weights in stored.predictor.around]) / 256)
    return prior


def _restoration(layers: tuple[StoredLayer, ...]) -> Restoration:
    restoration = Restoration(layers[-1].weight.shape[0] // 9, len(layers))
    _fill_planes(restoration, layers)
    return restoration


def _fill_planes(network: PlaneNetwork, layers: tuple[StoredLayer, ...]) -> None:
    for (layer, line), source in zip(network.hidden(), layers, strict=False):
        _fill(layer, source, line)
    _fill(network.out, layers[-1])


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
