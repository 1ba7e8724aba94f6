"""`python -m eval ifs-shapes`: systems of maps fitted to five shapes by means of distance fields."""

from __future__ import annotations

import time
from dataclasses import asdict, replace
from pathlib import Path
from types import MappingProxyType
from typing import Any

import click
import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw

from collagecodec.cli.progress import Progress
from collagecodec.fractals.distance_fields.fitting import Fit, Settings, fit
from collagecodec.fractals.distance_fields.rendering import View, pixels
from collagecodec.fractals.distance_fields.system import System
from collagecodec.fractals.distance_fields.target import Target
from eval.commands.options import one_line_errors, out_option, threads_option
from eval.harness import facts
from eval.harness.store import write_json, write_table
from eval.studies.shapes import SHAPES, Mask, hausdorff, overlap

SETTINGS = MappingProxyType(
    {
        "koch": Settings(maps=4, kind="line", shape="line"),
        "sierpinski": Settings(maps=3, kind="square", shape="rectangle"),
        "apple": Settings(maps=16),
        "flower": Settings(maps=16),
        # The same settings as for apple and flower, not tuned for the horse.
        "horse": Settings(maps=16),
    }
)
COLUMNS = (
    "shape", "width", "height", "kind", "base", "maps", "steps", "seed", "depth", "iou", "hausdorff_px",
    "hausdorff_share", "iou_deeper", "hausdorff_deeper_px", "loss", "fit_s", "render_s",
)  # fmt: skip


@click.command("ifs-shapes")
@out_option
@click.option("--shapes", "names", default=",".join(SETTINGS), help="Shapes, separated by commas.")
@click.option("--steps", type=click.IntRange(1), default=600, help="Number of steps of each fit.")
@click.option("--seed", type=click.IntRange(0), default=0, help="Seed of each fit.")
@threads_option
def ifs_shapes(out: Path, names: str, steps: int, seed: int, threads: int) -> None:
    """Fit systems of maps to five shapes by their distance fields, and report IoU and Hausdorff distance.

    The Koch curve, the Sierpinski gasket, an apple and a flower are drawn by the program. The horse is part of
    scikit-image. Writes rows.csv, the systems as NAME.json, and shapes.png with each shape and its fit, rendered
    at the depth of the fit and two iterations deeper. Distances are given in pixels of the shape and as a share
    of the picture's diagonal.
    """
    import torch

    torch.set_num_threads(threads)
    out.mkdir(parents=True, exist_ok=True)
    rows, panels = [], []
    with one_line_errors():
        for name in names.split(","):
            if name not in SETTINGS:
                raise ValueError(f"unknown shape {name!r}: choose from {', '.join(SETTINGS)}")
            row, panel = _measured(name, replace(SETTINGS[name], steps=steps, seed=seed), out)
            rows.append(row)
            panels.append(panel)
            click.echo(
                f"{name:11} IoU {row['iou']:.3f}, Hausdorff {row['hausdorff_px']:.1f} px "
                f"({100 * row['hausdorff_share']:.1f} % of the diagonal)"
            )
    write_table(out / "rows.csv", COLUMNS, rows)
    _sheet(panels).save(out / "shapes.png", optimize=True)
    settings = {name: asdict(SETTINGS[name]) | {"steps": steps, "seed": seed} for name in names.split(",")}
    write_json(out / "run.json", {"settings": settings, "threads": threads, **facts.environment()})


def _measured(name: str, settings: Settings, out: Path) -> tuple[dict[str, Any], list[tuple[str, Mask]]]:
    mask, bar = SHAPES[name](), Progress(settings.steps)
    losses = []

    def watch(step: int, loss: float, fitted: Fit) -> None:
        losses.append(loss)
        bar.update(step, f"{name}  loss {np.mean(losses[-20:]):.4f}")

    started = time.perf_counter()
    system = fit(Target(mask), settings, watch=watch)
    ended = time.perf_counter()
    bar.clear()
    system.save(out / f"{name}.json", force=True)
    drawn = _drawn(system, mask, system.depth)
    rendered = time.perf_counter()
    deeper = _drawn(system, mask, system.depth + 2)
    row = {
        "shape": name, "width": mask.shape[1], "height": mask.shape[0], "kind": settings.kind,
        "base": settings.shape, "maps": settings.maps, "steps": settings.steps, "seed": settings.seed,
        "depth": system.depth, "iou": round(overlap(drawn, mask), 4),
        "hausdorff_px": round(hausdorff(drawn, mask), 2),
        "hausdorff_share": round(hausdorff(drawn, mask) / float(np.hypot(*mask.shape)), 5),
        "iou_deeper": round(overlap(deeper, mask), 4), "hausdorff_deeper_px": round(hausdorff(deeper, mask), 2),
        "loss": round(float(np.mean(losses[-20:])), 5), "fit_s": round(ended - started, 1),
        "render_s": round(rendered - ended, 2),
    }  # fmt: skip
    return row, [(name, mask), (f"depth {system.depth}", drawn), (f"depth {system.depth + 2}", deeper)]


def _drawn(system: System, mask: Mask, depth: int) -> Mask:
    """Return the system rendered at the size of a shape."""
    return pixels(system, View(mask.shape[1], mask.shape[0], depth)) >= 128


def _sheet(panels: list[list[tuple[str, Mask]]], side: int = 200) -> Image.Image:
    """Draw a column per shape: the shape, then the fits, with the overlap white, misses red and excess blue."""
    sheet = Image.new("RGB", (len(panels) * (side + 6) - 6, 3 * (side + 22)), "white")
    draw = ImageDraw.Draw(sheet)
    for column, panel in enumerate(panels):
        shape = panel[0][1]
        for row, (title, mask) in enumerate(panel):
            picture = Image.fromarray(_compared(shape, mask))
            picture.thumbnail((side, side), Image.Resampling.BOX)
            x, y = column * (side + 6), row * (side + 22)
            draw.text((x + 4, y + 2), title, fill="black", font_size=14)
            sheet.paste(picture, (x, y + 22))
    return sheet.quantize(64)


def _compared(shape: Mask, fitted: Mask) -> NDArray[np.uint8]:
    pixels = np.zeros((*shape.shape, 3), np.uint8)
    pixels[shape & fitted] = 255
    pixels[shape & ~fitted] = (220, 60, 50)
    pixels[~shape & fitted] = (70, 130, 230)
    return pixels
