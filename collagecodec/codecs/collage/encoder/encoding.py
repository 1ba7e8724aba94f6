"""Encoding a picture at one quantiser step: codes to symbols to tiles to bytes."""

from __future__ import annotations

import io
import math
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from bitstream import varint
from bitstream.container import Header, write_to
from bitstream.entropy import encode as encode_symbols
from collagecodec.codecs.alpha import pack_alpha
from collagecodec.codecs.collage.encoder.analysis import EncoderModel, Part, Patch, patches
from collagecodec.codecs.collage.encoder.quantised import Quantised
from collagecodec.codecs.collage.encoder.window import Window
from collagecodec.codecs.collage.hierarchical_prior import HierarchicalPrior
from collagecodec.codecs.collage.layout import Layout
from collagecodec.codecs.collage.model import DecoderModel
from collagecodec.codecs.collage.quantiser import MAX_OFFSET, OFFSETS_PER_OCTAVE, STEP
from collagecodec.codecs.collage.tile_head import coded_tile
from collagecodec.errors import MissingLibraryError
from collagecodec.io.roi import RoiSource
from collagecodec.sampling.threads import single_threaded_libraries

if TYPE_CHECKING:
    from collagecodec.codecs.collage.encoder.refinement import Refiner
    from collagecodec.io.sources import Source

TILE = 1024
"""Side of a tile in pixels."""
REFINEMENTS = {
    2: (0, 2), 3: (0, 5), 4: (16, 3), 5: (32, 4), 6: (60, 5), 7: (120, 6), 8: (240, 8), 9: (500, 10),
}  # fmt: skip
"""Updates of annealing and rounds of single changes at every effort that has them."""
ROI_FACTOR = 4
"""By how much the step is smaller in a region of interest without a quality of its own."""
HALO = 2
"""Cells around a tile that its refinement sees: their atoms reach into the pixels of the tile's."""
CACHED_PIXELS = 2**24
"""Pictures of up to this many pixels keep their planes and linear codes between two steps."""
Progress = Callable[[float], None]


def tile_size_of(source: Source) -> int:
    """Side of the tiles of a picture in pixels; 0 where one tile holds it all."""
    return TILE if max(source.width, source.height) > TILE else 0


