"""Measuring one picture with one codec, which gives one row of results."""

from __future__ import annotations

import json
import math
import time
from dataclasses import asdict, dataclass

from collagecodec.codecs.base import ArrayCodec
from eval.harness import catalogue
from eval.harness.datasets import Picture
from eval.harness.facts import backend_of
from eval.harness.metrics import bits_per_pixel, compare
from eval.harness.ssimulacra2 import SMALLEST
from eval.sweep import ParameterValue


@dataclass(frozen=True)
class Task:
    """A measurement to make: `picture` coded by the sweep `label` of `spec` with its parameter at `value`.

    `structural=False` computes no metric but PSNR.
    """

    spec: str
    label: str
    value: ParameterValue
    picture: Picture
    structural: bool = True

    @property
    def codec(self) -> ArrayCodec:
        """The codec of this measurement."""
        return catalogue.codec_of(self.spec, self.label, self.value)


@dataclass(frozen=True)
class Row:
    """A measurement: rate of the whole file in bits per pixel, PSNR in dB, times of a single run in seconds.

    The times come from one cold run while others run in parallel; use `eval timing` for reliable times.
    """

    image: str
    sha: str
    width: int
    height: int
    label: str
    value: float
    codec: str
    settings: str
    backend: str
    status: str = "ok"
    error: str = ""
    bytes: int = 0
    bpp: float = math.nan
    mse: float = math.nan
    psnr: float = math.nan
    psnr_y: float = math.nan
    ssim: float = math.nan
    ms_ssim: float = math.nan
    encode_s: float = math.nan
    decode_s: float = math.nan
    ssimulacra2: float = math.nan
    colour: float = math.nan
    worst_colour: float = math.nan

    @property
    def key(self) -> tuple[str, ...]:
        """Identifies the measurement: picture name and content, sweep, settings, library version."""
        return self.image, self.sha, self.label, self.settings, self.backend

    @property
    def ok(self) -> bool:
        """Whether the measurement succeeded."""
        return self.status == "ok"


def blank(task: Task) -> Row:
    """Return the row of `task` with nothing measured yet."""
    codec, picture = task.codec, task.picture
    settings = {key: value for key, value in codec.config.items() if key != "name"}
    return Row(
        image=picture.name,
        sha=picture.sha,
        width=picture.width,
        height=picture.height,
        label=task.label,
        value=task.value,
        codec=codec.name,
        settings=json.dumps(settings, sort_keys=True),
        backend=backend_of(codec),
    )


def is_covered(row: Row | None, task: Task) -> bool:
    """Return whether `row` holds what `task` would measure: the same pixels and library, and its metrics."""
    if row is None or not row.ok or row.key != blank(task).key:
        return False
    small = min(row.width, row.height) < SMALLEST
    return not task.structural or small or math.isfinite(row.ssimulacra2)


def failed(task: Task, reason: str) -> Row:
    """Return the row that records the failure of `task` with a one-line reason."""
    return Row(**{**asdict(blank(task)), "status": "failed", "error": " ".join(reason.split())[:300]})


def measure(task: Task) -> Row:
    """Measure `task`. Any exception of the codec is returned as a failed row."""
    try:
        image, codec = task.picture.load(), task.codec
        started = time.perf_counter()
        data = codec.encode(image)
        encoded = time.perf_counter()
        decoded = codec.decode(data)
        ended = time.perf_counter()
        quality = compare(image, decoded, structural=task.structural)
    except Exception as error:
        return failed(task, f"{type(error).__name__}: {error}")
    return Row(
        **{
            **asdict(blank(task)),
            **asdict(quality),
            "bytes": len(data),
            "bpp": bits_per_pixel(data, image),
            "encode_s": round(encoded - started, 4),
            "decode_s": round(ended - encoded, 4),
        }
    )
