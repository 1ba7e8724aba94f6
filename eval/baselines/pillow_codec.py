"""What all formats that Pillow reads and writes have in common."""

from __future__ import annotations

import io
from abc import abstractmethod
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
from PIL import Image, features

from collagecodec.codecs.base import Codec
from collagecodec.sampling.request import Image8, Region


@dataclass(frozen=True)
class PillowCodec(Codec):
    """Abstract: a format of Pillow or of one of its plugins. Metadata is not written."""

    format: ClassVar[str]
    feature: ClassVar[str] = ""
    """The name under which `PIL.features` knows the library that does the work; '' for a plugin."""
    keeps_grey: ClassVar[bool] = True
    """Whether a grey picture comes back grey; a format that returns RGB instead refuses grey pictures."""

    @abstractmethod
    def options(self) -> dict[str, Any]:
        """Return what is passed to `Image.save`."""

    def load_plugin(self) -> None:
        """Import what registers the format with Pillow; raises `ImportError` if it is not installed."""

    @property
    def backend(self) -> str:
        """Name and version of the library that does the coding; raises `ImportError` if Pillow lacks it."""
        version = features.version(self.feature)
        if version is None:
            raise ImportError(f"this build of Pillow has no {self.format}: pip install --upgrade pillow")
        return f"{self.feature} {version}"

    def encode(self, image: Image8) -> bytes:
        """Return the file. `image`: uint8, (H, W, 3), or (H, W) where the format keeps grey."""
        if image.ndim == 2 and not self.keeps_grey:
            raise ValueError(f"{self.format} does not keep grey pictures grey: convert to RGB first")
        self.load_plugin()
        stream = io.BytesIO()
        Image.fromarray(image).save(stream, self.format, **self.options())
        return stream.getvalue()

    def decode(
        self,
        data: bytes,
        *,
        scale: float = 1,
        size: tuple[int, int] | None = None,
        region: Region | None = None,
    ) -> Image8:
        """Return the picture, uint8, (H, W) or (H, W, 3); another size or a region is a `ValueError`."""
        if scale != 1 or size is not None or region is not None:
            raise ValueError(f"{self.name} decodes whole pictures at their own size only")
        self.load_plugin()
        with Image.open(io.BytesIO(data), formats=(self.format,)) as picture:
            return np.asarray(picture if picture.mode == "L" else picture.convert("RGB"))
