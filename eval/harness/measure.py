"""One picture through one codec: the row of the table of results."""

from __future__ import annotations

import json
import math
import time
from dataclasses import asdict, dataclass, fields
from typing import Any

from collagecodec.codecs.base import Codec
from eval.harness import catalogue
from eval.harness.datasets import Picture
from eval.harness.facts import backend_of
from eval.harness.metrics import compare
from eval.harness.sweep import Knob


@dataclass(frozen=True)
class Task:
    """A measurement to make: the series `label` of `spec` with its knob at `value`, on `picture`."""

    spec: str
    label: str
    value: Knob
    picture: Picture
    structural: bool = True

    @property
    def codec(self) -> Codec:
        """The codec of this measurement."""
        return catalogue.codec_of(self.spec, self.label, self.value)


@dataclass(frozen=True)
class Row:
    """A measurement. Rate in bits a pixel of the whole file, PSNR in dB, times in seconds of one run.

    The times here are a by-product, of one cold run beside others; `eval timing` measures times properly.
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

    @property
    def key(self) -> tuple[str, ...]:
        """What makes it the same measurement: picture by name and content, series, settings, library."""
        return self.image, self.sha, self.label, self.settings, self.backend

    @property
    def ok(self) -> bool:
        """Whether it succeeded."""
        return self.status == "ok"


COLUMNS = tuple(one.name for one in fields(Row))
_TYPES: dict[str, Any] = {"int": int, "float": float, "str": str}


def parse(texts: dict[str, str]) -> Row:
    """Return the row whose columns are `texts`; raises `KeyError` or `ValueError` if they are not a row."""
    return Row(**{one.name: _TYPES[str(one.type)](texts[one.name]) for one in fields(Row)})


def blank(task: Task) -> Row:
    """Return the row of `task` before anything is measured."""
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


def failed(task: Task, reason: str) -> Row:
    """Return the row that says that `task` failed, and why, on one line."""
    return Row(**{**asdict(blank(task)), "status": "failed", "error": " ".join(reason.split())[:300]})


def measure(task: Task) -> Row:
    """Return the measured row; whatever the codec raises becomes a row that says so."""
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
            "bpp": 8 * len(data) / (image.shape[0] * image.shape[1]),
            "encode_s": round(encoded - started, 4),
            "decode_s": round(ended - encoded, 4),
        }
    )
