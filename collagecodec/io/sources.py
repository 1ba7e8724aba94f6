"""The protocol `Source`, and sources over arrays, Pillow images and files."""

from __future__ import annotations

import io
import struct
import sys
import warnings
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO, Protocol, TypeVar, runtime_checkable

import numpy as np
from numpy.typing import NDArray

from collagecodec.errors import UnsupportedImageError
from collagecodec.io.limits import check_size
from collagecodec.io.picture import (
    MODES,
    channels_of,
    check_alpha,
    metadata_of,
    pillow_rows,
    rows_of,
    storable_mode,
)
from collagecodec.io.raw import open_raw

if TYPE_CHECKING:
    from PIL import Image

T = TypeVar("T")

LARGE = 50_000_000
"""Files of more pixels are streamed by libvips instead of being loaded by Pillow."""

_STREAMED = ("TIFF", "PNG", "JPEG", "WEBP")
"""Pillow's names of the formats that libvips reads too."""

_TIFF_SIGNATURES = (b"II*\0", b"MM\0*", b"II+\0", b"MM\0+")

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
    """A Pillow image, loaded as a whole and converted band by band."""

    def __init__(self, image: Image.Image, metadata: Mapping[str, bytes] | None = None) -> None:
        self._mode = storable_mode(image)
        if image.format == "TIFF":
            # Pillow turns a TIFF file upright while it loads, and removes the orientation from the metadata. If
            # it maps the file, which it does when it knows the name, the result is wrong for L and RGBA.
            image.filename = ""  # type: ignore[attr-defined]
            _loaded(image.load)
        self.channels = MODES.index(self._mode) + 1
        self.width, self.height = image.size
        check_size(self.width, self.height)
        self.metadata: Mapping[str, bytes] = {**metadata_of(image), **(metadata or {})}
        self._image = image

    def rows(self, start: int, stop: int) -> NDArray[np.uint8]:
        """See `Source.rows`."""
        return _loaded(lambda: pillow_rows(self._image, self._mode, start, stop))


def _loaded(load: Callable[[], T]) -> T:
    """Return what `load` returns; UnsupportedImageError if Pillow cannot decode the picture."""
    try:
        return load()
    except (OSError, SyntaxError, ValueError, EOFError, struct.error) as error:
        raise UnsupportedImageError(
            f"the picture cannot be read ({error}): it is damaged or cut off; copy it again"
        ) from error


def as_source(image: Any, metadata: Mapping[str, bytes] | None = None, *, alpha: bool | None = None) -> Source:
    """Return a source over a numpy array or a Pillow image; a source is returned as it is.

    `metadata` replaces that of an array or Pillow image kind by kind. `alpha` is for arrays, see `ArraySource`;
    Pillow images say what their bands mean. Raises UnsupportedImageError, LimitError.
    """
    if isinstance(image, np.ndarray):
        return ArraySource(image, metadata, alpha=alpha)
    if hasattr(image, "getbands"):
        return PillowSource(image, metadata)
    if isinstance(image, Source):
        return image
    raise UnsupportedImageError(
        f"a {type(image).__name__} is not a picture; give a numpy array, a Pillow image or a source of rows"
    )


def open_source(path: str | Path, *, large: int = LARGE, alpha: bool | None = None) -> Source:
    """Open a picture file, or standard input for '-'.

    Files of up to `large` pixels are read by Pillow, larger ones are streamed by libvips; rows of
    PGM, PPM, PAM and `.npy` files are read when they are needed. Pillow's own guard against huge pictures
    does not apply: the limits are those of the format. `alpha` is for `.npy` and PAM files, which need not say
    what their channels mean; see `ArraySource`.

    Raises UnsupportedImageError for files that are not pictures or cannot be stored, LimitError, OSError.
    """
    if str(path) == "-":
        data = sys.stdin.buffer.read()
        if not data:
            raise UnsupportedImageError("standard input is empty: pipe a picture into it")
        return _open(io.BytesIO(data), data, "standard input", large)
    file = Path(path)
    raw = open_raw(file, alpha)
    if raw is not None:
        return raw
    with file.open("rb") as stream:
        return _open(stream, file, str(path), large)


def _open(stream: BinaryIO, data: Path | bytes, name: str, large: int) -> Source:
    """Open the picture in `stream`, which may be closed afterwards; `data` is the same picture for libvips."""
    try:
        image = _open_with_pillow(stream, name)
    except UnsupportedImageError:
        _explain_bands(stream, data)
        raise
    if image is not None and (image.width * image.height <= large or image.format not in _STREAMED):
        source = PillowSource(image)
        _loaded(image.load)
        return source
    from collagecodec.io.vips import VipsSource

    metadata = {}
    if image is not None:
        # Pillow knows frames, meanings of bands and metadata that libvips does not report.
        storable_mode(image)
        metadata = metadata_of(image)
    return VipsSource(data, metadata)


def _explain_bands(stream: BinaryIO, data: Path | bytes) -> None:
    """Raise UnsupportedImageError with libvips' reason if it refuses a TIFF file that Pillow cannot identify.

    Pillow does not know TIFF files of grey with several extra bands, which GDAL writes for any bands.
    """
    stream.seek(0)
    if stream.read(4) in _TIFF_SIGNATURES:
        from collagecodec.io.vips import VipsSource

        VipsSource(data)


def _open_with_pillow(stream: BinaryIO, name: str) -> Image.Image | None:
    """Open a picture without decoding it; None if Pillow refuses it as too large."""
    from PIL import Image, UnidentifiedImageError

    bomb = (Image.DecompressionBombWarning, Image.DecompressionBombError)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            warnings.simplefilter("error", Image.DecompressionBombWarning)
            try:
                return Image.open(stream)
            except bomb:
                return _open_huge(stream)
    except bomb:
        return None
    except UnidentifiedImageError as error:
        raise UnsupportedImageError(
            f"{name} is not a picture of a known format; convert it to PNG or TIFF first"
        ) from error
    except (SyntaxError, ValueError, EOFError, struct.error) as error:
        raise UnsupportedImageError(f"{name} is a damaged picture ({error}); copy it again") from error


def _open_huge(stream: BinaryIO) -> Image.Image | None:
    """Open a picture with the plugin for its format, without the size check of `Image.open`."""
    from PIL import Image

    Image.init()
    stream.seek(0)
    prefix = stream.read(16)
    for kind in _STREAMED:
        factory, accept = Image.OPEN[kind]
        if accept is not None and accept(prefix) is True:
            stream.seek(0)
            return factory(stream, "")
    return None
