"""The error of a file of layers, in units of the samples."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from bitstream.container import Reader
from collagecodec.codecs.layers.decoder import Picture
from collagecodec.io.sources import Source
from collagecodec.sampling.request import Request


@dataclass(frozen=True)
class Errors:
    """The errors of the samples with data: their root mean square and the largest, in units of the samples."""

    rmse: float
    largest: int
    peak: int

    @property
    def psnr(self) -> float:
        """PSNR in dB; infinite without loss."""
        return 20 * math.log10(self.peak / self.rmse) if self.rmse else math.inf


def errors(source: Source, data: bytes) -> Errors:
    """Return the errors of a file of layers against its source."""
    reader = Reader(data)
    description = Picture(reader).description
    bands, total, count, row, largest = len(description.bands), 0.0, 0, 0, 0
    for band in Picture(reader).render(Request()):
        decoded = band.reshape(len(band), source.width, -1)
        original = source.rows(row, row + len(band))
        row += len(band)
        found = original[..., :bands].astype(np.int32) - decoded[..., :bands]
        if description.alpha:
            found = found[original[..., -1] > 0]
        if found.size:
            total += float(np.square(found.astype(np.float64)).sum())
            count, largest = count + found.size, max(largest, int(np.abs(found).max()))
    low, high = min(b.low for b in description.bands), max(b.high for b in description.bands)
    peak = 255 if description.dtype == np.uint8 else max(high - low, 1)
    return Errors(math.sqrt(total / max(count, 1)), largest, peak)
