"""What every picture of an archive is encoded with."""

from __future__ import annotations

import hashlib
import json
from dataclasses import asdict, dataclass, fields
from typing import Any


@dataclass(frozen=True)
class Settings:
    """Targets and options, as those of `collagecodec.encode`; at most one target.

    ms_ssim   the least MS-SSIM of every picture, 0..1, reached by raising the quality
    min_psnr  the least PSNR in dB of every picture, whatever the target: the quality is raised where it is
              missed, and where that is not enough, a largest error is promised
    """

    quality: float | None = None
    bpp: float | None = None
    psnr: float | None = None
    ms_ssim: float | None = None
    min_psnr: float | None = None
    max_error: int | None = None
    effort: int | None = None
    model: str | None = None
    codec: str = "collage"
    stac: bool = False

    def __post_init__(self) -> None:
        """Raise ValueError for several targets."""
        targets = [name for name in ("quality", "bpp", "psnr", "ms_ssim") if getattr(self, name) is not None]
        if len(targets) > 1:
            raise ValueError(f"{' and '.join(targets)} exclude each other; choose one")
        if self.ms_ssim is not None and not 0 < self.ms_ssim < 1:
            raise ValueError(f"an MS-SSIM to reach lies between 0 and 1, not {self.ms_ssim}")

    @property
    def options(self) -> dict[str, Any]:
        """The options of `collagecodec.encode`."""
        names = ("quality", "bpp", "psnr", "max_error", "effort", "model", "codec")
        return {name: value for name in names if (value := getattr(self, name)) is not None}

    @property
    def digest(self) -> str:
        """Sixteen hexadecimal digits that name these settings."""
        return hashlib.sha256(json.dumps(asdict(self), sort_keys=True).encode()).hexdigest()[:16]

    @classmethod
    def of(cls, given: dict[str, Any]) -> Settings:
        """Return the settings among the options of a command."""
        names = {entry.name for entry in fields(cls)}
        return cls(**{name: value for name, value in given.items() if name in names and value is not None})
