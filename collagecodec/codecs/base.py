"""The one contract that every codec meets, ours and the baselines': pictures in, real bytes out, pictures back.

A codec is a value: two codecs are equal when their configurations are equal, and printing one gives the
expression that makes it. The configuration of a codec is the set of its dataclass fields, so that it
round-trips through `Codec.config` and JSON. (The idea of codecs as values is numcodecs'.)
"""

from __future__ import annotations

import dataclasses
from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from collagecodec.operator.collage import Collage

Image8 = NDArray[np.uint8]
Region = tuple[int, int, int, int]
Progress = Callable[[float, str], None]
"""Is told the share of the work done, 0..1, and a short text such as the PSNR so far, which may be empty."""


@dataclass(frozen=True)
class Codec(ABC):
    """Abstract base. A subclass is a frozen dataclass with `name` set; its fields are its settings.

    Pictures are `uint8` arrays of shape (H, W) for grey or (H, W, 3) for sRGB.

    The law: `decode(encode(x))` has the shape of `x`, and every byte that `decode` needs about this picture
    is in what `encode` returned. Tables shared by all pictures (a model) are named by `fingerprint`.
    """

    name: ClassVar[str]
    rescales: ClassVar[bool] = False
    """Whether `decode` honours `scale`, `size` and `region`; a codec that does not raises ValueError."""
    keeps_alpha: ClassVar[bool] = False
    """Whether `encode` takes (H, W, 2), grey and alpha, and (H, W, 4), RGB and alpha, too."""

    @abstractmethod
    def encode(self, image: Image8) -> bytes:
        """Return the complete file for `image`."""

    def encode_with(self, image: Image8, progress: Progress | None) -> bytes:
        """The same; a codec that takes long overrides this to call `progress` from time to time."""
        return self.encode(image)

    @abstractmethod
    def decode(
        self,
        data: bytes,
        *,
        scale: float = 1,
        size: tuple[int, int] | None = None,
        region: Region | None = None,
    ) -> Image8:
        """Return the picture.

        `scale` multiplies width and height; `size` is (width, height) in pixels and excludes `scale`;
        `region` is (x, y, width, height) in pixels of the stored picture, cut before scaling.
        """

    @classmethod
    def collages(cls, data: bytes) -> tuple[Collage, ...]:
        """The contractive maps of a file of this codec; ValueError for a codec that is not a collage."""
        raise ValueError(f"the codec {cls.name!r} stores no contractive map")

    @property
    def fingerprint(self) -> str:
        """Hexadecimal digest of the learned tables that `decode` needs beside the file; '' if there are none."""
        return ""

    @property
    def config(self) -> dict[str, Any]:
        """The settings as JSON-able values, `name` included: `registry.from_config` makes an equal codec."""
        return {"name": self.name, **dataclasses.asdict(self)}
