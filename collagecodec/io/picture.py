"""Pictures in memory: numpy arrays and Pillow images, and their metadata.

A picture that can be stored has 8 bits a sample and one of four modes, which follow from its channels:

    1  L      uint8 (H, W)          3  RGB    uint8 (H, W, 3)
    2  LA     uint8 (H, W, 2)       4  RGBA   uint8 (H, W, 4)

Any other picture is converted if nothing is lost, or refused with a conversion to use. Metadata are bytes by
kind: 'icc' (a profile), 'exif' (a TIFF block, without the "Exif" prefix of JPEG) and 'xmp' (a packet). An EXIF
orientation is kept and not applied: the pixels stay as they are stored.
"""

from __future__ import annotations

import zlib
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from collagecodec.errors import UnsupportedImageError

if TYPE_CHECKING:
    from PIL import Image

MODES = ("L", "LA", "RGB", "RGBA")
"""`MODES[n - 1]` is the mode of n channels."""

_CROP, _FEW_VALUES, _ALPHA_BITS = 256, 64, 2
_EXIF_PREFIX = b"Exif\0\0"
_LOSSLESS = {"1": "L", "L": "L", "LA": "LA", "RGB": "RGB", "RGBA": "RGBA", "PA": "RGBA"}
_SIXTEEN_BIT = ("I;16", ";16", ";12")
_XMP, _EXIF_IFD, _GPS_IFD = 700, 0x8769, 0x8825
_DESCRIPTIVE_TAGS = (270, 271, 272, 274, 282, 283, 296, 305, 306, 315, 33432, _EXIF_IFD, _GPS_IFD)
"""Tags of a TIFF file that describe the picture, as opposed to the layout of its samples."""
_PHOTOMETRIC, _BANDS, _EXTRA_BANDS = 262, 277, 338
_TIFF_COLOURS = {0: 1, 1: 1, 2: 3, 3: 1}
"""Number of bands without alpha, by photometric interpretation: grey (0, 1), RGB, palette."""
_TIFF_ALPHA = (1, 2, 999)
"""Values for premultiplied alpha, for alpha, and for the alpha of Corel Draw."""


def channels_of(array: NDArray[Any]) -> int:
    """Return the channels, 1 .. 4, of an array that can be stored: uint8 or bool, (H, W) or (H, W, 1 .. 4).

    Raises UnsupportedImageError.
    """
    if array.ndim not in (2, 3) or (array.ndim == 3 and not 1 <= array.shape[2] <= 4):
        raise UnsupportedImageError(
            f"an array of shape {array.shape} is not a picture; give (height, width) or (height, width, "
            "channels) with 1 to 4 channels"
        )
    if array.dtype not in (np.uint8, np.bool_):
        raise UnsupportedImageError(
            f"samples of type {array.dtype} cannot be stored; scale them to 0 .. 255 and convert with "
            ".astype(numpy.uint8)"
        )
    if 0 in array.shape:
        raise UnsupportedImageError(f"an array of shape {array.shape} holds no pixels; give at least 1x1")
    return array.shape[2] if array.ndim == 3 else 1


def check_alpha(array: NDArray[Any], alpha: bool | None) -> None:
    """Raise UnsupportedImageError if the last of the 2 or 4 channels of `array` (H, W, C) is not alpha.

    An array does not say what its channels mean, so the last of 2 or 4 is taken as alpha. Near infrared in the
    fourth channel would then be stored without loss, at several times the size of the other three together.
    `alpha` True means that the caller insists, False that the channel is not alpha, None that its samples decide:
    they are refused as a picture if, in the central 256x256, there are more than 64 distinct values and the
    differences between neighbours need more than 2 bits per pixel after zlib. Masks have few values and soft
    edges small differences; photographs need 3 to 7 bits.
    """
    if array.ndim < 3 or array.shape[2] not in (2, 4) or alpha:
        return
    if alpha is False or _is_photographic(array[..., -1]):
        others = "one" if array.shape[2] == 2 else "three"
        raise UnsupportedImageError(
            f"the last of the {array.shape[2]} channels looks like a band of the picture, not like alpha: "
            f"keep the first {others} alone, or insist that it is alpha with alpha=True (--alpha)"
        )