class PictureEncoder:
    """One picture, one model: encodes at any step.

    `effort` 0 leaves the hypernetwork out, 2..9 refine what it gives, which raises MissingLibraryError where
    PyTorch is not installed.
    """

    def __init__(
        self, source: Source, header: Header, model: EncoderModel, effort: int, progress: Progress | None = None
    ) -> None:
        self.source, self.header, self.model, self.effort = source, header, model, effort
        self.progress = progress or (lambda _: None)
        self.layout = Layout(self.header, model.decoder.dictionary.cell)
        self.keep = source.width * source.height <= CACHED_PIXELS
        self._kept: list[Patch] = []
        self._alpha: list[bytes] = []
        self._weights: NDArray[np.float32] | None = None

    def _patches(self) -> Iterable[Patch]:
        if self._kept:
            return self._kept
        fresh = patches(self.model, self.layout, self.source)
        if self.keep:
            self._kept = list(fresh)
            return self._kept
        return fresh

    def _alpha_of(self, tile: int) -> bytes:
        """The packed alpha plane of a tile; packed once, since it does not depend on the step."""
        if not self._alpha:
            for index in range(self.header.tile_count):
                x, y, w, h = self.header.tile_box(index)
                self._alpha.append(pack_alpha(self.source.rows(y, y + h)[:, x : x + w, -1].copy()))
        return self._alpha[tile]

    def tiles(self, step_code: int) -> Iterator[bytes]:
        """Payloads of all tiles at a stored step."""
        decoder: DecoderModel = self.model.decoder
        active = decoder.luma if self.header.channels <= 2 else np.ones_like(decoder.luma)
        with_alpha = self.header.channels in (2, 4)
        offsets = self._offsets(step_code)
        refiner = _refiner(decoder, step_code, active) if self.effort in REFINEMENTS else None
        for patch in self._patches():
            quantised = self._quantised(patch, step_code, offsets)
            codes = self.model.codes(patch, quantised.steps, quantised.log_step, self.effort == 0)
            for part in patch.parts:
                wanted = np.rint(codes[part.rows, part.columns]).astype(np.int32)
                if refiner:
                    window, amount = self._window(patch, part, codes, quantised), REFINEMENTS[self.effort]
                    wanted = refiner.refine(window, *amount, self._share_of(part.tile))
                    # Windows of later tiles include the refined codes of this tile.
                    codes[part.rows, part.columns] = wanted
                coded = self._coded(wanted, quantised.of(part), active)
                alpha = self._alpha_of(part.tile) if with_alpha else b""
                yield (varint.pack(len(alpha)) + alpha + coded) if with_alpha else coded
                self.progress((part.tile + 1) / self.header.tile_count)

    def _coded(self, wanted: NDArray[np.int32], quantised: Quantised, active: NDArray[np.bool_]) -> bytes:
        """Return the coded symbols of a tile with its head."""
        prior, index = self.model.decoder.prior, quantised.rate_index
        if isinstance(prior, HierarchicalPrior):
            _, coded = prior.encode(wanted, index, active, quantised.offsets)
            return encode_symbols(
                coded_tile(coded, prior.pass_count, quantised.offsets, prior.tables), prior.tables
            )
        assert isinstance(index, int)
        _, passes = prior.encode(wanted, index, active)
        return encode_symbols([(s.ravel(), t.ravel()) for s, t in passes], prior.tables)

    def _offsets(self, step_code: int) -> NDArray[np.int64] | None:
        """The quantiser map of all cells of the picture; None if it is flat."""
        if not isinstance(self.source, RoiSource):
            return None
        if not isinstance(self.model.decoder.prior, HierarchicalPrior):
            raise ValueError(
                f"the model {self.model.decoder.name!r} has one step for the whole picture: regions of interest "
                "need a model with a quantiser map; `collage models` says which have one"
            )
        if self._weights is None:
            size = (self.header.height, self.header.width)
            self._weights = self.source.roi.cell_weights(*size, self.layout.cell)
        quality = self.source.quality
        inside = step_code / ROI_FACTOR if quality is None else STEP.code_of_quality(quality)
        offsets = np.rint(OFFSETS_PER_OCTAVE * math.log2(inside / step_code) * self._weights)
        return np.clip(offsets, -MAX_OFFSET, MAX_OFFSET).astype(np.int64)

    def _quantised(self, patch: Patch, step_code: int, offsets: NDArray[np.int64] | None) -> Quantised:
        """The quantiser of the cells of a patch."""
        if offsets is None:
            return Quantised.flat(step_code, self.model.decoder.gains)
        part, spans = patch.parts[0], []
        for axis, own in enumerate((part.rows, part.columns)):
            tile = divmod(part.tile, self.header.tiles_across)[axis]
            first = self.layout.tile_span(tile, axis == 1)[0] - own.start
            spans.append(slice(first, first + patch.linear.shape[axis]))
        return Quantised.mapped(step_code, self.model.decoder.gains, offsets[tuple(spans)])

    def _share_of(self, tile: int) -> Progress:
        return lambda share: self.progress((tile + share) / self.header.tile_count)

    def _window(self, patch: Patch, part: Part, codes: NDArray[np.float32], quantised: Quantised) -> Window:
        """A tile with the cells around it that the patch has, and the picture below them."""
        n, spans, insides, targets = self.layout.cell, [], [], []
        tiles = divmod(part.tile, self.header.tiles_across)
        sizes = (self.header.height, self.header.width)
        for axis, own in enumerate((part.rows, part.columns)):
            first, last = max(own.start - HALO, 0), min(own.stop + HALO, codes.shape[axis])
            top = self.layout.tile_span(tiles[axis], axis == 1)[0] - own.start + first
            length = min(n * (last - first - 1), sizes[axis] - n * top)
            spans.append(slice(first, last))
            insides.append(slice(own.start - first, own.stop - first))
            targets.append(slice(n * (first + 1), n * (first + 1) + length))
        cells = (spans[0], spans[1])
        inside = (insides[0], insides[1])
        return Window(codes[cells], inside, patch.framed[tuple(targets)], quantised.cut(*cells).offsets)

    def encode(self, step_code: int, metadata: Mapping[str, bytes]) -> bytes:
        """Return the complete file at a step code."""
        header = replace(self.header, params=step_code.to_bytes(2, "little"))
        stream = io.BytesIO()
        with single_threaded_libraries():
            write_to(stream, header, self.tiles(step_code), metadata)
        return stream.getvalue()


def _refiner(decoder: DecoderModel, step_code: int, active: NDArray[np.bool_]) -> Refiner:
    try:
        from collagecodec.codecs.collage.encoder.refinement import Refiner
    except ModuleNotFoundError as error:
        raise MissingLibraryError(
            f"an effort above 1 needs PyTorch ({error}): pip install 'collagecodec[train]', or use effort 1"
        ) from error
    return Refiner(decoder, step_code, active)
