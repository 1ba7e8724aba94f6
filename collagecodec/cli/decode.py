"""`collage decode`: `.clg` files into pictures."""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from collagecodec.cli import batch, inputs
from collagecodec.cli.progress import Progress
from collagecodec.cli.values import Count, Region, Scale, Size
from collagecodec.errors import UnsupportedImageError
from collagecodec.io.files import STANDARD, OutputExistsError, check_original, load
from collagecodec.io.raster_sinks import GDAL_PREFIX
from collagecodec.io.saving import ALL_FORMATS, RASTERS, known_format, save

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from collagecodec.api import Decoded


@dataclass(frozen=True)
class Plan:
    """What holds for all files of a command: replace what exists, write nothing."""

    force: bool
    dry_run: bool


@dataclass(frozen=True)
class Task:
    """A file to decode."""

    source: str
    target: str
    format: str
    plan: Plan
    alone: bool
    options: dict[str, Any] = field(default_factory=dict)


@click.command(no_args_is_help=True)
@click.argument("files", nargs=-1, required=True)
@click.option("-s", "--scale", type=Scale(), help="Factor for width and height, such as 4, 0.5 or 1/2.")
@click.option("--size", type=Size(), help="Width and height in pixels, such as 256x256.")
@click.option("--region", type=Region(), help="Part of the stored picture, such as 0,0,640,480.")
@click.option(
    "--format", "kind", metavar="NAME",
    help="Format to write, by default that of the output's name, else png. One of "
    f"{', '.join(ALL_FORMATS)}, or gdal:DRIVER for any format of GDAL.",
)  # fmt: skip
@click.option("--fast", is_flag=True, help="Skip the restoration: faster, a little less sharp.")
@click.option("--tolerate-damage", is_flag=True, help="Decode the intact tiles of a damaged file.")
@click.option(
    "--limit-pixels", "--max-pixels", "limit_pixels", type=Count(1000),
    help="Most pixels to decode or write, such as 500M; files that ask for more are refused.  [default: 537M]",
)  # fmt: skip
@click.option(
    "--limit-memory", type=Count(1024),
    help="Most memory for decoding beside the picture, such as 2G.  [default: 1G]",
)  # fmt: skip
@click.option(
    "-o", "--output",
    help="File or folder to write, or a template such as 'out/{stem}-{number}.png'; '-' for standard output.",
)  # fmt: skip
@click.option("-r", "--recursive", is_flag=True, help="Search folders with their subfolders.")
@click.option("-f", "--force", is_flag=True, help="Replace files that exist.")
@click.option("--resume", is_flag=True, help="Skip files whose results are there and not older; redo the others.")
@click.option("-n", "--dry-run", is_flag=True, help="Show what would be written, and write nothing.")
@click.option("-j", "--jobs", type=click.IntRange(0), help="Files at the same time; 0: as many as cores.")
@click.option("--json", "as_json", is_flag=True, help="Print a JSON object for each file.")
@click.option("--quiet", is_flag=True, help="Say nothing unless something fails.")
@click.pass_context
def decode(context: click.Context, /, files: tuple[str, ...], **given: Any) -> int:
    """Get pictures back from .clg files, at any size.

    FILES are .clg files, folders, wildcards, or '-' for standard input. photo.clg becomes photo.decoded.png
    beside it, so that the original is never touched; a file that exists is never replaced without --force.
    --region is cut first, then scaled.

    \b
    collage decode photo.clg
    collage decode --size 256x256 -o thumbnails/ *.clg
    collage decode --region 1000,2000,512,512 --scale 4 -o detail.tif photo.clg
    collage decode - < photo.clg > photo.png
    """
    if given["scale"] is not None and given["size"] is not None:
        raise click.UsageError("--scale and --size exclude each other; choose one")
    items = inputs.expand(files, given["recursive"], (".clg",))
    output = given["output"]
    targets = inputs.outputs(items, output, inputs.Naming(_suffix(given["kind"]), mark=".decoded"))
    options = {name: given[name] for name in ("scale", "size", "region") if given[name] is not None}
    options |= {name: True for name in ("fast", "tolerate_damage") if given[name]}
    options |= _limits(given)
    plan = Plan(given["force"], given["dry_run"])
    left = batch.unfinished(items, targets, given["resume"])
    if not left:
        return 0
    tasks = [
        Task(
            item.path, target, _format(target, given["kind"]), replace(plan, force=plan.force or given["resume"]),
            len(items) == 1, options,
        )
        for item, target in left
    ]  # fmt: skip
    items = [item for item, _ in left]
    work = batch.Batch(
        decode_one, tasks, [batch.shown(item.path, True) for item in items], _line,
        as_json=given["as_json"], quiet=given["quiet"], stdout_taken=targets == [STANDARD],
    )  # fmt: skip
    return batch.run(work, batch.job_count(given["jobs"]), context)


