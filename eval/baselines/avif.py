"""AVIF, written by libaom through libavif and Pillow."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import product
from typing import Any, ClassVar, Literal

from eval.baselines.pillow_codec import PillowCodec
from eval.sweep import Sweep


@dataclass(frozen=True)
class AvifCodec(PillowCodec):
    """AVIF with the AOM encoder.

    - `subsampling`: 4:2:0 is common, and 4:4:4 is fairer in RGB PSNR. Both are measured.
    - `speed`: 6 is Pillow's default, the project's targets refer to 4, and 2 is close to the best.
    - A single thread and no automatic tiling: both split the picture into parts that are coded separately, which
      costs up to 3 % of the bits and makes the file depend on the machine.
    - `tune`: '' leaves the choice to the encoder, which tunes still pictures perceptually ('iq'). 'psnr' gains
      about 0.5 dB at equal rate. It is measured too, because PSNR is compared.
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
