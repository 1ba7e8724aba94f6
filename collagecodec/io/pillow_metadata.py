"""Pillow images that write their metadata when they are saved.

Pillow's `save` writes EXIF and XMP only if they are passed as arguments, which differ by format. The images
of this module pass what their `info` holds.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

_EXIF_PREFIX = b"Exif\0\0"
_XMP_TAG = 700


class MetadataImage(Image.Image):
    """An image whose `save` adds the metadata in its `info` to the arguments of the caller."""

    def save(self, fp: Any, format: str | None = None, **params: Any) -> None:
        """Save like any Pillow image, with ICC, EXIF and XMP unless the caller passes others."""
        kind = save_format(fp, format)
        super().save(fp, format, **save_arguments(self.info, kind, params))


def image_with_metadata(mode: str, array: NDArray[np.uint8], metadata: Mapping[str, bytes]) -> Image.Image:
    """Return an image of `mode` from uint8 (H, W, channels) that writes `metadata` when it is saved."""
    image = Image.frombytes(mode, (array.shape[1], array.shape[0]), array.tobytes())
    # Pillow's factories return plain images; the class can be replaced since the subclass adds no state.
    image.__class__ = MetadataImage
    image.info.update(info_of(metadata))
    return image


def info_of(metadata: Mapping[str, bytes]) -> dict[str, bytes]:
    """Return `metadata` under the names of Pillow's `info`: 'icc_profile', 'exif' (with prefix), 'xmp'."""
    info = {}
    if icc := metadata.get("icc"):
        info["icc_profile"] = icc
    if exif := metadata.get("exif"):
        info["exif"] = _EXIF_PREFIX + exif
    if xmp := metadata.get("xmp"):
        info["xmp"] = xmp
    return info


def save_arguments(info: Mapping[Any, Any], kind: str, given: Mapping[str, Any]) -> dict[str, Any]:
    """Return the arguments of Pillow's `save` that write the metadata in `info` to a file of format `kind`.

    `kind` is Pillow's name ("PNG", "TIFF", ...). The caller's arguments `given` are included and take precedence.
    """
    arguments = {key: info[key] for key in ("icc_profile", "exif", "xmp") if key in info} | dict(given)
    xmp = arguments.get("xmp")
    if xmp and kind == "PNG" and "pnginfo" not in given:
        from PIL.PngImagePlugin import PngInfo

        chunks = PngInfo()
        chunks.add_itxt("XML:com.adobe.xmp", xmp if isinstance(xmp, str) else xmp.decode("utf-8", "replace"))
        arguments["pnginfo"] = chunks
    if kind == "TIFF" and "tiffinfo" not in given:
        tags = arguments.get("exif")
        if not isinstance(tags, Image.Exif):
            block, tags = tags, Image.Exif()
            tags.load(block or b"")
        if xmp:
            tags[_XMP_TAG] = xmp
        arguments["exif"] = tags
    return arguments


def save_format(target: Any, kind: str | None) -> str:
    """Return Pillow's name of the format that `save(target, kind)` writes; '' if it is unknown."""
    if kind:
        return kind.upper()
    name = str(getattr(target, "name", target))
    return Image.registered_extensions().get("." + name.rpartition(".")[2].lower(), "")
