"""`collage encode`: pictures into `.clg` files."""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from collagecodec.cli import batch, inputs
from collagecodec.cli.progress import Progress
from collagecodec.cli.values import Range
from collagecodec.io.conversion import MODES, Conversion
from collagecodec.io.files import STANDARD, OutputExistsError, check_distinct, write_bytes_atomic

if TYPE_CHECKING:
    from collagecodec.io.sources import Source

TARGETS = ("quality", "bpp", "psnr", "max_bytes")


@dataclass(frozen=True)
class Task:
    """A picture to encode."""

    source: str
    target: str
    force: bool
    measure: bool
    alone: bool
    alpha: bool = False
    conversion: Conversion = field(default_factory=Conversion)
    geo: bool = True
    dry_run: bool = False
    options: dict[str, Any] = field(default_factory=dict)


@click.command(no_args_is_help=True)
@click.argument("files", nargs=-1, required=True)
@click.option("-q", "--quality", type=click.FloatRange(0, 100), help="0 (smallest) to 100 (finest).")
@click.option("--bpp", type=click.FloatRange(0, min_open=True), help="Bits per pixel to come close to.")
@click.option("--psnr", type=click.FloatRange(0, min_open=True), help="PSNR to reach, in dB.")
@click.option("--max-bytes", type=click.IntRange(1), help="Largest size of the file.")
@click.option(
    "--max-error", type=click.IntRange(0, 65535),
    help="Promise that no sample is further off than this; 0 stores the picture without loss.",
)  # fmt: skip
@click.option(
    "-e", "--effort", type=click.IntRange(0, 9),
    help="0: linear analysis, fastest; 1: hypernetwork, the default; 2 to 9: ever longer refinement (PyTorch).",
)  # fmt: skip
@click.option("-m", "--model", help="Model to use; 'collage models' lists them.")
@click.option("--codec", help="Codec to use, collage if not given; 'collage codecs' lists them.")
@click.option(
    "--set", "settings", multiple=True, metavar="KEY=VALUE",
    help="Setting of the codec; may be given several times. 'collage codecs' lists the settings.",
)  # fmt: skip
@click.option(
    "--steps", type=click.IntRange(1), help="Steps of a codec that fits a network to the picture (coin)."
)
@click.option(
    "--checkpoint", metavar="FILE",
    help="Where such a codec keeps its fit, to resume after an interruption.  [default: OUTPUT.fit]",
)  # fmt: skip
@click.option(
    "--roi", metavar="FILE",
    help="Region of interest: a mask (white is inside) or boxes in pixels, as GeoJSON or COCO.",
)  # fmt: skip
@click.option(
    "--roi-quality", type=click.FloatRange(0, 100),
    help="Quality in the region of interest.  [default: a quarter of the quantiser step]",
)  # fmt: skip
@click.option("--alpha", is_flag=True, help="Take the last of 2 or 4 channels as alpha, whatever it looks like.")
@click.option("--page", type=click.IntRange(1), help="Page, frame or image of a file of several; 1 is the first.")
@click.option(
    "--convert", type=click.Choice(MODES), help="Convert the picture first, such as CMYK or a palette to RGB."
)
@click.option(
    "--to-8bit", is_flag=True, help="Scale samples of more than 8 bits, smallest to largest, to 8 bits."
)
@click.option(
    "--range",
    "value_range",
    type=Range(),
    help="Like --to-8bit, but from a range such as 0,4095.",
)
@click.option("--no-geo", is_flag=True, help="Read a GeoTIFF as a plain picture, without its place on Earth.")
@click.option(
    "-o", "--output",
    help="File or folder to write, or a template such as 'out/{stem}-{number}.clg'; '-' for standard output.",
)  # fmt: skip
@click.option("-r", "--recursive", is_flag=True, help="Search folders with their subfolders.")
@click.option("-f", "--force", is_flag=True, help="Replace files that exist.")
@click.option("--resume", is_flag=True, help="Skip files whose results are there and not older; redo the others.")
@click.option("-n", "--dry-run", is_flag=True, help="Show what would be written, and write nothing.")
@click.option("-j", "--jobs", type=click.IntRange(0), help="Files at the same time; 0: as many as cores.")
@click.option("--json", "as_json", is_flag=True, help="Print a JSON object for each file, with its PSNR.")
@click.option("--quiet", is_flag=True, help="Say nothing unless something fails.")
@click.option("-v", "--verbose", is_flag=True, help="Say also how a file was made: codec, quality, PSNR.")
@click.pass_context
def encode(context: click.Context, /, files: tuple[str, ...], **given: Any) -> int:
    """Store pictures in .clg files.

    FILES are pictures, folders, wildcards, or '-' for standard input. photo.png becomes photo.clg beside it;
    a file that exists is never replaced without --force. At most one of --quality, --bpp, --psnr and
    --max-bytes.

    \b
    collage encode photo.png
    collage encode --max-bytes 50000 -o small.clg photo.tif
    collage encode -r --jobs 0 -o archive/ pictures/
    collage encode --codec dct --set step=20 --set cell=16 photo.png
    collage encode -q 30 --roi ships.geojson --roi-quality 80 harbour.png
    collage encode --page 2 --convert RGB scan.tif
    collage encode - < photo.png > photo.clg
    """
    _check_targets(given)
    items = inputs.expand(files, given["recursive"], inputs.PICTURES)
    targets = inputs.outputs(items, given["output"], inputs.Naming(".clg", strict=True))
    names = (*TARGETS, "max_error", "effort", "model", "codec")
    options = {name: given[name] for name in names if given[name] is not None}
    if given["checkpoint"] and len(items) > 1:
        raise click.UsageError("--checkpoint keeps a single fit, and there are several files; leave it out")
    if settings := _settings(given):
        options["options"] = settings
    options |= _region(given)
    conversion = Conversion(given["page"], given["convert"], given["to_8bit"], given["value_range"])
    measure = given["as_json"] or given["verbose"]
    left = batch.unfinished(items, targets, given["resume"])
    if not left:
        return 0
    force = given["force"] or given["resume"]
    tasks = [
        Task(
            item.path, target, force, measure, len(items) == 1, given["alpha"], conversion,
            not given["no_geo"], given["dry_run"], options,
        )
        for item, target in left
    ]  # fmt: skip
    items = [item for item, _ in left]
    work = batch.Batch(
        encode_one, tasks, [batch.shown(item.path, True) for item in items], _line,
        as_json=given["as_json"], quiet=given["quiet"], stdout_taken=targets == [STANDARD],
    )  # fmt: skip
    return batch.run(work, batch.job_count(given["jobs"]), context)


