"""A codec that fails in several ways, on all pictures or on those with a certain first pixel."""

import io
import os
import time
from dataclasses import dataclass
from typing import ClassVar

import numpy as np
from PIL import Image

from collagecodec.codecs.base import ArrayCodec
from collagecodec.sampling.request import Image8
from eval.sweep import Sweep

TRIGGER = (1, 2, 3)


@dataclass(frozen=True)
class FaultyCodec(ArrayCodec):
    """Lossless except for its fault: 'raises' and 'dies' on the trigger picture, 'resizes' always, 'slow' sleeps
    while encoding, 'threads' raises an error that gives the limits of threads."""

    name: ClassVar[str] = "faulty"
    quality: int = 1
    fault: str = ""

    def encode(self, image: Image8) -> bytes:
        triggered = tuple(image[0, 0]) == TRIGGER
        if self.fault == "raises" and triggered:
            raise RuntimeError("cannot code\nthis picture")
        if self.fault == "dies" and triggered:
            os._exit(7)
        if self.fault == "slow":
            time.sleep(1.5)
        if self.fault == "threads":
            raise RuntimeError(" ".join(os.environ[name] for name in ("COLLAGE_THREADS", "OMP_NUM_THREADS")))
        stream = io.BytesIO()
        Image.fromarray(image // self.quality * self.quality).save(stream, "PNG")
        return stream.getvalue()

    def decode(self, data: bytes) -> Image8:
        image = np.asarray(Image.open(io.BytesIO(data)))
        return image[:-1] if self.fault == "resizes" else image


SWEEPS = (Sweep("faulty", FaultyCodec, "quality", (9, 3)),)
