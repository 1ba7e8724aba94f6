"""The largest picture that can be read or written."""

from __future__ import annotations

from bitstream.header import MAX_PIXELS, MAX_SIDE
from collagecodec.errors import LimitError


def check_size(width: int, height: int) -> None:
    """Raise LimitError for a picture that is too large for a `.clg` file."""
    if max(width, height) > MAX_SIDE or width * height > MAX_PIXELS:
        raise LimitError(
            f"a picture of {width}x{height} pixels is beyond the limits of {MAX_SIDE} pixels a side and "
            f"{MAX_PIXELS} in total; cut it into parts"
        )
