"""`python -m eval speed`: speed and memory of the codec, for comparison with the project's targets."""

from __future__ import annotations

import io
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import click
import numpy as np
from numpy.typing import NDArray
from PIL import Image

import collagecodec
from collagecodec.kernels.library import numpy_only
from eval.harness import facts
from eval.harness.datasets import centre
from eval.harness.store import write_json
from eval.harness.timing import median_seconds

Pixels = NDArray[np.uint8]
LARGE_SIDE = 20_000
_MODULES = "collagecodec.cli.main, collagecodec.cli.decode, collagecodec.codecs.collage.codec, collagecodec.io"
_IMPORTS = f"import time; t = time.perf_counter(); import {_MODULES}; print(time.perf_counter() - t)"
_LARGE = """
import resource, sys, time
from collagecodec.cli.main import run
t = time.perf_counter()
status = run(sys.argv[1:])
peak = max(resource.getrusage(w).ru_maxrss for w in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)) * 1024
print(status, time.perf_counter() - t, peak)
"""


@click.command()
@click.option(
    "--image",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    required=True,
    help="A picture of at least 1200x1200 pixels.",
)
@click.option(
    "--repeats", type=click.IntRange(1), default=7, help="Number of runs, of which the median is taken."
)
@click.option(
    "--large", is_flag=True, help="Also encode and decode a picture of 20,000 x 20,000 pixels (minutes)."
)
@click.option("--out", type=click.Path(path_type=Path), required=True, help="Folder for speed.json.")
def speed(image: Path, repeats: int, large: bool, out: Path) -> None:
    """Measure speed and memory on the middle 1200x1200 pixels of a picture."""
    out.mkdir(parents=True, exist_ok=True)
    with Image.open(image) as opened:
        pixels = np.asarray(opened.convert("RGB"))
    if min(pixels.shape[:2]) < 1200:
        raise click.UsageError(f"{image} is smaller than 1200x1200 pixels")
    rows = _in_process(centre(pixels, 1200), repeats) | _cold(centre(pixels, 1200), repeats)
    if large:
        rows |= _large(pixels)
    for name, value in rows.items():
        click.echo(f"{name:32} {value:.3f}")
    write_json(out / "speed.json", {"command": " ".join(sys.argv[1:]), "machine": facts.machine(), "rows": rows})


def _median(function: Callable[[], object], repeats: int) -> float:
    """Return the median time of `repeats` runs after a warm-up run."""
    function()
    return median_seconds(function, repeats)


def _in_process(pixels: Pixels, repeats: int) -> dict[str, float]:
    """Return megapixels per second at 0.5 bits per pixel, with the models loaded."""
    megapixels = pixels.shape[0] * pixels.shape[1] / 1e6
    data = collagecodec.encode(pixels, bpp=0.5)
    decode = _median(lambda: collagecodec.decode(data), repeats)
    fast = _median(lambda: collagecodec.decode(data, fast=True), repeats)
    thumbnail = _median(lambda: collagecodec.decode(data, scale=1 / 8), repeats)
    region = _median(lambda: collagecodec.decode(data, region=(300, 300, 512, 512)), repeats)
    with numpy_only():
        reference = _median(lambda: collagecodec.decode(data), repeats)
        plain_reference = _median(lambda: collagecodec.decode(data, fast=True), repeats)
    encode = _median(lambda: collagecodec.encode(pixels, quality=45), repeats)
    plain = _median(lambda: collagecodec.encode(pixels, quality=45, effort=0), repeats)
    return {
        "decode MP/s": megapixels / decode,
        "decode --fast MP/s": megapixels / fast,
        "thumbnail 1/8 speed-up": decode / thumbnail,
        "thumbnail 1/8 ms": 1e3 * thumbnail,
        "region 512x512 ms": 1e3 * region,
        "numpy decode times": reference / decode,
        "numpy decode --fast times": plain_reference / fast,
        **{
            f"{name} decode times": decode / _median(load, repeats)
            for name, load in others(pixels, len(data)).items()
        },
        "encode effort 1 MP/s": megapixels / encode,
        "encode effort 0 MP/s": megapixels / plain,
    }


def others(pixels: Pixels, size: int) -> dict[str, Callable[[], None]]:
    """Return what decodes files of about `size` bytes in other formats, with Pillow."""
    loads: dict[str, Callable[[], None]] = {}
    for name, options in (("AVIF", {"subsampling": "4:2:0", "speed": 8}), ("WebP", {"method": 4})):
        files = [_coded(pixels, name, quality, options) for quality in range(25, 96, 10)]
        loads[name] = partial(_load, min(files, key=_distance(size)))
    return loads


def _load(data: bytes) -> None:
    Image.open(io.BytesIO(data)).load()


def _coded(pixels: Pixels, name: str, quality: int, options: dict[str, Any]) -> bytes:
    stream = io.BytesIO()
    Image.fromarray(pixels).save(stream, name, quality=quality, **options)
    return stream.getvalue()


def _distance(size: int) -> Callable[[bytes], int]:
    return lambda data: abs(len(data) - size)


def _cold(pixels: Pixels, repeats: int) -> dict[str, float]:
    """Return the seconds that complete processes take."""
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "x.clg"
        file.write_bytes(collagecodec.encode(pixels, bpp=0.5))
        command = [str(Path(sys.executable).with_name("collage")), "decode", str(file), "--force", "--quiet"]
        whole = _median(lambda: subprocess.run(command, check=True), repeats)
        imports = [
            float(
                subprocess.run(
                    [sys.executable, "-c", _IMPORTS],
                    check=True,
                    capture_output=True,
                    text=True,
                ).stdout
            )
            for _ in range(repeats)
        ]
    return {"cold collage decode s": whole, "imports s": statistics.median(imports)}


def _large(pixels: Pixels) -> dict[str, float]:
    """Return peak memory and time of the commands for a mosaic of the picture, stored as an uncompressed TIFF."""
    from collagecodec.io import save_bands

    rows: dict[str, float] = {}
    with tempfile.TemporaryDirectory() as folder:
        source, file, target = (str(Path(folder) / name) for name in ("x.tif", "x.clg", "y.tif"))
        height, width = pixels.shape[:2]
        columns = np.arange(LARGE_SIDE) % width
        bands = (
            pixels[(np.arange(y, min(y + 200, LARGE_SIDE)) + y // 7) % height][:, columns]
            for y in range(0, LARGE_SIDE, 200)
        )
        save_bands(source, bands, width=LARGE_SIDE, height=LARGE_SIDE, channels=3, compression=0)
        for name, arguments in (
            ("encode", ["encode", source, "-o", file, "--quality", "45", "--quiet"]),
            ("decode", ["decode", file, "-o", target, "--quiet"]),
        ):
            run = subprocess.run(
                [sys.executable, "-c", _LARGE, *arguments], check=True, capture_output=True, text=True
            )
            status, seconds, peak = run.stdout.split()[-3:]
            if status != "0":
                raise click.ClickException(f"{name} of the large picture failed: {run.stderr}")
            rows |= {f"large {name} s": float(seconds), f"large {name} GiB": int(peak) / 2**30}
    return rows
