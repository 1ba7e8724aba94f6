"""The common part of all formats that Pillow reads and writes."""

from __future__ import annotations

import io
from abc import abstractmethod
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
from PIL import Image, features

from collagecodec.codecs.base import ArrayCodec
from collagecodec.sampling.request import Image8


@dataclass(frozen=True)
class PillowCodec(ArrayCodec):
    """Abstract base of the formats of Pillow and its plugins. Metadata is not written."""

    format: ClassVar[str]
    feature: ClassVar[str] = ""
    """The name of the underlying library in `PIL.features`; '' for a plugin."""
    keeps_grey: ClassVar[bool] = True
    """Whether a grey picture is decoded as grey. Other formats refuse grey pictures."""

    @abstractmethod
    def options(self) -> dict[str, Any]:
        """Return what is passed to `Image.save`."""

    def load_plugin(self) -> None:
        """Import the plugin that registers the format; raises `ImportError` if it is not installed."""

    @property
    def backend(self) -> str:
        """Name and version of the underlying library; raises `ImportError` if Pillow was built without it."""
        version = features.version(self.feature)
        if version is None:
            raise ImportError(f"this build of Pillow has no {self.format}: pip install --upgrade pillow")
        return f"{self.feature} {version}"

    def encode(self, image: Image8) -> bytes:
        """Return the file. `image`: uint8, (H, W, 3), or (H, W) if the format preserves grey."""
        if image.ndim == 2 and not self.keeps_grey:
            raise ValueError(f"{self.format} does not preserve grey pictures: convert to RGB first")
        self.load_plugin()
        stream = io.BytesIO()
        Image.fromarray(image).save(stream, self.format, **self.options())
        return stream.getvalue()

    def decode(self, data: bytes) -> Image8:
        """Return the picture, uint8, (H, W) or (H, W, 3)."""
        self.load_plugin()
        with Image.open(io.BytesIO(data), formats=(self.format,)) as picture:
            return np.asarray(picture if picture.mode == "L" else picture.convert("RGB"))