def _suffix(kind: str | None) -> str:
    if kind is None or kind.lower().startswith(GDAL_PREFIX):
        return ".png" if kind is None else ".tif"
    return ".tif" if kind.lower() in RASTERS and kind.lower() != "jp2" else f".{kind.lower()}"


def _limits(given: dict[str, Any]) -> dict[str, Any]:
    names = {"pixels": "limit_pixels", "working_bytes": "limit_memory"}
    changed = {field: given[name] for field, name in names.items() if given[name] is not None}
    if not changed:
        return {}
    from collagecodec.io.limits import Limits

    return {"limits": Limits(**changed)}


def _format(target: str, kind: str | None) -> str:
    if kind is None and target != STANDARD and not Path(target).suffix:
        return "png"
    try:
        return known_format(target, kind)
    except UnsupportedImageError as error:
        raise click.UsageError(str(error)) from error


def decode_one(task: Task) -> dict[str, Any]:
    """Decode a file and return its figures."""
    if task.target != STANDARD and Path(task.target).is_file() and not task.plan.force:
        raise OutputExistsError(Path(task.target))
    check_original(task.source, task.target)
    from collagecodec import api

    begun = time.perf_counter()
    decoded = api.decode_bands(load(task.source), **task.options)
    facts = {"input": task.source, "output": task.target, "width": decoded.width, "height": decoded.height}
    if task.plan.dry_run:
        return facts | {"dry_run": True}
    if task.target != STANDARD:
        Path(task.target).parent.mkdir(parents=True, exist_ok=True)
    bands = _watched(decoded) if task.alone else iter(decoded)
    size, notes = save(task.target, decoded, bands, format=task.format, force=task.plan.force)
    return facts | {
        "notes": notes,
        "bytes": size,
        "seconds": round(time.perf_counter() - begun, 3),
        "damaged_tiles": decoded.damaged,
        "damaged_areas": decoded.damaged_areas,
    }


def _watched(decoded: Decoded) -> Iterator[NDArray[np.uint8]]:
    """Yield the bands of a picture, with a bar that counts rows."""
    bar, rows = Progress(decoded.height, unit=" rows"), 0
    try:
        for band in decoded:
            rows += len(band)
            bar.update(rows)
            yield band
    finally:
        bar.clear()


def _line(figures: dict[str, Any]) -> str:
    if "dry_run" in figures:
        return (
            f"{batch.shown(figures['input'], True)} -> {batch.shown(figures['output'], False)}: "
            f"{figures['width']}x{figures['height']}, not written (--dry-run)"
        )
    damaged = figures["damaged_tiles"]
    warning = f"; grey instead of damaged: tile {', '.join(map(str, damaged))}" if damaged else ""
    line = (
        f"{batch.shown(figures['input'], True)} -> {batch.shown(figures['output'], False)}: "
        f"{figures['width']}x{figures['height']}, {figures['seconds']:.2f} s{warning}"
    )
    return "\n".join([line, *(f"  note: {note}" for note in figures["notes"])])
