"""Large pictures, read and converted from top to bottom by libvips in little memory.

Imported only for large pictures: loading the library takes longer than decoding a small one.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pyvips
from numpy.typing import NDArray

from collagecodec.errors import UnsupportedImageError
from collagecodec.io.limits import check_size
from collagecodec.io.picture import strip_exif
from collagecodec.io.png import png_chunks

_INTERPRETATIONS = {"b-w": (1, 2), "srgb": (3, 4), "rgb": (3, 4)}
_FIELDS = {"icc": "icc-profile-data", "exif": "exif-data", "xmp": "xmp-data"}

_TYPES = {
    "uchar": np.uint8, "char": np.int8, "ushort": np.uint16, "short": np.int16,
    "uint": np.uint32, "int": np.int32, "float": np.float32, "double": np.float64,
}  # fmt: skip

_MAX_OVERLAP = 256

# A picture is read once, from top to bottom: a cache of operations would only hold memory.
pyvips.cache_set_max(0)


class VipsSource:
    """A picture file, given by its path or its bytes, that is streamed.

    `metadata` replaces that of libvips kind by kind. `page` counts from 1. Samples have 8 bits and the bands are
    grey or RGB, with or without alpha, unless `any_depth`; then `dtype` says what they are.
    Raises UnsupportedImageError, LimitError.
    """

    def __init__(
        self,
        data: Path | bytes,
        metadata: Mapping[str, bytes] | None = None,
        *,
        page: int | None = None,
        any_depth: bool = False,
    ) -> None:
        self._data, self._page = data, page
        image = self._open()
        self.width, self.height, self.channels = image.width, image.height, image.bands
        check_size(self.width, self.height)
        self.dtype: np.dtype[Any] = np.dtype(_TYPES.get(image.format, np.uint8))
        if not any_depth or image.format not in _TYPES:
            _check_kind(image)
        self.alpha = bool(image.hasalpha())
        self.metadata: Mapping[str, bytes] = {**_metadata_of(image), **(metadata or {})}
        self._restart(image)

    def _open(self) -> Any:
        try:
            options: dict[str, Any] = {"access": "sequential", "fail_on": "error"}
            if self._page is not None:
                options["page"] = self._page - 1
            if isinstance(self._data, bytes):
                return pyvips.Image.new_from_buffer(self._data, "", **options)
            return pyvips.Image.new_from_file(str(self._data), **options)
        except pyvips.Error as error:
            raise _unreadable(error) from error

    def _restart(self, image: Any) -> None:
        self._region = pyvips.Region.new(image)
        self._position = 0
        self._tail = np.empty((0, self.width, self.channels), self.dtype)

    def rows(self, start: int, stop: int) -> NDArray[Any]:
        """See `collagecodec.io.sources.Source.rows`."""
        if start < self._position - len(self._tail):
            self._restart(self._open())
        overlap = max(0, self._position - start)
        band = np.empty((stop - start, self.width, self.channels), self.dtype)
        # The stream cannot go back to rows that were read before.
        known = self._tail[len(self._tail) - overlap :][: stop - start]
        band[: len(known)] = known
        if stop > self._position:
            first = max(start, self._position)
            band[first - start :] = self._fetch(first, stop)
            self._tail, self._position = band[-_MAX_OVERLAP:].copy(), stop
        band.flags.writeable = False
        return band

    def _fetch(self, start: int, stop: int) -> NDArray[Any]:
        try:
            raw = self._region.fetch(0, start, self.width, stop - start)
        except pyvips.Error as error:
            raise _unreadable(error) from error
        return np.frombuffer(raw, self.dtype).reshape(stop - start, self.width, self.channels)


def _check_kind(image: Any) -> None:
    if image.format != "uchar" or image.interpretation in ("rgb16", "grey16"):
        raise UnsupportedImageError(
            f"samples of type {image.format} cannot be stored as they are: scale them to 8 bits with "
            "to_8bit=True (--to-8bit)"
        )
    if image.bands not in _INTERPRETATIONS.get(image.interpretation, ()):
        raise UnsupportedImageError(
            f"a picture of {image.bands} bands of kind {image.interpretation} cannot be stored; drop bands until "
            "it is grey or RGB, or mark the one after them as alpha"
        )


def _metadata_of(image: Any) -> dict[str, bytes]:
    fields = set(image.get_fields())
    metadata = {kind: bytes(image.get(field)) for kind, field in _FIELDS.items() if field in fields}
    if "exif" in metadata:
        metadata["exif"] = strip_exif(metadata["exif"])
    return {kind: value for kind, value in metadata.items() if value}


def _unreadable(error: Exception) -> UnsupportedImageError:
    reason = " ".join(str(error).split())
    return UnsupportedImageError(f"the picture cannot be read ({reason}): it is damaged or of an unknown kind")


def save_with_vips(
    path: Path,
    bands: Iterable[NDArray[np.uint8]],
    *,
    shape: tuple[int, int, int],
    metadata: Mapping[str, bytes],
    suffix: str,
    options: Mapping[str, Any],
) -> None:
    """Write `bands` of a picture of `shape` (width, height, channels) to `path` in the format of `suffix`.

    libvips reads the bands as an uncompressed PNG stream, which can hold any mode and the metadata. `options` go
    to libvips' writer. Exceptions of `bands` are passed on.
    """
    feed = _Feed(png_chunks(bands, shape, metadata, 0))
    source = pyvips.SourceCustom()
    source.on_read(feed.read)
    target = pyvips.Target.new_to_file(str(path))
    try:
        image = pyvips.Image.new_from_source(source, "", access="sequential", fail_on="error")
        image.write_to_target(target, suffix, **options)
    except pyvips.Error as error:
        if feed.error is not None:
            raise feed.error from None
        raise UnsupportedImageError(f"{suffix} cannot hold this picture ({error}); write .tif or .png") from error


class _Feed:
    """A readable stream of pieces of bytes; stores an exception, since none can pass through libvips."""

    def __init__(self, pieces: Iterator[bytes]) -> None:
        self._pieces, self._rest = pieces, memoryview(b"")
        self.error: BaseException | None = None

    def read(self, size: int) -> bytes:
        """Return 1 .. `size` bytes, none at the end or after an exception."""
        try:
            while not len(self._rest):
                piece = next(self._pieces, None)
                if piece is None:
                    return b""
                self._rest = memoryview(piece)
        except BaseException as error:
            self.error = error
            return b""
        head, self._rest = self._rest[:size], self._rest[size:]
        return bytes(head)
