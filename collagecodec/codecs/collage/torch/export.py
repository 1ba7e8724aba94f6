"""Writes the files of a model from a trained network: integers for the decoder, floats for the encoder."""

from __future__ import annotations

import math
from collections.abc import Iterable
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from collagecodec.codecs.collage.bounds import check_sums
from collagecodec.codecs.collage.dictionary import ATOM_UNIT
from collagecodec.codecs.collage.model import build_decoder
from collagecodec.codecs.collage.torch.convolution import CORRECTION_RANGE, CORRECTION_STEPS, PlaneNetwork
from collagecodec.codecs.collage.torch.integers import ACTIVATION_STEPS, IntegerLayer, RateLine
from collagecodec.codecs.collage.torch.network import FINEST, CollageNetwork
from collagecodec.codecs.collage.torch.prior import FIRST_SCALE, SCALE_RATIO, TABLES
from collagecodec.codecs.models import write_model

Arrays = dict[str, NDArray[np.generic]]
MAX_RADIUS = 1023
PSEUDO_COUNT = 300.0
"""Number of counts that the Laplace distribution contributes to a table, beside the measured counts."""
COUNT_TOTAL = 2**20


def layer_arrays(name: str, layer: IntegerLayer, line: RateLine | None, shift: int) -> Arrays:
    """Return a layer in the decoder's layout: weight (taps * inputs, outputs) int8, bias, slope, shift int32."""
    weight = layer.integer_weight().permute(2, 3, 1, 0).reshape(-1, layer.weight.shape[0])
    slope = line.integer_slope() if line else torch.zeros_like(layer.bias)
    return {
        f"{name}.weight": weight.to(torch.int8).numpy(),
        f"{name}.bias": layer.integer_bias().to(torch.int32).numpy(),
        f"{name}.slope": slope.to(torch.int32).numpy(),
        f"{name}.shift": np.array([shift], np.int32),
    }


def prior_arrays(network: CollageNetwork) -> Arrays:
    """Return the arrays of all networks of the prior; their output layers round to table numbers."""
    prior = network.prior
    arrays: Arrays = {
        "slices": np.array(prior.slices, np.int32),
        "slices.finest": np.array(FINEST, np.int32),
    }
    for index in range(len(prior.slices) - 1):
        for part, embedding in (("before", prior.embed_before[index]), ("own", prior.embed_own[index])):
            if isinstance(embedding, IntegerLayer):
                arrays |= layer_arrays(f"prior.{index}.{part}", embedding, None, embedding.shift)
        for number, layers in enumerate(prior.networks(index)):
            name = f"prior.{index}.{number}"
            arrays |= layer_arrays(f"{name}.near", layers.near, layers.near_line, layers.near.shift)
            arrays |= layer_arrays(f"{name}.mix", layers.mix, None, layers.mix.shift)
            index_shift = layers.out.shift + int(math.log2(ACTIVATION_STEPS))
            arrays |= layer_arrays(f"{name}.out", layers.out, layers.line, index_shift)
    left, around = (weights.to(torch.int16).numpy() for weights in prior.weights_of_means())
    arrays |= {"predict.left": left, "predict.around": around.transpose(0, 2, 1).copy()}
    magnitudes = np.floor(ACTIVATION_STEPS * np.log2(1 + np.arange(256)) + 0.5)
    return arrays | {"magnitudes": np.minimum(magnitudes, 127).astype(np.uint8)}


def dictionary_arrays(network: CollageNetwork) -> Arrays:
    """Return atoms and gains in units of 1/4096, and the channels of every plane."""
    dictionary = network.dictionary
    gains = torch.round(torch.exp(dictionary.gain) * 4096)
    arrays: Arrays = {"gains": gains.to(torch.int32).numpy()}
    channels = torch.split(dictionary.place, list(dictionary.atoms))
    for plane, atoms in enumerate(dictionary.synthesis):
        arrays[f"atoms.{plane}"] = torch.round(atoms * ATOM_UNIT).to(torch.int16).numpy()
        arrays[f"channels.{plane}"] = channels[plane].to(torch.int32).numpy()
    return arrays


