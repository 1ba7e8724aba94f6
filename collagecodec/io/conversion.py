"""Conversions on request: one page of several, other colours, 8 bits from more.

A picture that cannot be stored as it is is refused with the conversion that helps, in the caller's own words:
`convert="RGB"` in Python, `--convert RGB` on the command line.
"""

from __future__ import annotations

import io
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np
from numpy.typing import NDArray

from collagecodec.errors import UnsupportedImageError
from collagecodec.geo.reference import GeoReference

if TYPE_CHECKING:
    from PIL import Image

MODES = ("L", "LA", "RGB", "RGBA")
"""The modes that `Conversion.mode` may name."""

_FULL = 255
_BAND = 1024


@dataclass(frozen=True)
class Conversion:
    """What a caller asked for.

    page        the number of a page, frame or image of the file, from 1 on; None: the file has only one
    mode        one of `MODES` to convert to; None: the picture's own
    to_8bit     scale deeper samples to 0 .. 255
    value_range the samples that become 0 and 255; None: the smallest and the largest of the picture

    Raises ValueError for a page below 1, an unknown mode and an empty range.
    """

    page: int | None = None
    mode: str | None = None
    to_8bit: bool = False
    value_range: tuple[float, float] | None = None

    def __post_init__(self) -> None:
        if self.page is not None and self.page < 1:
            raise ValueError(f"pages are counted from 1, not {self.page}")
        if self.mode is not None and self.mode not in MODES:
            raise ValueError(f"a picture is converted to one of {', '.join(MODES)}, not {self.mode!r}")
        if self.value_range is not None and not self.value_range[0] < self.value_range[1]:
            low, high = self.value_range
            raise ValueError(f"the range {low:g}, {high:g} is empty: the first value must be the smaller one")

    @property
    def deep(self) -> bool:
        """Whether samples of more than 8 bits are to be scaled."""
        return self.to_8bit or self.value_range is not None

    def __bool__(self) -> bool:
        return self != Conversion()


AS_IT_IS = Conversion()
"""No conversion."""


class Rows(Protocol):
    """The part of a source that `ScaledSource` reads."""

    @property
    def width(self) -> int:
        """Pixels in a row."""

    @property
    def height(self) -> int:
        """Number of rows."""

    @property
    def channels(self) -> int:
        """Samples of a pixel."""

    @property
    def metadata(self) -> Mapping[str, bytes]:
        """Metadata by kind."""

    @property
    def alpha(self) -> bool:
        """Whether the last channel is alpha, which `opaque` of its type says to be opaque."""

    def rows(self, start: int, stop: int) -> NDArray[Any]:
        """Return rows start .. stop - 1, (stop - start, width, channels)."""


class ScaledSource:
    """A source of deeper samples, scaled linearly to uint8 while it is read; `value_range` as in `Conversion`.

    Without a range the source is read once from top to bottom to find it. Values that are not finite become 0.
    Alpha is scaled from its own range. The scale and offset of a geographic reference follow.
    """

    def __init__(self, source: Rows, value_range: tuple[float, float] | None = None) -> None:
        self.width, self.height, self.channels = source.width, source.height, source.channels
        self._source, self.alpha = source, source.alpha
        self.value_range = value_range or _range_of(source)
        self.metadata = _scaled_metadata(source.metadata, self.value_range)
        self.converted = getattr(source, "converted", "")

    def rows(self, start: int, stop: int) -> NDArray[np.uint8]:
        """See `collagecodec.io.sources.Source.rows`."""
        samples = self._source.rows(start, stop)
        result = scaled(samples, self.value_range)
        if self.alpha:
            result[..., -1] = scaled(samples[..., -1], (0, opaque(samples.dtype)))
        return result


def opaque(dtype: np.dtype[Any]) -> float:
    """Return the value of full opacity: the largest of an integer type, else 1."""
    return int(np.iinfo(dtype).max) if np.issubdtype(dtype, np.integer) else 1.0


def _scaled_metadata(metadata: Mapping[str, bytes], value_range: tuple[float, float]) -> dict[str, bytes]:
    if "geo" not in metadata:
        return dict(metadata)
    reference = GeoReference.from_bytes(metadata["geo"])
    low, high = value_range
    bands = tuple(
        replace(band, scale=band.scale * (high - low) / _FULL, offset=band.offset + band.scale * low)
        for band in reference.bands
    )
    # The value that stood for no data is out of the new range; a mask takes its place.
    return {**metadata, "geo": replace(reference, bands=bands, nodata=None).to_bytes()}


def scaled(samples: NDArray[Any], value_range: tuple[float, float]) -> NDArray[np.uint8]:
    """Return samples with `value_range` mapped linearly to 0 .. 255, rounded, and clipped."""
    low, high = value_range
    values = (samples.astype(np.float64) - low) * (_FULL / (high - low))
    return np.clip(np.rint(np.nan_to_num(values, nan=0, posinf=_FULL, neginf=0)), 0, _FULL).astype(np.uint8)


def _range_of(source: Rows) -> tuple[float, float]:
    low, high = np.inf, -np.inf
    for start in range(0, source.height, _BAND):
        rows = source.rows(start, min(source.height, start + _BAND))
        rows = rows[..., :-1] if source.alpha else rows
        finite = rows[np.isfinite(rows)]
        if finite.size:
            low, high = min(low, float(finite.min())), max(high, float(finite.max()))
    if not low < high:
        low = 0.0 if not np.isfinite(low) else low
        high = low + 1
    return low, high


def select_page(image: Image.Image, page: int | None) -> None:
    """Turn a file of several pictures to a page, counted from 1; UnsupportedImageError if it has not so many."""
    if page is None:
        return
    count = int(getattr(image, "n_frames", 1))
    if page > count:
        raise UnsupportedImageError(
            f"the picture has {count} page{'s' * (count > 1)}, and page {page} was wanted"
        )
    image.seek(page - 1)


def converted(image: Image.Image, mode: str) -> Image.Image:
    """Return an image in one of `MODES`.

    CMYK with a profile and LAB go through colour management to sRGB and lose their profile; a mode without alpha
    drops it. Raises UnsupportedImageError if the profile of the picture is damaged.
    """
    from PIL import ImageCms

    if image.mode in ("CMYK", "LAB"):
        profile = image.info.get("icc_profile")
        if image.mode == "LAB":
            source: Any = ImageCms.createProfile("LAB")
        else:
            source = ImageCms.ImageCmsProfile(io.BytesIO(profile)) if profile else None
        if source is not None:
            try:
                managed = ImageCms.profileToProfile(
                    image, source, ImageCms.createProfile("sRGB"), outputMode="RGB"
                )
            except ImageCms.PyCMSError as error:
                raise UnsupportedImageError(
                    f"the colour profile of the picture is damaged ({error}): remove it first"
                ) from error
            assert managed is not None
            managed.info.pop("icc_profile", None)
            image = managed
    if image.mode.startswith(("RGBa", "La")):
        image = image.convert("RGBA" if image.mode == "RGBa" else "LA")
    result: Image.Image = image if image.mode == mode else image.convert(mode)
    result.info.pop("transparency", None)
    return result
