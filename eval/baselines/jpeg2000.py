"""JPEG 2000, written by OpenJPEG through Pillow at a target rate or a target quality."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar, Literal

from eval.baselines.pillow_codec import PillowCodec
from eval.sweep import Sweep


@dataclass(frozen=True)
class Jpeg2000Codec(PillowCodec):
    """JPEG 2000 with a single quality layer and the 9/7 wavelet.

    - `irreversible=True, mct=1` selects the lossy wavelet and the colour transform. Without the latter, which
      Pillow disables by default, it loses 3 to 4.6 dB at equal rate.
    - `target` is in bits per pixel with `mode='rate'` and in dB with `mode='psnr'`. An equal rate for every
      picture spends bits on pictures that do not need them, whereas an equal quality does not, so that the mean
      curves differ. The curves of a single picture are nearly the same.
    - RGB only, since the colour transform does not apply to grey pictures.
    - A bare codestream (`no_jp2`) would save 85 bytes. Counted is a file that other programs can open.
    """

    name: ClassVar[str] = "jpeg2000"
    format: ClassVar[str] = "JPEG2000"
    feature: ClassVar[str] = "jpg_2000"
    keeps_grey: ClassVar[bool] = False
    target: float = 1.0
    mode: Literal["rate", "psnr"] = "rate"

    def options(self) -> dict[str, Any]:
        """Return what is passed to `Image.save`."""
        # Instead of a rate, OpenJPEG takes the compression ratio relative to 24 bits per pixel.
        mode, layer = ("rates", 24 / self.target) if self.mode == "rate" else ("dB", self.target)
        return {"quality_mode": mode, "quality_layers": [layer], "irreversible": True, "mct": 1}


_RATES = (0.05, 0.08, 0.1, 0.13, 0.2, 0.31, 0.4, 0.5, 0.65, 0.8, 1.0, 1.25, 1.6)
_DECIBELS = tuple(map(float, (22, 24, 26, 28, 30, 32, 34, 36, 38, 40, 42, 44, 47, 50, 54)))

SWEEPS = (
    Sweep("jpeg2000-rate", Jpeg2000Codec, "target", _RATES, {"mode": "rate"}),
    Sweep("jpeg2000-psnr", Jpeg2000Codec, "target", _DECIBELS, {"mode": "psnr"}),
)
