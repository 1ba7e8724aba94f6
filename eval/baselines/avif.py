"""AVIF as libaom writes it through libavif and Pillow."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import product
from typing import Any, ClassVar, Literal

from eval.baselines.pillow_codec import PillowCodec
from eval.harness.sweep import Sweep


@dataclass(frozen=True)
class AvifCodec(PillowCodec):
    """AVIF with the AOM encoder.

    - `subsampling`: 4:2:0 is what is commonly used, 4:4:4 the fairer one in RGB PSNR; both are curves.
    - `speed`: 6 is Pillow's default, 4 is what the project's targets name, 2 is near its best.
    - One thread and no automatic tiles: both split the picture into parts that are coded apart, which costs
      up to 3 % of the bits, and make the file depend on the machine.
    - `tune`: '' leaves the encoder's own choice, which for still pictures is a perceptual one ('iq');
      'psnr' is worth about 0.5 dB at equal rate. A curve with it is kept, since PSNR is what is compared.
    """

    name: ClassVar[str] = "avif"
    format: ClassVar[str] = "AVIF"
    feature: ClassVar[str] = "avif"
    keeps_grey: ClassVar[bool] = False
    quality: int = 75
    subsampling: Literal["4:2:0", "4:2:2", "4:4:4"] = "4:2:0"
    speed: int = 6
    tune: Literal["", "psnr", "ssim", "iq"] = ""
    threads: int = 1

    def options(self) -> dict[str, Any]:
        """Return what is passed to `Image.save`."""
        given: dict[str, Any] = {
            "quality": self.quality,
            "subsampling": self.subsampling,
            "speed": self.speed,
            "codec": "aom",
            "max_threads": self.threads,
            "autotiling": False,
        }
        if self.tune:
            given["advanced"] = {"tune": self.tune}
        return given


_LADDER = (5, 10, 15, 22, 30, 38, 46, 54, 62, 70, 78, 85, 91)


def _sweep(subsampling: str, speed: int, tune: str = "") -> Sweep:
    label = "-".join(filter(None, ("avif", subsampling.replace(":", ""), f"s{speed}", tune)))
    return Sweep(label, AvifCodec, "quality", _LADDER, {"subsampling": subsampling, "speed": speed, "tune": tune})


SWEEPS = (
    *(_sweep(subsampling, speed) for speed, subsampling in product((6, 4, 2), ("4:2:0", "4:4:4"))),
    *(_sweep(subsampling, 4, "psnr") for subsampling in ("4:2:0", "4:4:4")),
)
