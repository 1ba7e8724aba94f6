"""JPEG as libjpeg-turbo writes it through Pillow."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar, Literal

from eval.baselines.pillow_codec import PillowCodec
from eval.harness.sweep import Sweep


@dataclass(frozen=True)
class JpegCodec(PillowCodec):
    """Baseline JPEG.

    - `optimize=True`: Huffman tables of the picture instead of the standard's. Without them quality 5 costs
      0.221 instead of 0.141 bits a pixel on Kodak, all of it table, none of it quality.
    - 4:2:0, what cameras and web pages use and the better choice in RGB PSNR at low rates; `4:4:4` as a
      second curve, since chroma at full resolution wins at high rates.
    - Sequential: progressive saves a few percent more, but the project's targets name plain `optimize=True`.
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
