"""The codec `collage` for Zarr v2 and whatever else uses numcodecs, found by the entry point `numcodecs.codecs`.

zarr.create_array(store, zarr_format=2, shape=..., chunks=(1024, 1024, 3), dtype="uint8",
                  compressors=CollageCodec(quality=60))
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numcodecs.abc import Codec
from numcodecs.compat import ensure_bytes, ndarray_copy

from collagecodec import api
from collagecodec.plugins import chunks


class CollageCodec(Codec):  # type: ignore[misc]  # numcodecs has no types
    """Stores each chunk, an array of any shape that `chunks.axes_of` knows, as a `.clg` file.

    Takes `axes` and the options of `collagecodec.encode`; ValueError for others.
    """

    codec_id = "collage"

    def __init__(self, **configuration: Any) -> None:
        if unknown := sorted(set(configuration) - {"axes", *chunks.OPTIONS}):
            raise ValueError(f"there is no option {', '.join(unknown)}; there are {', '.join(chunks.OPTIONS)}")
        self.configuration = configuration

    def get_config(self) -> dict[str, Any]:
        """Return the identifier and the options."""
        return {"id": self.codec_id, **self.configuration}

    def encode(self, buf: Any) -> bytes:
        """Return the file of a chunk."""
        chunk = np.asarray(buf)
        options = {name: value for name, value in self.configuration.items() if name != "axes"}
        chunks.check(chunk.dtype, chunk.shape, self.configuration.get("axes"))
        return chunks.encode(chunk, None, self.configuration.get("axes"), options)

    def decode(self, buf: Any, out: Any = None) -> Any:
        """Return the samples of a chunk in its order of axes, without axes of size 1."""
        pixels = api.decode(ensure_bytes(buf))
        if self.configuration.get("axes") == "byx" and pixels.ndim == 3:
            pixels = np.ascontiguousarray(pixels.transpose(2, 0, 1))
        return pixels if out is None else ndarray_copy(pixels, out)
