"""The model of the codec `collage` as the decoder uses it, assembled from the arrays of a model file."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from bitstream.entropy import Tables
from collagecodec.codecs.collage import hierarchical_prior as hierarchical
from collagecodec.codecs.collage.dictionary import Dictionary, Plane
from collagecodec.codecs.collage.enlargement import Enlargement
from collagecodec.codecs.collage.hierarchical_order import passes_of
from collagecodec.codecs.collage.hierarchical_prior import HierarchicalPrior
from collagecodec.codecs.collage.integers import IntegerLayer
from collagecodec.codecs.collage.quincunx_prior import PassNetwork, Predictor, PriorSlice, QuincunxPrior
from collagecodec.codecs.collage.restoration import Restoration
from collagecodec.codecs.collage.validation import validate
from collagecodec.codecs.models import Tensors, find_decoder, read_tensors
from collagecodec.errors import ModelMismatchError

FIRST_FINEST = np.array([2, 4, 8, 16])
"""`DecoderModel.finest` of the models without the array `slices.finest`."""


@dataclass(frozen=True)
class DecoderModel:
    """The parts of a model that decoding needs."""

    name: str
    fingerprint: str
    dictionary: Dictionary
    gains: NDArray[np.int64]
    """Gain of every channel in units of 1/4096, (C,)."""
    prior: QuincunxPrior | HierarchicalPrior
    finest: tuple[int, ...]
    """For each slice the widest cell, in samples, that needs no later slice."""
    restoration: Restoration | None
    enlargement: Enlargement | None
    restores_grey: bool
    """Whether the restoration also applies to grey pictures, with chroma of zero."""
    luma: NDArray[np.bool_]
    """Marks the channels of the luma plane, (C,); a grey picture codes these only."""

    def slices_for(self, n: int) -> int:
        """Return how many slices hold the frequencies of cells n samples wide."""
        return 1 + sum(finest < n for finest in self.finest[:-1])


@lru_cache(maxsize=4)
def load_decoder(fingerprint: str) -> DecoderModel:
    """Read the decoder with a fingerprint (16 hexadecimal digits); ModelMismatchError if it is not installed."""
    path = find_decoder(fingerprint)
    tensors = read_tensors(path)
    try:
        return build_decoder(tensors, path.parent.name, fingerprint)
    except ValueError as error:
        raise ModelMismatchError(
            f"the model {fingerprint} does not fit the codec 'collage' ({error}): the file names another one, or "
            "the model is damaged; install it again"
        ) from error


def build_decoder(tensors: Tensors, name: str, fingerprint: str) -> DecoderModel:
    """Assemble a decoder from the arrays of its file, which `models/README.md` lists.

    Raises ValueError if the arrays are not those of a decoder, or a layer could leave the range of exact
    arithmetic.
    """
    validate(tensors)
    planes = tuple(
        Plane(tensors[f"atoms.{p}"].astype(np.int16), tensors[f"channels.{p}"].astype(np.intp)) for p in range(3)
    )
    cell = round((planes[0].atoms.shape[1] / 4) ** 0.5)
    channels = sum(len(p.channels) for p in planes)
    luma = np.zeros(channels, bool)
    luma[planes[0].channels] = True
    restoration, enlargement = _layers(tensors, "restoration"), _layers(tensors, "enlargement")
    return DecoderModel(
        name=name,
        fingerprint=fingerprint,
        dictionary=Dictionary(cell, planes),
        gains=tensors["gains"].astype(np.int64),
        prior=_hierarchical_prior(tensors) if "slices.finest" in tensors else _quincunx_prior(tensors),
        finest=tuple(int(n) for n in tensors.get("slices.finest", FIRST_FINEST)),
        restoration=Restoration(restoration) if restoration else None,
        enlargement=Enlargement(enlargement) if enlargement else None,
        restores_grey="restores_grey" in tensors,
        luma=luma,
    )


def _layers(tensors: Tensors, name: str) -> tuple[IntegerLayer, ...]:
    depth = sum(key.startswith(f"{name}.") and key.endswith(".weight") for key in tensors)
    return tuple(_layer(tensors, f"{name}.{i}") for i in range(depth))


def _layer(tensors: Tensors, name: str) -> IntegerLayer:
    layer = IntegerLayer(
        weight=np.ascontiguousarray(tensors[f"{name}.weight"], np.float32),
        bias=tensors[f"{name}.bias"].astype(np.float32),
        slope=tensors[f"{name}.slope"].astype(np.float32),
        shift=int(tensors[f"{name}.shift"][0]),
    )
    layer.check_exact(128)
    return layer


def _quincunx_prior(tensors: Tensors) -> QuincunxPrior:
    bounds = [int(b) for b in tensors["slices"]]
    slices = []
    for index, (first, last) in enumerate(pairwise(bounds)):
        networks = tuple(
            PassNetwork(*(_layer(tensors, f"prior.{index}.{number}.{part}") for part in ("near", "mix", "out")))
            for number in range(2 if index else 3)
        )
        before = _layer(tensors, f"prior.{index}.before") if index else None
        slices.append(PriorSlice(first, last, before, _layer(tensors, f"prior.{index}.own"), networks))
    predictor = Predictor(
        left=tensors["predict.left"].astype(np.int64),
        diagonal=tensors["predict.diagonal"].astype(np.float64),
        direct=tensors["predict.direct"].astype(np.float64),
    )
    return QuincunxPrior(tuple(slices), predictor, tensors["magnitudes"].astype(np.uint8), _tables(tensors))


def _hierarchical_prior(tensors: Tensors) -> HierarchicalPrior:
    bounds = [int(b) for b in tensors["slices"]]
    slices = []
    for index, (first, last) in enumerate(pairwise(bounds)):
        networks = tuple(
            hierarchical.PassNetwork(
                *(_layer(tensors, f"prior.{index}.{number}.{part}") for part in ("near", "mix", "out"))
            )
            for number in range(len(passes_of(index)))
        )
        before, own = (
            _layer(tensors, f"prior.{index}.{part}") if f"prior.{index}.{part}.weight" in tensors else None
            for part in ("before", "own")
        )
        slices.append(hierarchical.PriorSlice(first, last, before, own, networks))
    predictor = hierarchical.Predictor(
        left=tensors["predict.left"].astype(np.int64),
        around=tuple(tensors["predict.around"].astype(np.float64)),
    )
    magnitudes = tensors["magnitudes"].astype(np.uint8)
    return HierarchicalPrior(tuple(slices), predictor, magnitudes, _tables(tensors))


def _tables(tensors: Tensors) -> Tables:
    return Tables(np.split(tensors["tables.counts"].astype(np.int64), np.cumsum(tensors["tables.sizes"])[:-1]))
