"""Encoding in layers: the plan of a picture, the files of its layers put together, and the residuals."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from bitstream import varint
from bitstream.container import Header, Reader, write
from collagecodec.codecs.alpha import pack_alpha
from collagecodec.codecs.base import Progress
from collagecodec.codecs.layers import residual
from collagecodec.codecs.layers.decoder import Picture
from collagecodec.codecs.layers.format import Description, pack
from collagecodec.codecs.layers.plan import Layers, PlaneSource, plan
from collagecodec.codecs.layers.samples import samples_of
from collagecodec.io.sources import Source, alpha_of, type_of

NUMBER = 7
"""The codec number."""


class Middle:
    """The middle of a source as a source."""

    def __init__(self, source: Source, side: int) -> None:
        self._source, self.metadata = source, source.metadata
        self.width, self.height = min(side, source.width), min(side, source.height)
        self._left, self._top = (source.width - self.width) // 2, (source.height - self.height) // 2
        self.channels, self.dtype, self.alpha = source.channels, type_of(source), alpha_of(source)

    def rows(self, start: int, stop: int) -> NDArray[Any]:
        """See `collagecodec.io.sources.Source.rows`."""
        rows = self._source.rows(self._top + start, self._top + stop)
        return np.ascontiguousarray(rows[:, self._left : self._left + self.width])


class Encoder:
    """Makes files of one source from the files of its layers."""

    def __init__(
        self,
        max_error: int | None,
        transform: bool,
        source: Source,
        metadata: Mapping[str, bytes],
        progress: Progress | None,
    ) -> None:
        self._max_error, self._source, self._metadata, self._progress = max_error, source, metadata, progress
        self._alpha = alpha_of(source)
        bands = source.channels - self._alpha
        self._plan: Layers = plan(source, bands, self._alpha, transform=transform)
        self.layers = [
            (index, PlaneSource(source, self._plan, group)) for index, group in enumerate(self._plan.groups)
        ]
        self.gains = [min(self._plan.gains[plane] for plane in group) for group in self._plan.groups]

    def report(self, index: int) -> Progress | None:
        """Return the callback of a layer, which reports its share of the whole."""
        progress, count = self._progress, len(self.layers)
        if progress is None:
            return None
        return lambda share, text: progress((index + share) / count, text)

    def file(self, files: list[bytes]) -> bytes:
        """Return the file with the layers of `files`."""
        readers = [Reader(data) for data in files]
        first = readers[0].header
        description = Description(
            type_of(self._source), self._plan.bands, self._alpha, self._max_error,
            tuple(reader.header for reader in readers), self._plan.order, self._plan.transforms,
        )  # fmt: skip
        deep = description.dtype != np.uint8
        header = Header(
            NUMBER,
            first.width,
            first.height,
            0,
            16 if deep else 8,
            first.tile_size,
            first.fingerprint,
        )
        parts = [[bytes(reader.tile(tile)) for reader in readers] for tile in range(header.tile_count)]
        if self._alpha:
            for tile, part in enumerate(parts):
                part.append(self._alpha_tile(header, tile))
        if self._max_error is not None:
            self._add_residuals(header, description, parts)
        return write(header, [_joined(part) for part in parts], self._metadata, pack(description))

    def _alpha_tile(self, header: Header, tile: int) -> bytes:
        x, y, width, height = header.tile_box(tile)
        alpha = self._source.rows(y, y + height)[:, x : x + width, -1]
        raw = np.ascontiguousarray(alpha).astype(alpha.dtype.newbyteorder("<"))
        planes = raw.view(np.uint8).reshape(height, width, alpha.dtype.itemsize)
        return _joined([pack_alpha(np.ascontiguousarray(plane)) for plane in planes.transpose(2, 0, 1)])

    def _add_residuals(self, header: Header, description: Description, parts: list[list[bytes]]) -> None:
        """Decode the lossy layers row of tiles by row of tiles, and append the residuals to `parts`."""
        lossy = write(header, [_joined(part) for part in parts], {}, pack(replace(description, max_error=None)))
        picture = Picture(Reader(lossy))
        order = np.argsort(description.order)
        side, step = header.tile_size or header.height, 2 * (description.max_error or 0) + 1
        for row, top in enumerate(range(0, header.height, side)):
            height = min(side, header.height - top)
            box = 0, top, header.width, height
            planes = np.concatenate(list(picture._planes(box, box[2:])), axis=1)
            original = self._source.rows(top, top + height)[..., : len(description.bands)]
            errors = original.transpose(2, 0, 1).astype(np.int32) - samples_of(planes, description)
            if self._alpha:
                errors *= self._source.rows(top, top + height)[..., -1] > 0
            quantised = np.sign(errors) * ((np.abs(errors) + step // 2) // step)
            for column, box_tile in self._tiles(header, row):
                part = (slice(None), slice(box_tile[0], box_tile[0] + box_tile[2]))
                tile = row * header.tiles_across + column
                parts[tile].append(
                    residual.encode(
                        [plane[part] for plane in quantised], [planes[plane][part] for plane in order]
                    )
                )

    def _tiles(self, header: Header, row: int) -> Iterator[tuple[int, tuple[int, int, int, int]]]:
        for column in range(header.tiles_across):
            yield column, header.tile_box(row * header.tiles_across + column)


def _joined(parts: list[bytes]) -> bytes:
    return b"".join(varint.pack(len(part)) + part for part in parts)
