"""Chunks of arrays as pictures: which axes are rows, columns and bands, and what need not be stored.

A chunk may have leading axes of size 1; then (y, x), (y, x, band) or (band, y, x). Trailing rows and columns that
hold nothing but the fill value, as those of a chunk at the edge of an array, are not stored.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from collagecodec import api
from collagecodec.errors import FormatError

AXES = ("yx", "yxb", "byx")
TYPES = ("uint8", "uint16", "int16")
OPTIONS = ("quality", "bpp", "psnr", "max_bytes", "max_error", "effort", "model", "codec", "options")
"""The settings of a codec for chunks, all optional: those of `collagecodec.encode`, and `axes`."""
Box = tuple[slice, ...]


def axes_of(shape: Sequence[int], axes: str | None = None) -> str:
    """Return which of `AXES` a chunk of `shape` has: `axes`, or by default what its size suggests.

    Of three axes, the shorter one of the first and the last holds the bands, the last one if both are equal.
    Raises ValueError for a shape that is no picture.
    """
    sides = tuple(shape)
    while len(sides) > 2 and sides[0] == 1 and (axes is None or len(sides) > len(axes)):
        sides = sides[1:]
    if axes is None:
        if len(sides) not in (2, 3):
            raise ValueError(
                f"a chunk of shape {tuple(shape)} is not a picture: chunks are (y, x), (y, x, band) or "
                "(band, y, x) after axes of size 1"
            )
        axes = "yx" if len(sides) == 2 else "byx" if sides[0] < sides[2] else "yxb"
    if axes not in AXES or len(sides) != len(axes):
        raise ValueError(f"a chunk of shape {tuple(shape)} does not have the axes {axes!r} of {', '.join(AXES)}")
    return axes


def check(dtype: Any, shape: Sequence[int], axes: str | None) -> None:
    """Raise ValueError for chunks that cannot be stored."""
    if str(np.dtype(dtype)) not in TYPES:
        raise ValueError(f"chunks of {dtype} cannot be stored; convert them to {', '.join(TYPES)}")
    axes_of(shape, axes)


def encode(chunk: NDArray[Any], fill: Any, axes: str | None, options: Mapping[str, Any]) -> bytes:
    """Return the file of a chunk, without trailing rows and columns of the fill value."""
    picture = _to_picture(chunk, axes)
    bands = picture.reshape(*picture.shape[:2], -1)
    differs = (bands != fill).any(axis=2) if fill is not None else np.ones(bands.shape[:2], bool)
    rows, columns = np.flatnonzero(differs.any(axis=1)), np.flatnonzero(differs.any(axis=0))
    height, width = (int(found[-1]) + 1 if len(found) else 1 for found in (rows, columns))
    return api.encode(np.ascontiguousarray(picture[:height, :width]), alpha=False, **options)


def decode(
    data: bytes, shape: Sequence[int], dtype: Any, fill: Any, axes: str | None, box: Box | None = None
) -> NDArray[Any]:
    """Return a chunk, or the part of it in `box`, a slice of step 1 for each axis; FormatError."""
    kind = axes_of(shape, axes)
    box = box or tuple(slice(0, side) for side in shape)
    result = np.full([part.stop - part.start for part in box], 0 if fill is None else fill, dtype)
    lead = len(shape) - len(kind)
    rows, columns = (box[lead + kind.index(name)] for name in "yx")
    facts = api.info(data)
    chunk_rows, chunk_columns = (shape[lead + kind.index(name)] for name in "yx")
    if facts.dtype != str(np.dtype(dtype)) or facts.height > chunk_rows or facts.width > chunk_columns:
        raise FormatError(
            f"a chunk holds {facts.width}x{facts.height} pixels of {facts.dtype}, and its array has chunks of "
            f"{chunk_columns}x{chunk_rows} of {np.dtype(dtype)}"
        )
    height, width = min(rows.stop, facts.height) - rows.start, min(columns.stop, facts.width) - columns.start
    if height <= 0 or width <= 0 or not result.size:
        return result
    region = (columns.start, rows.start, width, height)
    picture = api.decode(data, region=region).reshape(height, width, -1)
    inner = result.reshape(result.shape[lead:]) if lead else result
    bands = box[lead + kind.index("b")] if "b" in kind else slice(0, 1)
    picture = picture[..., bands]
    if kind == "yx":
        inner[:height, :width] = picture.reshape(height, width)
    elif kind == "yxb":
        inner[:height, :width] = picture
    else:
        inner[:, :height, :width] = picture.transpose(2, 0, 1)
    return result


def _to_picture(chunk: NDArray[Any], axes: str | None) -> NDArray[Any]:
    kind = axes_of(chunk.shape, axes)
    picture: NDArray[Any] = chunk.reshape(chunk.shape[chunk.ndim - len(kind) :])
    if kind == "byx":
        picture = picture.transpose(1, 2, 0)
    single = picture.ndim > 2 and picture.shape[-1] == 1
    return picture[..., 0] if single else picture


def stored_size(data: bytes) -> tuple[int, int]:
    """Return the height and width of the picture in a chunk's file."""
    facts = api.info(data)
    return facts.height, facts.width
