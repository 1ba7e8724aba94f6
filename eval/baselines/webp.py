"""Lossy WebP, written by libwebp through Pillow."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

from eval.baselines.pillow_codec import PillowCodec
from eval.sweep import Sweep


@dataclass(frozen=True)
class WebpCodec(PillowCodec):
    """Lossy WebP.

    - `method=6`, the slowest and densest search.
    - Always 4:2:0, the only subsampling of the format, which limits the PSNR of saturated pictures.
    """

    name: ClassVar[str] = "webp"
    format: ClassVar[str] = "WEBP"
    feature: ClassVar[str] = "webp"
    keeps_grey: ClassVar[bool] = False
    quality: int = 75
    method: int = 6

    def options(self) -> dict[str, Any]:
        """Return what is passed to `Image.save`."""
        return {"quality": self.quality, "method": self.method}


SWEEPS = (Sweep("webp", WebpCodec, "quality", (0, 2, 5, 10, 18, 28, 40, 52, 64, 75, 83, 89, 94, 98, 100)),)
