"""Hostile symbols: a decoder runs with symbols from a generator, and what it asked for is encoded."""

from __future__ import annotations

import importlib
from collections.abc import Iterator
from contextlib import contextmanager
from random import Random
from typing import Any

import numpy as np
from numpy.typing import NDArray

from bitstream import entropy
from bitstream.container import Reader
from collagecodec.codecs import registry
from collagecodec.errors import CollageError
from collagecodec.io.limits import Limits
from collagecodec.sampling.request import Request

LIMITS = Limits(pixels=2**18, working_bytes=2**29)
LOUDNESS = (1, 2, 5, 9, 10, 14, 24)
_PLACES = (
    "collagecodec.codecs.collage.decoder",
    "collagecodec.codecs.dct.entropy",
    "collagecodec.codecs.pifs.entropy",
    "collagecodec.codecs.coin.entropy",
    "collagecodec.codecs.ifs.code",
    "collagecodec.codecs.layers.residual",
)
"""Modules that decode symbols."""


class _Recorder:
    """In place of a decoder: returns symbols of its own, and keeps them with their tables."""

    passes: list[tuple[NDArray[np.int32], NDArray[np.uint8]]]
    tables: entropy.Tables
    data: Any
    random: np.random.Generator
    loudness: int

    def __init__(self, data: Any, tables: entropy.Tables) -> None:
        type(self).passes, type(self).tables, type(self).data = [], tables, bytes(data)

    def decode(self, indices: NDArray[np.uint8]) -> NDArray[np.int32]:
        """Return symbols of many magnitudes, most of them small."""
        exponent = self.random.integers(0, self.loudness + 1, indices.size)
        quiet = self.random.random(indices.size) < 0.7
        magnitude = np.floor(2.0 ** np.where(quiet, np.minimum(exponent, 3), exponent)) - 1
        # Flags that are neither 0 nor 1 end the decoding of `pifs`; the softest symbols are flags.
        positive = self.random.random(indices.size) < (1 if self.loudness == 1 else 0.5)
        values = np.where(positive, magnitude, -magnitude).astype(np.int32)
        values[indices == 0] = 0
        self.passes.append((values, np.array(indices)))
        return values

    def finish(self) -> None:
        """Nothing is left over."""


@contextmanager
def _recording(random: Random, loudness: int) -> Iterator[type[_Recorder]]:
    seeded = {"random": np.random.default_rng(random.getrandbits(32)), "loudness": loudness}
    recorder = type("Recorder", (_Recorder,), {"passes": [], "data": None, **seeded})
    modules = [importlib.import_module(place) for place in _PLACES]
    before = [module.Decoder for module in modules]
    try:
        for module in modules:
            module.Decoder = recorder
        yield recorder
    finally:
        for module, decoder in zip(modules, before, strict=True):
            module.Decoder = decoder


def hostile(data: bytes, random: Random, loudness: int | None = None) -> bytes | None:
    """Return the payload of the first tile of a file with hostile symbols in place of its own.

    Symbols are below 2^`loudness`, one of `LOUDNESS` if it is not given.
    None if the file has no entropy-coded symbols, or is refused before them.
    """
    with _recording(random, loudness or random.choice(LOUDNESS)) as recorder:
        try:
            reader = Reader(data, strict=False)
            codec = registry.class_of(reader.header)
            x, y, width, height = reader.header.tile_box(0)
            request = Request.of(region=(x, y, min(width, 8), min(height, 8)))
            # The symbols of a tile matter even if its alpha plane is unreadable.
            tolerate = "tolerate_damage" not in codec.refused_options
            for _ in codec.rendering(reader, request, tolerate_damage=tolerate, limits=LIMITS):
                break
        except (CollageError, ValueError):
            pass
        if recorder.data is None or not recorder.passes:
            return None
        coded = entropy.encode(recorder.passes, recorder.tables)
        payload = bytes(Reader(data, strict=False).tile(0))
        place = payload.rfind(recorder.data) if recorder.data else len(payload)
        return payload[:place] + coded + payload[place + len(recorder.data) :]
