"""`python -m eval effort`: what each level of effort gains, and what it costs."""

from __future__ import annotations

import json
import time
from pathlib import Path
from typing import Any

import click
import numpy as np

from collagecodec.cli.progress import Progress
from collagecodec.codecs import registry
from eval.commands.options import data_options, out_option, pictures, told
from eval.harness import bd, facts
from eval.harness.metrics import psnr
from eval.harness.store import write_json

QUALITIES = (24.0, 38.0, 50.0, 62.0)
"""They span 0.1 to 1 bit a pixel."""


@click.command()
@data_options("dota-val")
@out_option
@click.option("--side", type=click.IntRange(64), default=384, help="Pictures are cut to this, from the middle.")
@click.option("--efforts", default="0,1,2,3,4,5,6,7,8,9", help="Levels, commas between; 1 must be among them.")
def effort(data: str, data_root: Path | None, limit: int, specs: str, out: Path, side: int, efforts: str) -> None:
    """Encode the middle of every picture at four qualities and each effort.

    The gain is the Bjontegaard rate against effort 1 on RGB PSNR, picture by picture, then averaged. Goes on
    where it was interrupted. --codecs is not used.
    """
    del specs
    with told():
        found = pictures(data, data_root, limit)
        levels = [int(level) for level in efforts.split(",")]
        if 1 not in levels:
            raise ValueError("effort 1 is what the others are compared with: name it too")
    out.mkdir(parents=True, exist_ok=True)
    journal, model = out / "effort.jsonl", registry.get("collage").fingerprint
    rows = [json.loads(line) for line in journal.read_text().splitlines()] if journal.exists() else []
    rows = [row for row in rows if row["model"] == model and row["side"] == side]
    done = {(row["image"], row["effort"], row["quality"]) for row in rows}
    bar, count = Progress(len(found.pictures) * len(levels) * len(QUALITIES)), 0
    for level in levels:
        for picture in found.pictures:
            top, left = (max(0, (length - side) // 2) for length in (picture.height, picture.width))
            for quality in QUALITIES:
                count += 1
                if (picture.name, level, quality) in done:
                    continue
                bar.update(count, f"effort {level}  {picture.name}")
                image = np.ascontiguousarray(picture.load()[top : top + side, left : left + side])
                row = {"model": model, "side": side, "image": picture.name, **_measured(image, level, quality)}
                rows.append(row)
                with journal.open("a", encoding="utf-8") as file:
                    file.write(json.dumps(row) + "\n")
    bar.clear()
    write_json(out / "run.json", {"machine": facts.machine(), "versions": facts.versions()})
    text = _table(rows, levels)
    (out / "table.md").write_text(text, encoding="utf-8")
    click.echo(text, nl=False)


def _measured(image: Any, level: int, quality: float) -> dict[str, Any]:
    codec = registry.get("collage", effort=level, quality=quality)
    begun, cpu = time.perf_counter(), time.process_time()
    data = codec.encode(image)
    seconds, cpu_seconds = time.perf_counter() - begun, time.process_time() - cpu
    pixels = image.shape[0] * image.shape[1]
    error = float(np.mean((image.astype(np.float64) - codec.decode(data)) ** 2))
    return {
        "effort": level,
        "quality": quality,
        "bpp": 8 * len(data) / pixels,
        "psnr": psnr(error),
        "seconds": round(seconds, 3),
        "cpu_seconds_per_megapixel": round(cpu_seconds / pixels * 1e6, 3),
    }


def _table(rows: list[dict[str, Any]], levels: list[int]) -> str:
    """Markdown: effort, bits against effort 1, processor seconds a megapixel (median)."""
    curves: dict[tuple[int, str], bd.Curve] = {}
    for level in levels:
        for image in {row["image"] for row in rows}:
            points = sorted(
                (row["bpp"], row["psnr"]) for row in rows if (row["effort"], row["image"]) == (level, image)
            )
            if points:
                curves[level, image] = bd.curve([p[0] for p in points], [p[1] for p in points], bd.WINDOW)
    lines = ["| effort | bits against effort 1 | processor seconds a megapixel |", "|---|---|---|"]
    for level in levels:
        pairs = [bd.difference(curves[1, image], curve) for (one, image), curve in curves.items() if one == level]
        rates = [pair.rate for pair in pairs if pair]
        costs = [row["cpu_seconds_per_megapixel"] for row in rows if row["effort"] == level]
        gain = f"{np.mean(rates):+.1f} %" if rates and level != 1 else ""
        cost = float(np.median(costs))
        lines.append(f"| {level} | {gain} | {cost:.{0 if cost >= 10 else 1}f} |")
    return "\n".join(lines) + "\n"