def _check_targets(given: dict[str, Any]) -> None:
    chosen = ["--" + name.replace("_", "-") for name in TARGETS if given[name] is not None]
    if len(chosen) > 1:
        raise click.UsageError(f"{' and '.join(chosen)} exclude each other; choose one")


def _region(given: dict[str, Any]) -> dict[str, Any]:
    """Return the region of interest and its quality; a usage error for a file that holds none."""
    if given["roi"] is None:
        if given["roi_quality"] is not None:
            raise click.UsageError("--roi-quality needs a region of interest: give --roi as well")
        return {}
    from collagecodec.io.roi import Roi

    try:
        region = {"roi": Roi.read(Path(given["roi"]))}
    except OSError as error:
        raise click.UsageError(f"{given['roi']} cannot be read: {error.strerror}") from error
    except ValueError as error:
        raise click.UsageError(str(error)) from error
    return region | ({} if given["roi_quality"] is None else {"roi_quality": given["roi_quality"]})


def _settings(given: dict[str, Any]) -> dict[str, Any]:
    """Return the settings of --set, --steps and --checkpoint; a usage error for one that the codec lacks."""
    texts = list(given["settings"])
    texts += [f"{name}={given[name]}" for name in ("steps", "checkpoint") if given[name] is not None]
    if not texts:
        return {}
    from collagecodec.codecs.settings import parsed

    try:
        return parsed(given["codec"] or "collage", texts)
    except ValueError as error:
        raise click.UsageError(str(error)) from error


