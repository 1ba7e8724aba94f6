"""JPEG XL, written by libjxl through pillow-jxl-plugin."""

from __future__ import annotations

import importlib
import importlib.metadata
from dataclasses import dataclass
from typing import Any, ClassVar

from eval.baselines.pillow_codec import PillowCodec
from eval.sweep import Sweep


@dataclass(frozen=True)
class JxlCodec(PillowCodec):
    """Lossy JPEG XL (VarDCT in XYB).

    - The encoder targets a perceptual distance and has no PSNR mode, so that a curve in PSNR understates it.
    - `effort=7`, the default of libjxl.
    - The plugin supports `quality` but not `distance`, and silently ignores unknown options.
    """

    name: ClassVar[str] = "jxl"
    format: ClassVar[str] = "JXL"
    quality: int = 75
    effort: int = 7
    threads: int = 1

    def options(self) -> dict[str, Any]:
        """Return what is passed to `Image.save`."""
        return {"quality": self.quality, "effort": self.effort, "num_threads": self.threads}

    def load_plugin(self) -> None:
        """Import pillow-jxl-plugin, which registers itself; raises `ImportError` if it is not installed."""
        try:
            importlib.import_module("pillow_jxl")
        except ImportError as error:
            raise ImportError(f"{error}: pip install pillow-jxl-plugin") from error

    @property
    def backend(self) -> str:
        """Version of the plugin, which contains a libjxl of unknown version."""
        self.load_plugin()
        return f"pillow-jxl-plugin {importlib.metadata.version('pillow-jxl-plugin')}"


SWEEPS = (Sweep("jxl", JxlCodec, "quality", (3, 6, 10, 16, 24, 34, 45, 56, 66, 75, 83, 89, 93, 96)),)