def plane_network_arrays(name: str, network: PlaneNetwork) -> Arrays:
    """Return the arrays of a restoration or an enlargement; its last layer rounds to 1/16 pixel level."""
    arrays: Arrays = {}
    hidden = network.hidden()
    for index, (layer, line) in enumerate(hidden):
        arrays |= layer_arrays(f"{name}.{index}", layer, line, layer.shift)
    steps = int(math.log2(CORRECTION_RANGE * CORRECTION_STEPS / ACTIVATION_STEPS))
    return arrays | layer_arrays(f"{name}.{len(hidden)}", network.out, None, network.out.shift - steps)


def laplace_table(table: int) -> NDArray[np.float64]:
    """Return the Laplace probabilities of a table's values -L..L, and of all others: float64 (2 L + 2,)."""
    scale = FIRST_SCALE * SCALE_RATIO**table
    radius = min(math.ceil(7 * scale) + 2, MAX_RADIUS)
    value = np.abs(np.arange(-radius, radius + 1))
    chance = np.exp(-(value - 0.5) / scale) * -np.expm1(-1 / scale) / 2
    chance[radius] = -np.expm1(-0.5 / scale)
    return np.append(chance, np.exp(-(radius + 0.5) / scale))


@torch.no_grad()
def count_tables(network: CollageNetwork, batches: Iterable[tuple[Tensor, Tensor]]) -> list[NDArray[np.int64]]:
    """Count the symbols that the network codes with every table on (pictures, steps) batches.

    Counts are symmetric in the sign, at least 1, and mixed with the Laplace distribution: int64 (2 L + 2,).
    """
    totals = [np.zeros(laplace_table(t).size) for t in range(TABLES)]
    for rgb, step in batches:
        outcome = network(rgb, step)
        tables = torch.floor(outcome.positions + 0.5).clamp(0, TABLES - 1).to(torch.int64).numpy().ravel()
        symbols = outcome.symbols.to(torch.int64).numpy().ravel()
        for table in np.unique(tables):
            values, size = symbols[tables == table], totals[table].size
            radius = (size - 2) // 2
            column = np.where(np.abs(values) > radius, size - 1, values + radius)
            totals[table] += np.bincount(column, minlength=size)
    counts = []
    for table, total in enumerate(totals):
        total[:-1] = (total[:-1] + total[-2::-1]) / 2
        mixed = total + PSEUDO_COUNT * laplace_table(table)
        counts.append(np.maximum(1, np.round(mixed / mixed.sum() * COUNT_TOTAL)).astype(np.int64))
    return counts


def decoder_arrays(network: CollageNetwork, counts: list[NDArray[np.int64]]) -> Arrays:
    """Return all arrays of the decoder file."""
    return {
        **dictionary_arrays(network),
        **prior_arrays(network),
        **plane_network_arrays("restoration", network.restoration),
        **plane_network_arrays("enlargement", network.enlargement),
        "restores_grey": np.ones(1, np.uint8),
        "tables.counts": np.concatenate(counts).astype(np.int32),
        "tables.sizes": np.array([len(c) for c in counts], np.int32),
    }


def encoder_arrays(network: CollageNetwork) -> Arrays:
    """Return all arrays of the encoder file: analysis matrices float32, hypernetwork float16."""
    arrays: Arrays = {f"analysis.{p}": a.numpy() for p, a in enumerate(network.dictionary.analysis)}
    state = network.hypernetwork.state_dict()
    return arrays | {f"hypernetwork.{name}": value.to(torch.float16).numpy() for name, value in state.items()}


@torch.no_grad()
def export(network: CollageNetwork, batches: Iterable[tuple[Tensor, Tensor]], name: str, folder: Path) -> str:
    """Write the decoder and encoder files of a model and return the fingerprint.

    Encoder files of earlier versions are deleted. Raises ValueError if a layer could leave the range in which
    the decoder's arithmetic is exact.
    """
    network = network.cpu().eval()
    arrays = decoder_arrays(network, count_tables(network, batches))
    build_decoder(arrays, name, "")
    check_sums(arrays)
    return write_model(folder, arrays, encoder_arrays(network))