def encode_one(task: Task) -> dict[str, Any]:
    """Encode a picture and return its figures."""
    check_distinct(task.source, task.target)
    if task.target != STANDARD:
        if Path(task.target).is_file() and not task.force:
            raise OutputExistsError(Path(task.target))
        if not task.dry_run:
            Path(task.target).parent.mkdir(parents=True, exist_ok=True)
    from collagecodec import api
    from collagecodec.io import open_source
    from collagecodec.io.conversion import ScaledSource

    source = open_source(task.source, alpha=task.alpha or None, conversion=task.conversion, geo=task.geo)
    if task.dry_run:
        return _facts(task, source) | {"dry_run": True}
    begun = time.perf_counter()
    # A batch of several files has a bar that counts files.
    bar = Progress(1000)
    progress = bar.share if task.alone else None
    checkpoint = _checkpoint(task)
    options = dict(task.options)
    if checkpoint:
        options["options"] = {**options.get("options", {}), "checkpoint": str(checkpoint)}
    try:
        data = api.encode(source, **options, progress=progress)
    finally:
        bar.clear()
    seconds = time.perf_counter() - begun
    write_bytes_atomic(task.target, data, force=task.force)
    if checkpoint:
        checkpoint.unlink(missing_ok=True)
    figures = _facts(task, source) | {
        "bytes": len(data),
        "bpp": round(8 * len(data) / (source.width * source.height), 4),
        "seconds": round(seconds, 3),
        "source_bytes": _size(task.source),
        "notes": _notes(task, source, len(data)),
    }
    if task.measure:
        described = api.info(data)
        figures |= {"psnr": _psnr(source, data), "codec": described.codec, "step": described.step}
        if described.codec == "layers":
            from collagecodec.codecs.layers.errors import errors

            found = errors(source, data)
            figures |= {"rmse": round(found.rmse, 4), "largest_error": found.largest}
        figures["range"] = list(source.value_range) if isinstance(source, ScaledSource) else None
    return figures


def _facts(task: Task, source: Source) -> dict[str, Any]:
    return {"input": task.source, "output": task.target, "width": source.width, "height": source.height}


def _size(path: str) -> int | None:
    return Path(path).stat().st_size if path != STANDARD and Path(path).is_file() else None


def _notes(task: Task, source: Source, size: int) -> list[str]:
    """Return what a user should know about a result and cannot see."""
    notes = [converted] if (converted := getattr(source, "converted", "")) else []
    before = _size(task.source)
    if before is not None and size > before:
        notes.append(
            f"larger than {task.source} ({before} bytes), which compresses better as it is; "
            "a lower --quality makes a smaller file"
        )
    if Path(task.source).suffix.lower() == ".clg":
        notes.append(f"{task.source} was a lossy copy already, and lost once more")
    return notes


def _checkpoint(task: Task) -> Path | None:
    """Return where a fit is kept while it runs; None if the codec has none, or the settings name a place."""
    from dataclasses import fields

    from collagecodec.codecs.registry import codec_class

    codec, settings = task.options.get("codec"), task.options.get("options", {})
    if codec is None or task.target == STANDARD or settings.get("checkpoint"):
        return None
    if "checkpoint" not in {field.name for field in fields(codec_class(codec))}:
        return None
    return Path(f"{task.target}.fit")


def _psnr(source: Source, data: bytes) -> float | None:
    """Return the PSNR of the colours (not of alpha) in dB; None if nothing was lost."""
    from math import isfinite

    from bitstream.container import Reader
    from collagecodec.codecs import registry

    psnr = registry.class_of(Reader(data).header).psnr(source, data)
    return round(psnr, 3) if isfinite(psnr) else None


def _line(figures: dict[str, Any]) -> str:
    named = f"{batch.shown(figures['input'], True)} -> {batch.shown(figures['output'], False)}: "
    if "dry_run" in figures:
        return f"{named}{figures['width']}x{figures['height']}, not written (--dry-run)"
    line = f"{named}{figures['bytes']} bytes, {figures['bpp']:.3f} bpp, {figures['seconds']:.2f} s"
    if "psnr" in figures:
        line += f", codec {figures['codec']}"
        line += f", step {figures['step']:g}" if figures["step"] is not None else ""
        line += ", lossless" if figures["psnr"] is None else f", {figures['psnr']:.2f} dB"
        if "rmse" in figures:
            line += ", in units of the samples: RMSE {rmse:g}, largest error {largest_error}".format(**figures)
        if figures["range"]:
            line += ", {:g} to {:g} became 0 to 255".format(*figures["range"])
    return "\n".join([line, *(f"  note: {note}" for note in figures["notes"])])
