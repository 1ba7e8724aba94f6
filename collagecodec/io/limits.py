"""Limits: the largest picture that can be stored, and what decoding a file may take."""

from __future__ import annotations

import math
from dataclasses import dataclass

from bitstream.chunks import MAX_METADATA
from bitstream.container import Reader
from bitstream.header import MAX_PIXELS, MAX_SIDE
from collagecodec.errors import LimitError


@dataclass(frozen=True)
class Limits:
    """What decoding may take. The defaults let pictures of 20,000 x 20,000 pixels pass.

    Every codec compares them with the header and the request before it allocates memory, so that a file of a few
    bytes cannot ask for more. A server that opens files of strangers should lower them to what it needs.
    """

    pixels: int = 2**29
    """Pixels that have to be decoded, and pixels of the output: each at most this many. They bound the time."""
    working_bytes: int = 2**30
    """Memory that decoding may take beside the file and the pixels that it returns."""
    metadata_bytes: int = MAX_METADATA
    """All metadata together, after inflating."""

    def __post_init__(self) -> None:
        """Raise ValueError for a limit below 0."""
        if min(self.pixels, self.working_bytes, self.metadata_bytes) < 0:
            raise ValueError("limits are integers of at least 0")

    def reader(self, data: bytes | bytearray | memoryview, *, strict: bool = True) -> Reader:
        """Open a file; raises what `Reader` raises, LimitError for too many metadata."""
        return Reader(data, strict=strict, max_metadata=self.metadata_bytes)

    def check_pixels(self, decoded: int, output: tuple[int, int]) -> None:
        """Raise LimitError for too many pixels to decode, or too large an output (width, height)."""
        size = f"{output[0]}x{output[1]}"
        for count, what in (
            (output[0] * output[1], f"the output of {size} pixels is"),
            (decoded, f"{decoded} pixels would have to be decoded, which is"),
        ):
            if count > self.pixels:
                raise LimitError(
                    f"{what} over the limit of {self.pixels}: ask for a region or a smaller size, or allow "
                    f"it with Limits(pixels={count}) (--limit-pixels {count}) if you trust the file"
                )

    def check_memory(self, needed: int) -> None:
        """Raise LimitError if decoding needs more than `working_bytes`."""
        if needed > self.working_bytes:
            raise LimitError(
                f"decoding takes up to {mebibytes(needed)} MiB beside the picture, the limit is "
                f"{mebibytes(self.working_bytes)} MiB: ask for a smaller region or size, or raise "
                "Limits(working_bytes=...) (--limit-memory) if you trust the file"
            )


DEFAULT_LIMITS = Limits()
UNLIMITED = Limits(2**63, 2**63, 2**63)
"""For files that this process has written itself."""


def mebibytes(count: int) -> int:
    """Return bytes in MiB, rounded up."""
    return math.ceil(count / 2**20)


def check_size(width: int, height: int) -> None:
    """Raise LimitError for a picture that is too large for a `.clg` file."""
    if max(width, height) > MAX_SIDE or width * height > MAX_PIXELS:
        raise LimitError(
            f"a picture of {width}x{height} pixels is beyond the limits of {MAX_SIDE} pixels a side and "
            f"{MAX_PIXELS} in total; cut it into parts"
        )
