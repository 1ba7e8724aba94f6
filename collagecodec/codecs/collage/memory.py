"""The memory that rendering a file of the codec `collage` takes, known from the header and the model."""

from __future__ import annotations

from bitstream.container import Header
from collagecodec.codecs.collage.decoder import BAND_CELLS, MIN_BAND, STRIP_CELLS, finishing_margin
from collagecodec.codecs.collage.layout import Layout
from collagecodec.codecs.collage.model import DecoderModel
from collagecodec.codecs.collage.rendering import MAX_DOUBLINGS, MAX_THREADS, doublings_for
from collagecodec.sampling.bands import resampling_bytes
from collagecodec.sampling.request import Request
from collagecodec.sampling.scales import natural_cell
from collagecodec.sampling.threads import thread_count

_WALK_BYTES = 24
"""Bytes for each code of a tile while it is decoded: the code, its feature, symbols and what sorts them."""
_FEATURE_BYTES = 3000
"""Bytes for each cell of a tile while it is decoded: the features of its neighbourhood and the hidden layers."""
_SAMPLE_BYTES = 100
"""Bytes for each sample of a band in a thread: planes, margins, half-size maps, corrections."""


def working_bytes(header: Header, model: DecoderModel, request: Request, fast: bool) -> int:
    """Return an upper bound of the memory of a rendering, beside its pixels; FormatError, LimitError."""
    cell = model.dictionary.cell
    layout = Layout(header, cell)
    (_, _, w, h), size = request.resolve(header.width, header.height)
    finest = cell if fast or model.enlargement is None else cell << MAX_DOUBLINGS
    n = natural_cell(cell, finest, (w, h), size)
    doublings = doublings_for(n, cell)
    n = cell << doublings if doublings else n
    # With the codes of a cell goes the offset of its quantiser.
    channels = model.prior.slices[model.slices_for(n) - 1].last + 1
    margin = -(-finishing_margin(model, doublings) // cell) if n >= cell and not fast else 0
    columns, rows = (
        min(-(-length // cell) + 2 * margin + 2, blocks) + 1
        for length, blocks in ((w, layout.block_columns), (h, layout.block_rows))
    )
    tile_rows, tile_columns = (
        min(layout.tile_cells, blocks) + 1 for blocks in (layout.block_rows, layout.block_columns)
    )
    tile = tile_rows * tile_columns * (_WALK_BYTES * channels + _FEATURE_BYTES)
    height = max(MIN_BAND, min(BAND_CELLS // columns, rows))
    # Two rows of tiles: bands that wait for a thread keep the codes of the last one.
    held = 2 * 2 * channels * columns * (min(tile_rows, rows) + height + 2 * margin + 2)
    width = min(columns, max(MIN_BAND, (STRIP_CELLS >> doublings) // height))
    around = (width + 2 * margin) * (height + 2 * margin)
    low, high = around * min(n, cell) ** 2, width * height * n**2
    threads = min(thread_count(), MAX_THREADS)
    finished = 12 * high * (2 * threads + 1)
    # Enlarged strips lose most of their margin on the way.
    working = threads * (_SAMPLE_BYTES * max(low, high * (3 if doublings else 2) // 2) + 30 * channels * around)
    if size == (w, h):
        # Strips of pixels that are put together, and axes without weights.
        band = 12 * height * n * columns * n + 100 * (w + h)
    else:
        band = resampling_bytes(3, height * n, (columns * n, rows * n), size)
    alpha = 0 if header.channels in (1, 3) else (6 * w * tile_rows + 4 * tile_rows * tile_columns * cell) * cell
    return tile + held + finished + working + band + alpha
