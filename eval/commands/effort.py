"""`python -m eval effort`: what each effort of the encoder gains, and what it costs."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

import click
import numpy as np

from collagecodec.cli.progress import Progress
from collagecodec.codecs import registry
from collagecodec.sampling.request import Image8
from eval.commands.options import data_options, one_line_errors, out_option, pictures
from eval.harness import bd, facts
from eval.harness.datasets import centre
from eval.harness.journal import Journal, JsonLines
from eval.harness.metrics import bits_per_pixel, compare
from eval.harness.store import write_json

QUALITIES = (24.0, 38.0, 50.0, 62.0)
"""They span 0.1 to 1 bit per pixel."""
KEY = ("model", "side", "image", "effort", "quality")


@click.command()
@data_options("dota-val")
@out_option
@click.option(
    "--side", type=click.IntRange(64), default=384, help="Side of the square cropped from each picture."
)
@click.option("--efforts", default="0,1,2,3,4,5,6,7,8,9", help="Efforts, separated by commas. 1 is required.")
def effort(data: str, data_root: Path | None, limit: int, specs: str, out: Path, side: int, efforts: str) -> None:
    """Encode the centre of every picture at four qualities with each effort.

    The gain is the Bjontegaard rate against effort 1 for RGB PSNR, averaged over the pictures. An interrupted
    command resumes where it stopped. --codecs is not used.
    """
    del specs
    with one_line_errors():
        dataset = pictures(data, data_root, limit)
        chosen = [int(number) for number in efforts.split(",")]
        if 1 not in chosen:
            raise ValueError("effort 1 is the reference: include it in --efforts")
        model = registry.get("collage").fingerprint
        rows = []
        tasks = [(number, picture, q) for number in chosen for picture in dataset.pictures for q in QUALITIES]
        bar = Progress(len(tasks))
        with Journal(out / "effort.jsonl", JsonLines(), lambda row: tuple(row[name] for name in KEY)) as journal:
            for count, (number, picture, quality) in enumerate(tasks, 1):
                place = (model, side, picture.name, number, quality)
                if place not in journal:
                    bar.update(count, f"effort {number}  {picture.name}")
                    numbers = _measured(centre(picture.load(), side), number, quality)
                    journal.add({"model": model, "side": side, "image": picture.name, **numbers})
            rows = [row for row in journal.rows if (row["model"], row["side"]) == (model, side)]
        bar.clear()
    write_json(out / "run.json", facts.environment())
    text = _table(rows, chosen)
    (out / "table.md").write_text(text, encoding="utf-8")
    click.echo(text, nl=False)


def _measured(image: Image8, number: int, quality: float) -> dict[str, Any]:
    codec = registry.get("collage", effort=number, quality=quality)
    started, cpu = time.perf_counter(), time.process_time()
    data = codec.encode(image)
    seconds, cpu_seconds = time.perf_counter() - started, time.process_time() - cpu
    return {
        "effort": number,
        "quality": quality,
        "bpp": bits_per_pixel(data, image),
        "psnr": compare(image, codec.decode(data), structural=False).psnr,
        "seconds": round(seconds, 3),
        "cpu_seconds_per_megapixel": round(cpu_seconds / (image.shape[0] * image.shape[1]) * 1e6, 3),
    }


def _table(rows: list[dict[str, Any]], efforts: list[int]) -> str:
    """Return Markdown with effort, bits against effort 1 and median CPU seconds per megapixel."""
    curves: dict[tuple[int, str], bd.Curve] = {}
    for number in efforts:
        for image in {row["image"] for row in rows}:
            points = sorted(
                (row["bpp"], row["psnr"]) for row in rows if (row["effort"], row["image"]) == (number, image)
            )
            if points:
                curves[number, image] = bd.curve([p[0] for p in points], [p[1] for p in points], bd.WINDOW)
    lines = ["| effort | bits against effort 1 | CPU seconds per megapixel |", "|---|---|---|"]
    for number in efforts:
        differences = [
            bd.difference(curves[1, image], curve) for (other, image), curve in curves.items() if other == number
        ]
        rates = [difference.rate for difference in differences if difference]
        costs = [row["cpu_seconds_per_megapixel"] for row in rows if row["effort"] == number]
        gain = f"{np.mean(rates):+.1f} %" if rates and number != 1 else ""
        cost = float(np.median(costs))
        lines.append(f"| {number} | {gain} | {cost:.{0 if cost >= 10 else 1}f} |")
    return "\n".join(lines) + "\n"
