"""`python -m eval kernels`: what the C core gains over numpy, both measured in turns in one process."""

from __future__ import annotations

import resource
import sys
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import click
import numpy as np
from PIL import Image

import collagecodec
from collagecodec.kernels.library import core, numpy_only
from eval.commands.speed import others
from eval.harness import facts
from eval.harness.datasets import centre
from eval.harness.store import write_json

TASKS: dict[str, dict[str, Any]] = {
    "decode": {},
    "decode --fast": {"fast": True},
    "thumbnail 1/8": {"scale": 1 / 8},
    "region of 512x512": {"region": (300, 300, 512, 512)},
}


@click.command()
@click.option(
    "--image",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    required=True,
    help="A picture of at least 1200x1200 pixels.",
)
@click.option("--repeats", type=click.IntRange(1), default=7, help="Number of runs, of which the best counts.")
@click.option("--out", type=click.Path(path_type=Path), required=True, help="Folder for kernels.json.")
def kernels(image: Path, repeats: int, out: Path) -> None:
    """Measure decoding with and without the C core on the middle 1200x1200 pixels of a picture.

    Times are those of the processor, all threads together, which other processes disturb less than the clock.
    """
    if core() is None:
        raise click.ClickException("there is no C core to measure")
    out.mkdir(parents=True, exist_ok=True)
    with Image.open(image) as opened:
        pixels = centre(np.asarray(opened.convert("RGB")), 1200)
    data = collagecodec.encode(pixels, bpp=0.5)
    rows: dict[str, dict[str, float]] = {}
    for name, options in TASKS.items():
        found = {"core": float("inf"), "numpy": float("inf")}
        work = partial(collagecodec.decode, data, **options)
        for _ in range(repeats + 1):
            found["core"] = min(found["core"], _seconds(work))
            with numpy_only():
                found["numpy"] = min(found["numpy"], _seconds(work))
        rows[name] = found
        click.echo(f"{name:20} {found['core']:.3f} s, numpy {found['numpy'] / found['core']:.1f} times as long")
    for name, load in others(pixels, len(data)).items():
        rows[name] = {"core": min(_seconds(load) for _ in range(repeats + 1))}
        click.echo(f"{name:20} {rows[name]['core']:.3f} s")
    write_json(
        out / "kernels.json", {"command": " ".join(sys.argv[1:]), "machine": facts.machine(), "rows": rows}
    )


def _seconds(work: Callable[[], object]) -> float:
    """Return the processor time of a call in seconds, all threads together."""
    before = resource.getrusage(resource.RUSAGE_SELF)
    started = time.perf_counter()
    work()
    after = resource.getrusage(resource.RUSAGE_SELF)
    spent = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    return spent or time.perf_counter() - started
