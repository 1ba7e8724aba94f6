"""JPEG, written by libjpeg-turbo through Pillow."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar, Literal

from eval.baselines.pillow_codec import PillowCodec
from eval.sweep import Sweep


@dataclass(frozen=True)
class JpegCodec(PillowCodec):
    """Baseline JPEG.

    - `optimize=True` adapts the Huffman tables to the picture. With the standard tables, quality 5 costs 0.221
      instead of 0.141 bits per pixel on Kodak without any gain in quality.
    - 4:2:0 is common and better in RGB PSNR at low rates. 4:4:4 is a second curve, because chroma at full
      resolution is better at high rates.
    - Sequential mode: progressive mode saves a few percent, but the project's targets refer to plain
      `optimize=True`.
    """

    name: ClassVar[str] = "jpeg"
    format: ClassVar[str] = "JPEG"
    feature: ClassVar[str] = "libjpeg_turbo"
    quality: int = 75
    subsampling: Literal["4:2:0", "4:2:2", "4:4:4"] = "4:2:0"

    def options(self) -> dict[str, Any]:
        """Return what is passed to `Image.save`."""
        return {"quality": self.quality, "subsampling": self.subsampling, "optimize": True}


_LADDER = (3, 5, 8, 12, 18, 25, 35, 45, 55, 65, 75, 83, 89, 93, 96)

SWEEPS = (
    Sweep("jpeg", JpegCodec, "quality", _LADDER),
    Sweep("jpeg-444", JpegCodec, "quality", _LADDER, {"subsampling": "4:4:4"}),
)
