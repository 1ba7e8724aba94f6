"""The protocol `Source`, and sources over arrays and Pillow images."""

from __future__ import annotations

import struct
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any, Protocol, TypeVar, runtime_checkable

import numpy as np
from numpy.typing import NDArray

from collagecodec.errors import UnsupportedImageError
from collagecodec.io.conversion import AS_IT_IS, Conversion, ScaledSource, converted, scaled, select_page
from collagecodec.io.limits import check_size
from collagecodec.io.picture import (
    MODES,
    channels_of,
    check_alpha,
    check_tiff_bands,
    is_deep,
    metadata_of,
    pillow_rows,
    rows_of,
    storable_mode,
)

if TYPE_CHECKING:
    from PIL import Image

T = TypeVar("T")

MAX_OVERLAP = 256
"""Rows by which a band may overlap the band before it."""


@runtime_checkable
class Source(Protocol):
    """A picture of 8 bits a sample that is read from top to bottom in bands of rows."""

    @property
    def width(self) -> int:
        """Pixels in a row, at least 1."""

    @property
    def height(self) -> int:
        """Number of rows, at least 1."""

    @property
    def channels(self) -> int:
        """1 grey, 2 grey and alpha, 3 RGB, 4 RGBA."""

    @property
    def metadata(self) -> Mapping[str, bytes]:
        """'icc', 'exif' and 'xmp' if the picture has them; see `collagecodec.io.picture`."""

    def rows(self, start: int, stop: int) -> NDArray[np.uint8]:
        """Return rows start .. stop - 1: uint8 of shape (stop - start, width, channels), read-only.

        0 <= start < stop <= height. Reading downwards is cheap if each band overlaps the band before it by at
        most `MAX_OVERLAP` rows; any other start may mean reading from the top again. Raises
        UnsupportedImageError if the picture turns out to be damaged.
        """


def type_of(source: Source) -> np.dtype[Any]:
    """Return the type of a source's samples: uint8 unless its attribute `dtype` says otherwise."""
    return np.dtype(getattr(source, "dtype", np.uint8))


def alpha_of(source: Source) -> bool:
    """Return whether the last channel is alpha: of 2 and 4 channels, unless its attribute `alpha` decides."""
    return bool(getattr(source, "alpha", source.channels in (2, 4)))


def needs_layers(source: Source) -> bool:
    """Return whether a source is other than grey or RGB of 8 bits, with or without alpha."""
    bands = source.channels - alpha_of(source)
    return type_of(source) != np.uint8 or bands not in (1, 3)


class BandSource:
    """An array of any bands, (H, W) or (H, W, bands): uint8, uint16 or int16. It is not copied.

    `alpha` says that the last of them is alpha.
    """

    def __init__(
        self, array: NDArray[Any], metadata: Mapping[str, bytes] | None = None, *, alpha: bool = False
    ) -> None:
        if array.ndim not in (2, 3) or 0 in array.shape or (array.ndim == 3 and alpha and array.shape[2] < 2):
            raise UnsupportedImageError(
                f"an array of shape {array.shape} is not a picture; give (height, width) or (height, width, "
                "bands)"
            )
        self._array = array.reshape(*array.shape[:2], -1)
        self.height, self.width, self.channels = self._array.shape
        check_size(self.width, self.height)
        self.dtype, self.alpha = array.dtype, alpha
        self.metadata: Mapping[str, bytes] = dict(metadata or {})

    def rows(self, start: int, stop: int) -> NDArray[Any]:
        """See `Source.rows`."""
        return self._array[start:stop]


class ArraySource:
    """A numpy array, `numpy.memmap` included: uint8 or bool, (H, W) or (H, W, 1 .. 4). It is not copied.

    `alpha` True says that the last of 2 or 4 channels is alpha; by default they are refused if they do not
    look like it (`collagecodec.io.picture.check_alpha`).
    """

    def __init__(
        self, array: NDArray[Any], metadata: Mapping[str, bytes] | None = None, *, alpha: bool | None = None
    ) -> None:
        self.channels = channels_of(array)
        check_alpha(array, alpha)
        self.height, self.width = array.shape[:2]
        check_size(self.width, self.height)
        self.metadata: Mapping[str, bytes] = dict(metadata or {})
        self._array = array

    def rows(self, start: int, stop: int) -> NDArray[np.uint8]:
        """See `Source.rows`."""
        return rows_of(self._array, start, stop)


class PillowSource:
    """A Pillow image, loaded as a whole and converted band by band, at first as `conversion` says."""

    def __init__(
        self,
        image: Image.Image,
        metadata: Mapping[str, bytes] | None = None,
        conversion: Conversion = AS_IT_IS,
    ) -> None:
        if conversion:
            image, kept = _prepared(image, conversion)
            metadata = {**kept, **(metadata or {})}
        self._mode = storable_mode(image)
        if image.format == "TIFF":
            # Pillow turns a TIFF file upright while it loads, and removes the orientation from the metadata. If
            # it maps the file, which it does when it knows the name, the result is wrong for L and RGBA.
            image.filename = ""  # type: ignore[attr-defined]
            loaded(image.load)
        self.channels = MODES.index(self._mode) + 1
        self.width, self.height = image.size
        check_size(self.width, self.height)
        self.metadata: Mapping[str, bytes] = {**metadata_of(image), **(metadata or {})}
        self._image = image

    def rows(self, start: int, stop: int) -> NDArray[np.uint8]:
        """See `Source.rows`."""
        return loaded(lambda: pillow_rows(self._image, self._mode, start, stop))


def _prepared(image: Image.Image, conversion: Conversion) -> tuple[Image.Image, dict[str, bytes]]:
    """Return the image that `conversion` asks for, detached from its file, and its metadata."""
    from PIL import Image

    select_page(image, conversion.page)
    metadata = metadata_of(image)
    check_tiff_bands(image)
    if conversion.deep and is_deep(image):
        samples = loaded(lambda: np.asarray(image))
        source = ScaledSource(Samples(samples), conversion.value_range)
        image = Image.fromarray(scaled(samples, source.value_range))
    else:
        image = loaded(image.copy)
    if conversion.mode is not None:
        image = converted(image, conversion.mode)
        if "icc_profile" not in image.info:
            metadata.pop("icc", None)
    return image, metadata


class Samples:
    """An array of samples of any type as a source of rows."""

    def __init__(self, samples: NDArray[Any]) -> None:
        self._samples = samples.reshape(*samples.shape[:2], -1)
        self.height, self.width, self.channels = self._samples.shape
        self.metadata: Mapping[str, bytes] = {}
        self.alpha = False

    def rows(self, start: int, stop: int) -> NDArray[Any]:
        """See `Source.rows`."""
        return self._samples[start:stop]


def loaded(load: Callable[[], T]) -> T:
    """Return what `load` returns; UnsupportedImageError if Pillow cannot decode the picture."""
    try:
        return load()
    except (OSError, SyntaxError, ValueError, EOFError, struct.error) as error:
        raise UnsupportedImageError(
            f"the picture cannot be read ({error}): it is damaged or cut off; copy it again"
        ) from error
