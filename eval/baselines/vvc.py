"""VVC (H.266) intra, written by VVenC and read by FFmpeg's decoder, through imageio-ffmpeg."""

from __future__ import annotations

import importlib
import subprocess
from dataclasses import dataclass
from functools import lru_cache
from typing import ClassVar

import cv2
import numpy as np

from collagecodec.codecs.base import ArrayCodec
from collagecodec.sampling.request import Image8
from eval.sweep import Sweep

_RGB = "flags=bicubic+accurate_rnd+full_chroma_int+full_chroma_inp"
_ENCODE = f"scale=out_color_matrix=bt601:out_range=full:{_RGB},format=yuv420p10le"
_DECODE = f"scale=in_color_matrix=bt601:in_range=full:out_range=full:{_RGB},format=rgb48be"
_CODED = ("-f", "vvc")
_SAMPLES = 257
"""Of 16 bits in a step of 8."""


@dataclass(frozen=True)
class VvcCodec(ArrayCodec):
    """VVC intra of VVenC: one picture of 4:2:0 and 10 bits, the only format of this encoder.

    - `preset='medium'`, the default of VVenC, at a fixed `qp`.
    - Without perceptual adaptation of the QP (`qpa=0`), which is made for opinions and costs PSNR.
    - A single thread, as for the other codecs.
    - Counted is the bare stream, which lacks the container that other formats have (about 100 bytes), and one
      byte that tells whether the width and the height are odd: 4:2:0 pads them.
    - The output has 16 bits, because FFmpeg rounds down where it converts to 8.
    """

    name: ClassVar[str] = "vvc"
    qp: int = 32
    preset: str = "medium"

    @property
    def backend(self) -> str:
        """Version of FFmpeg; raises `ImportError` if it is missing or has no VVenC."""
        return f"libvvenc of FFmpeg {_version()}"

    def encode(self, image: Image8) -> bytes:
        """Return the stream for `image`, uint8 (H, W, 3)."""
        if image.ndim != 3:
            raise ValueError("VVC here codes RGB: convert grey pictures first")
        odd = image.shape[0] % 2, image.shape[1] % 2
        even = np.pad(image, ((0, odd[0]), (0, odd[1]), (0, 0)), mode="edge")
        size = f"{even.shape[1]}x{even.shape[0]}"
        raw = ("-f", "rawvideo", "-pix_fmt", "rgb24", "-s", size, "-i", "-", "-vf", _ENCODE)
        coder = ("-c:v", "libvvenc", "-preset", self.preset, "-qp", str(self.qp), "-qpa", "0", "-threads", "1")
        return bytes([odd[0] + 2 * odd[1]]) + _run(even.tobytes(), *raw, *coder, *_CODED)

    def decode(self, data: bytes) -> Image8:
        """Return the picture, uint8 (H, W, 3)."""
        shown = ("-vf", _DECODE, "-frames:v", "1", "-c:v", "png", "-f", "image2pipe")
        png = _run(data[1:], *_CODED, "-threads", "1", "-i", "-", *shown)
        image = cv2.imdecode(np.frombuffer(png, np.uint8), cv2.IMREAD_UNCHANGED)
        if image is None:
            raise ValueError("FFmpeg returned no picture")
        height, width = image.shape[0] - data[0] % 2, image.shape[1] - data[0] // 2
        eight = (image[:height, :width, ::-1].astype(np.uint32) + _SAMPLES // 2) // _SAMPLES
        return eight.astype(np.uint8)


def _run(data: bytes, *options: str) -> bytes:
    command = (_program(), "-hide_banner", "-v", "error", *options, "-")
    done = subprocess.run(command, input=data, capture_output=True, check=False)
    if done.returncode or not done.stdout:
        raise RuntimeError(f"FFmpeg failed: {done.stderr.decode(errors='replace').strip()[-300:]}")
    return done.stdout


@lru_cache(maxsize=1)
def _program() -> str:
    try:
        return str(importlib.import_module("imageio_ffmpeg").get_ffmpeg_exe())
    except (ImportError, RuntimeError) as error:
        raise ImportError(f"{error}: pip install imageio-ffmpeg") from error


@lru_cache(maxsize=1)
def _version() -> str:
    encoders = subprocess.run(
        (_program(), "-hide_banner", "-encoders"), capture_output=True, text=True, check=True
    )
    if "libvvenc" not in encoders.stdout:
        raise ImportError("this FFmpeg has no VVenC: pip install --upgrade imageio-ffmpeg")
    return str(importlib.import_module("imageio_ffmpeg").get_ffmpeg_version())


SWEEPS = (Sweep("vvc", VvcCodec, "qp", (50, 47, 44, 41, 38, 35, 32, 29, 26, 23, 20, 17)),)
