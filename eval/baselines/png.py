"""PNG, the lossless yardstick: how far every lossy curve can go, and a check of the harness itself."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

from eval.baselines.pillow_codec import PillowCodec
from eval.harness.sweep import Sweep


@dataclass(frozen=True)
class PngCodec(PillowCodec):
    """PNG at zlib level 9 (the densest). Its PSNR is infinite; it has a rate and times only."""

    name: ClassVar[str] = "png"
    format: ClassVar[str] = "PNG"
    feature: ClassVar[str] = "zlib"
    level: int = 9

    def options(self) -> dict[str, Any]:
        """Return what is passed to `Image.save`."""
        return {"compress_level": self.level}


SWEEPS = (Sweep("png", PngCodec, "level", (9,)),)
