"""PNG, the lossless reference for every lossy curve, and a check of the harness."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

from eval.baselines.pillow_codec import PillowCodec
from eval.sweep import Sweep


@dataclass(frozen=True)
class PngCodec(PillowCodec):
    """PNG at zlib level 9, the densest. Its PSNR is infinite, so that only rate and time are of interest."""

    name: ClassVar[str] = "png"
    format: ClassVar[str] = "PNG"
    feature: ClassVar[str] = "zlib"
    level: int = 9

    def options(self) -> dict[str, Any]:
        """Return what is passed to `Image.save`."""
        return {"compress_level": self.level}


SWEEPS = (Sweep("png", PngCodec, "level", (9,)),)