def _is_photographic(band: NDArray[Any]) -> bool:
    top, left = (max(0, (side - _CROP) // 2) for side in band.shape)
    samples = band[top : top + _CROP, left : left + _CROP].astype(np.uint8)
    if len(np.unique(samples)) <= _FEW_VALUES:
        return False
    down = np.diff(samples, axis=0, prepend=np.zeros_like(samples[:1]))
    differences = np.diff(down, axis=1, prepend=np.zeros_like(down[:, :1]))
    return 8 * len(zlib.compress(differences.tobytes(), 6)) > _ALPHA_BITS * samples.size


def rows_of(array: NDArray[Any], start: int, stop: int) -> NDArray[np.uint8]:
    """Return rows start .. stop - 1 of an array that `channels_of` accepts: uint8 (rows, W, channels)."""
    rows = array[start:stop]
    if rows.dtype == np.bool_:
        rows = rows.astype(np.uint8) * np.uint8(255)
    return rows.reshape(rows.shape[0], rows.shape[1], -1)


def storable_mode(image: Image.Image) -> str:
    """Return the mode of `MODES` to which a Pillow image converts without loss.

    Raises UnsupportedImageError, with the conversion to use, for 16-bit, float, CMYK, LAB, HSV, YCbCr and
    premultiplied pictures, for files of several frames and for bands that are neither colours nor alpha.
    """
    if _frames(image) > 1:
        raise UnsupportedImageError(
            f"the picture has {_frames(image)} frames or pages, and a file holds a single picture: choose one of "
            "them with page=1 (--page 1)"
        )
    if is_deep(image):
        raise UnsupportedImageError(
            f"a picture of mode {image.mode} has more than 8 bits a sample: scale them to 8 bits with "
            "to_8bit=True (--to-8bit), or from a range with value_range=(0, 4095) (--range 0,4095)"
        )
    check_tiff_bands(image)
    if image.mode == "P":
        transparent = "transparency" in image.info or (image.palette and image.palette.mode == "RGBA")
        return "RGBA" if transparent else "RGB"
    if image.mode == "RGBX":
        _check_padding(image)
        return "RGB"
    if image.mode not in _LOSSLESS:
        target = "RGBA" if image.mode.lower() == "rgba" else "LA" if image.mode == "La" else "RGB"
        raise UnsupportedImageError(
            f'a picture of mode {image.mode} cannot be stored as it is: convert it with convert="{target}" '
            f"(--convert {target})"
        )
    mode = _LOSSLESS[image.mode]
    if "transparency" in image.info and mode in ("L", "RGB"):
        return mode + "A"
    return mode


def _check_padding(image: Image.Image) -> None:
    """Raise UnsupportedImageError if the fourth band of an image of mode RGBX is more than padding."""
    low, high = image.getchannel("X").getextrema()
    if low != high:
        raise UnsupportedImageError(
            'mode RGBX has a fourth band, which is not alpha: drop it with image.convert("RGB"), or give that '
            'picture the band as alpha with putalpha(image.getchannel("X"))'
        )


def check_tiff_bands(image: Image.Image) -> None:
    """Raise UnsupportedImageError for a TIFF file with more bands than colours and alpha; Pillow drops them."""
    if image.format != "TIFF":
        return
    tags = image.tag_v2  # type: ignore[attr-defined]
    bands, meanings = int(tags.get(_BANDS, 1)), tuple(tags.get(_EXTRA_BANDS, ()))
    extra = bands - _TIFF_COLOURS.get(int(tags.get(_PHOTOMETRIC, 1)), bands)
    if extra > 1 or (extra == 1 and (not meanings or meanings[0] not in _TIFF_ALPHA)):
        raise UnsupportedImageError(
            f"the TIFF file has {bands} bands and does not mark the last of them as alpha: drop what is not grey "
            "or RGB (gdal_translate -b 1 -b 2 -b 3), or mark a fourth band as alpha (-colorinterp_4 alpha)"
        )


def is_deep(image: Image.Image) -> bool:
    """Return whether an image, or the file that it was opened from, has more than 8 bits a sample."""
    return image.mode in ("I", "F") or any(_is_deep(text) for text in (image.mode, *_raw_modes(image)))


def _frames(image: Image.Image) -> int:
    """Return the number of pictures in a file; overviews and masks of a TIFF file do not count."""
    count = int(getattr(image, "n_frames", 1))
    if count == 1 or image.format != "TIFF":
        return 1 if image.format == "MPO" else count
    position, pictures = image.tell(), 0
    for frame in range(count):
        image.seek(frame)
        kind = image.tag_v2.get(254, 0)  # type: ignore[attr-defined]
        pictures += frame == 0 or not int(kind) & 0b101
    image.seek(position)
    return pictures


def _raw_modes(image: Image.Image) -> list[str]:
    """Return how the samples of a file that is not loaded yet are stored; Pillow cuts 16 bits to 8 silently."""
    modes: list[str] = []
    for tile in getattr(image, "tile", ()):
        arguments = tile[3] if isinstance(tile[3], tuple) else (tile[3],)
        modes.extend(str(value) for value in arguments if isinstance(value, str))
        if image.format == "PPM" and any(isinstance(v, int) and v > 255 for v in arguments):
            modes.append("I;16")
    return modes


def _is_deep(mode: str) -> bool:
    return any(mark in mode for mark in _SIXTEEN_BIT)


def pillow_rows(image: Image.Image, mode: str, start: int, stop: int) -> NDArray[np.uint8]:
    """Return rows start .. stop - 1 of `image` in `mode` (`storable_mode`): uint8 (rows, W, channels)."""
    band = image
    if (start, stop) != (0, image.height):
        band = image.crop((0, start, image.width, stop))
    if band.mode != mode:
        band = band.convert(mode)
    rows: NDArray[np.uint8] = np.asarray(band)
    return rows.reshape(band.height, band.width, -1)


def to_array(image: NDArray[Any] | Image.Image) -> NDArray[np.uint8]:
    """Return a numpy or Pillow picture as uint8, (H, W) for one channel and (H, W, C) for 2 .. 4.

    Raises UnsupportedImageError for pictures that cannot be stored.
    """
    if isinstance(image, np.ndarray):
        channels_of(image)
        array = rows_of(image, 0, len(image))
    elif hasattr(image, "getbands"):
        array = pillow_rows(image, storable_mode(image), 0, image.height)
    else:
        raise UnsupportedImageError(
            f"a {type(image).__name__} is not a picture; give a numpy array or a Pillow image"
        )
    return squeeze(array)


def squeeze(array: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Return (H, W) for (H, W, 1), anything else unchanged."""
    return array[:, :, 0] if array.ndim == 3 and array.shape[2] == 1 else array


def metadata_of(image: Image.Image) -> dict[str, bytes]:
    """Return the metadata of a Pillow image under 'icc', 'exif' and 'xmp', without kinds that it lacks."""
    metadata: dict[str, bytes] = {}
    if icc := image.info.get("icc_profile"):
        metadata["icc"] = bytes(icc)
    if exif := strip_exif(_exif_of(image)):
        metadata["exif"] = exif
    xmp = image.info.get("xmp") or image.info.get("XML:com.adobe.xmp")
    if xmp:
        metadata["xmp"] = xmp.encode() if isinstance(xmp, str) else bytes(xmp)
    return metadata


def strip_exif(exif: bytes) -> bytes:
    """Return EXIF data as a TIFF block, without the "Exif" prefixes that JPEG and others put before it."""
    while exif.startswith(_EXIF_PREFIX):
        exif = exif[len(_EXIF_PREFIX) :]
    return exif


def _exif_of(image: Image.Image) -> bytes:
    if exif := image.info.get("exif"):
        return bytes(exif)
    if image.format != "TIFF":
        return b""
    # A TIFF file is its own EXIF block; only the tags that describe the picture are copied.
    from PIL.Image import Exif

    tags, selected = image.getexif(), Exif()
    for tag in _DESCRIPTIVE_TAGS:
        if tag in tags:
            selected[tag] = tags.get_ifd(tag) if tag in (_EXIF_IFD, _GPS_IFD) else tags[tag]
    return selected.tobytes() if len(selected) else b""


def to_pillow(array: NDArray[np.uint8], metadata: Mapping[str, bytes] | None = None) -> Image.Image:
    """Return a Pillow image of a uint8 picture, (H, W) or (H, W, 1 .. 4), with `metadata` in its `info`.

    Unlike that of other images, its `save` writes EXIF and XMP without being asked to, in PNG, JPEG, WebP and
    TIFF; pass `exif=`, `xmp=` or `icc_profile=` to `save` to replace them. Raises UnsupportedImageError.
    """
    from collagecodec.io.pillow_metadata import image_with_metadata

    mode = MODES[channels_of(array) - 1]
    return image_with_metadata(mode, rows_of(array, 0, len(array)), metadata or {})
