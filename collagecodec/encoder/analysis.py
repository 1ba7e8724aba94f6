"""From pixels to real-valued codes, tile by tile: framing, colour, linear analysis, hypernetwork."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from collagecodec.collage.decoding import Layout
from collagecodec.collage.dictionary import QUADRANTS
from collagecodec.collage.model import DecoderModel, current, load_decoder, read_tensors
from collagecodec.encoder.hypernetwork import HyperNetwork

Floats = NDArray[np.float32]
HALO = 6
"""Cells around a tile that the hypernetwork looks at; 16 * (2 * 6 + 2) rows overlap between tile rows."""
YCC_FROM_RGB = np.array(
    [[0.299, 0.587, 0.114], [-0.299 / 1.772, -0.587 / 1.772, 0.5], [0.5, -0.587 / 1.402, -0.114 / 1.402]], np.float32
)
LINEAR_DEAD_ZONE = 0.12
"""Without the hypernetwork, codes are moved towards zero by this share of a step before rounding."""


class Rows(Protocol):
    """What is read of a source: rows start .. stop - 1 as uint8 (h, width, channels)."""

    def rows(self, start: int, stop: int) -> NDArray[np.uint8]:
        """Rows of the picture."""


@dataclass(frozen=True)
class Patch:
    """A tile with its surroundings, ready for any step."""

    tile: int
    framed: Floats
    """Planes of the cells' samples, (n (R + 1), n (S + 1), 3), centred on 0."""
    linear: Floats
    """Linear codes in pixel levels, (R, S, C)."""
    inner: tuple[slice, slice]
    """The tile's own cells in `linear`."""


@dataclass(frozen=True)
class EncoderModel:
    """What encoding needs beside the decoder: analysis matrices (4 n n, V) for each plane, hypernetwork."""

    decoder: DecoderModel
    analysis: tuple[Floats, ...]
    hypernetwork: HyperNetwork

    def linear_codes(self, framed: Floats) -> Floats:
        """(n (R + 1), n (S + 1), 3) to (R, S, C)."""
        n = self.decoder.dictionary.cell
        rows, columns = framed.shape[0] // n, framed.shape[1] // n
        codes = np.empty((rows - 1, columns - 1, self.decoder.dictionary.channel_count), np.float32)
        for plane, matrix in enumerate(self.analysis):
            blocks = framed[..., plane].reshape(rows, n, columns, n).transpose(0, 2, 1, 3).reshape(rows, columns, n * n)
            shifts = [blocks[y : rows - 1 + y, x : columns - 1 + x] for y, x in reversed(QUADRANTS)]
            codes[..., self.decoder.dictionary.planes[plane].channels] = np.concatenate(shifts, axis=2) @ matrix
        return codes

    def codes(self, patch: Patch, steps: Floats, level: int, plain: bool) -> Floats:
        """Codes of the tile's own cells in quantiser steps, before rounding; `plain` without the network."""
        linear = patch.linear / steps
        if plain:
            own = linear[patch.inner]
            return own - LINEAR_DEAD_ZONE * np.tanh(2 * own)
        return self.hypernetwork(patch.framed, linear, level / 16)[patch.inner]


@lru_cache(maxsize=2)
def load_encoder(name: str) -> EncoderModel:
    """Read the newest version of a model for encoding; ModelMismatchError if it is not installed."""
    folder, fingerprint = current(name)
    decoder = load_decoder(fingerprint)
    tensors = read_tensors(folder / f"encoder-{fingerprint}.safetensors")
    analysis = tuple(np.ascontiguousarray(tensors[f"analysis.{p}"].T, np.float32) for p in range(3))
    part = {k.removeprefix("hypernetwork."): v for k, v in tensors.items() if k.startswith("hypernetwork.")}
    return EncoderModel(decoder, analysis, HyperNetwork(part))


def _mirror(first: int, last: int, size: int) -> NDArray[np.intp]:
    """Indices first .. last - 1 reflected into 0 .. size - 1, as training frames its crops."""
    index = np.abs(np.arange(first, last))
    index = np.where(index >= size, 2 * size - 2 - index, index)
    return np.clip(index, 0, size - 1)


def patches(model: EncoderModel, layout: Layout, source: Rows) -> Iterator[Patch]:
    """All tiles of a picture with their surroundings, in raster order; memory follows one row of tiles."""
    header = layout.header
    for row in range(header.tiles_down):
        top, bottom, inner_rows = _with_halo(layout.tile_span(row, False), layout.block_rows + 1)
        index = _mirror((top - 1) * layout.cell, bottom * layout.cell, header.height)
        band = source.rows(int(index.min()), int(index.max()) + 1)
        for column in range(header.tiles_across):
            left, right, inner_columns = _with_halo(layout.tile_span(column, True), layout.block_columns + 1)
            across = _mirror((left - 1) * layout.cell, right * layout.cell, header.width)
            pixels = band[np.ix_(index - index.min(), across)]
            framed = planes_of(pixels)
            yield Patch(
                tile=row * header.tiles_across + column,
                framed=framed,
                linear=model.linear_codes(framed),
                inner=(inner_rows, inner_columns),
            )


def _with_halo(span: tuple[int, int], limit: int) -> tuple[int, int, slice]:
    first, last = max(span[0] - HALO, 0), min(span[1] + HALO, limit)
    return first, last, slice(span[0] - first, span[1] - first)


def planes_of(pixels: NDArray[np.uint8]) -> Floats:
    """(H, W, channels) uint8 to luma and chroma (H, W, 3) centred on 0; alpha is left out, grey has no chroma."""
    if pixels.shape[2] <= 2:
        planes = np.zeros((*pixels.shape[:2], 3), np.float32)
        planes[..., 0] = pixels[..., 0].astype(np.float32) - 128
        return planes
    return (pixels[..., :3].astype(np.float32) - 128) @ YCC_FROM_RGB.T
