"""The analysis of a picture, tile by tile: framing, colour transform, linear analysis, hypernetwork."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from collagecodec.codecs.collage.dictionary import QUADRANTS
from collagecodec.codecs.collage.encoder.hypernetwork import HyperNetwork, LogStep
from collagecodec.codecs.collage.layout import Layout
from collagecodec.codecs.collage.model import DecoderModel, load_decoder
from collagecodec.codecs.models import current, read_tensors

Floats = NDArray[np.float32]
HALO = 6
"""Cells around a tile that the hypernetwork sees; 16 * (2 * 6 + 2) pixel rows overlap between tile rows."""
WHOLE_CELLS = 20_000
"""Pictures with at most this number of cells (5 megapixels) are analysed as a whole."""
YCC_FROM_RGB = np.array(
    [[0.299, 0.587, 0.114], [-0.299 / 1.772, -0.587 / 1.772, 0.5], [0.5, -0.587 / 1.402, -0.114 / 1.402]],
    np.float32,
)
LINEAR_DEAD_ZONE = 0.12
"""Share of a step by which codes move towards zero before rounding if the hypernetwork is not used."""


class Rows(Protocol):
    """A picture that is read row by row."""

    def rows(self, start: int, stop: int) -> NDArray[np.uint8]:
        """Return the rows start .. stop - 1 of the picture, (h, width, channels)."""


@dataclass(frozen=True)
class Part:
    """The place of a tile's cells within a patch."""

    tile: int
    rows: slice
    columns: slice


@dataclass(frozen=True)
class Patch:
    """The linear codes of some tiles and the cells around them; they do not depend on the step."""

    parts: tuple[Part, ...]
    framed: Floats
    """Planes of the samples that the cells cover, (n (R + 1), n (S + 1), 3), centred on 0."""
    linear: Floats
    """Linear codes in pixel levels, (R, S, C)."""


@dataclass(frozen=True)
class EncoderModel:
    """The parts of a model that encoding needs; `analysis` holds a matrix (4 n n, V) for each plane."""

    decoder: DecoderModel
    analysis: tuple[Floats, ...]
    hypernetwork: HyperNetwork

    def linear_codes(self, framed: Floats) -> Floats:
        """Return linear codes (R, S, C) in pixel levels of framed planes (n (R + 1), n (S + 1), 3)."""
        n = self.decoder.dictionary.cell
        rows, columns = framed.shape[0] // n, framed.shape[1] // n
        codes = []
        for plane, matrix in enumerate(self.analysis):
            blocks = (
                framed[..., plane]
                .reshape(rows, n, columns, n)
                .transpose(0, 2, 1, 3)
                .reshape(rows, columns, n * n)
            )
            shifts = [blocks[y : rows - 1 + y, x : columns - 1 + x] for y, x in reversed(QUADRANTS)]
            codes.append(np.concatenate(shifts, axis=2) @ matrix)
        order = np.argsort(np.concatenate([plane.channels for plane in self.decoder.dictionary.planes]))
        return np.take(np.concatenate(codes, axis=2), order, axis=2)

    def codes(self, patch: Patch, steps: Floats, log_step: LogStep, plain: bool) -> Floats:
        """Return the codes of all cells, (R, S, C) in quantiser steps, before rounding.

        `steps` (C,) or (R, S, C) are in pixel levels. `log_step` is half the binary logarithm of the step code,
        or that of every cell, (R, S). With `plain` the codes come from the linear analysis alone.
        """
        linear = patch.linear / steps
        if plain:
            return linear - LINEAR_DEAD_ZONE * np.tanh(2 * linear)
        return self.hypernetwork(patch.framed, linear, log_step)


@lru_cache(maxsize=2)
def load_encoder(name: str) -> EncoderModel:
    """Read the newest version of the model `name`; ModelMismatchError if it is not installed."""
    folder, fingerprint = current(name)
    decoder = load_decoder(fingerprint)
    tensors = read_tensors(folder / f"encoder-{fingerprint}.safetensors")
    analysis = tuple(np.ascontiguousarray(tensors[f"analysis.{p}"].T, np.float32) for p in range(3))
    network = {k.removeprefix("hypernetwork."): v for k, v in tensors.items() if k.startswith("hypernetwork.")}
    return EncoderModel(decoder, analysis, HyperNetwork(network))


def _mirror(first: int, last: int, size: int) -> NDArray[np.intp]:
    """Return the indices first .. last - 1 reflected into 0 .. size - 1, as training frames its crops.

    Indices too far outside for a single reflection become the nearest of 0 and size - 1.
    """
    index = np.abs(np.arange(first, last))
    index = np.where(index >= size, 2 * size - 2 - index, index)
    return np.clip(index, 0, size - 1)


def patches(model: EncoderModel, layout: Layout, source: Rows) -> Iterator[Patch]:
    """Yield the patches of a picture, which cover its tiles in raster order.

    A small picture is a single patch. Otherwise every tile is a patch, and memory grows with a row of tiles.
    """
    rows = [layout.tile_span(row, False) for row in range(layout.header.tiles_down)]
    columns = [layout.tile_span(column, True) for column in range(layout.header.tiles_across)]
    if (layout.block_rows + 1) * (layout.block_columns + 1) <= WHOLE_CELLS:
        band = _Band(layout, source, 0, rows[-1][1])
        parts = [
            Part(i * len(columns) + j, slice(*row), slice(*column))
            for i, row in enumerate(rows)
            for j, column in enumerate(columns)
        ]
        yield band.patch(model, parts, 0, columns[-1][1])
        return
    for i, row in enumerate(rows):
        top, bottom = _with_halo(row, layout.block_rows + 1)
        band = _Band(layout, source, top, bottom)
        for j, column in enumerate(columns):
            left, right = _with_halo(column, layout.block_columns + 1)
            part = Part(
                i * len(columns) + j,
                slice(row[0] - top, row[1] - top),
                slice(column[0] - left, column[1] - left),
            )
            yield band.patch(model, [part], left, right)


class _Band:
    """The pixels that the cell rows first .. last - 1 cover."""

    def __init__(self, layout: Layout, source: Rows, first: int, last: int) -> None:
        self.layout = layout
        index = _mirror((first - 1) * layout.cell, last * layout.cell, layout.header.height)
        start = int(index.min())
        self.index, self.pixels = index - start, source.rows(start, int(index.max()) + 1)

    def patch(self, model: EncoderModel, parts: list[Part], left: int, right: int) -> Patch:
        """Return the patch of the cell columns left .. right - 1."""
        cell = self.layout.cell
        across = _mirror((left - 1) * cell, right * cell, self.layout.header.width)
        framed = planes_of(self.pixels[np.ix_(self.index, across)])
        return Patch(tuple(parts), framed, model.linear_codes(framed))


def _with_halo(span: tuple[int, int], limit: int) -> tuple[int, int]:
    return max(span[0] - HALO, 0), min(span[1] + HALO, limit)


def planes_of(pixels: NDArray[np.uint8]) -> Floats:
    """Return luma and chroma (H, W, 3) float32, centred on 0, of pixels (H, W, channels) uint8.

    Alpha is ignored, and the chroma of grey pictures is zero.
    """
    if pixels.shape[2] <= 2:
        planes = np.zeros((*pixels.shape[:2], 3), np.float32)
        planes[..., 0] = pixels[..., 0].astype(np.float32) - 128
        return planes
    return (pixels[..., :3].astype(np.float32) - 128) @ YCC_FROM_RGB.T
