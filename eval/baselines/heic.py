"""HEIC (HEVC intra), written by x265 through libheif and pillow-heif."""

from __future__ import annotations

import importlib
from dataclasses import dataclass
from typing import Any, ClassVar, Literal

from eval.baselines.pillow_codec import PillowCodec
from eval.sweep import Sweep


@dataclass(frozen=True)
class HeicCodec(PillowCodec):
    """HEIC with x265 at libheif's defaults.

    - 4:2:0, as phones write it, and 4:4:4 as a second curve.
    - libheif chooses the tuning of x265 ('ssim'). Only `quality` and `chroma` are set here.
    """

    name: ClassVar[str] = "heic"
    format: ClassVar[str] = "HEIF"
    keeps_grey: ClassVar[bool] = False
    quality: int = 50
    subsampling: Literal["4:2:0", "4:2:2", "4:4:4"] = "4:2:0"

    def options(self) -> dict[str, Any]:
        """Return what is passed to `Image.save`."""
        return {"quality": round(self.quality), "chroma": int(self.subsampling.replace(":", ""))}

    def load_plugin(self) -> None:
        """Register pillow-heif with Pillow; raises `ImportError` if it is not installed."""
        try:
            importlib.import_module("pillow_heif").register_heif_opener()
        except ImportError as error:
            raise ImportError(f"{error}: pip install pillow-heif") from error

    @property
    def backend(self) -> str:
        """Versions of libheif and of its encoder."""
        self.load_plugin()
        info = importlib.import_module("pillow_heif").libheif_info()
        return f"libheif {info['libheif']}, {info['HEIF'] or 'no HEVC encoder'}"


_LADDER = (5, 10, 15, 20, 25, 30, 35, 40, 45, 50, 55, 60, 66, 72, 80)

SWEEPS = (
    Sweep("heic", HeicCodec, "quality", _LADDER),
    Sweep("heic-444", HeicCodec, "quality", _LADDER, {"subsampling": "4:4:4"}),
)
