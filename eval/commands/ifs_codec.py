"""`python -m eval ifs-codec`: the codec `ifs` on binary pictures, compared with lossless codecs."""

from __future__ import annotations

import io
import time
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from statistics import mean, stdev
from types import MappingProxyType
from typing import Any

import click
import numpy as np
from numpy.typing import NDArray
from PIL import Image, TiffImagePlugin

from collagecodec.codecs.ifs.codec import IfsCodec
from eval.commands.options import one_line_errors, out_option, root_option, threads_option
from eval.harness import facts
from eval.harness.journal import Csv, Journal
from eval.harness.store import write_json
from eval.studies.learned_ifs import idx
from eval.studies.shapes import SHAPES, overlap

Pixels = NDArray[np.uint8]
COLUMNS = ("set", "picture", "width", "height", "codec", "bytes", "bits_per_pixel", "wrong", "iou", "encode_s")
LINES: Csv[dict[str, Any]] = Csv(COLUMNS, dict, lambda row: [row[column] for column in COLUMNS])
"""The format of rows.csv."""


def png(mask: Pixels) -> int:
    """Return the size of a PNG with one bit per pixel."""
    return _saved(mask, "PNG", optimize=True)


def g4_file(mask: Pixels) -> int:
    """Return the size of a TIFF with ITU-T T.6 (fax group 4) coding, as libtiff writes it."""
    return _saved(mask, "TIFF", compression="group4")


def g4_data(mask: Pixels) -> int:
    """Return the size of the coded strips in that TIFF, without its headers."""
    stream = io.BytesIO()
    Image.fromarray(mask).convert("1").save(stream, "TIFF", compression="group4")
    with Image.open(stream) as picture:
        assert isinstance(picture, TiffImagePlugin.TiffImageFile)
        return int(sum(picture.tag_v2[279]))


def webp(mask: Pixels) -> int:
    """Return the size of a lossless WebP."""
    return _saved(mask, "WEBP", lossless=True, quality=100, method=6)


def jxl(mask: Pixels) -> int:
    """Return the size of a lossless JPEG XL; raises `ImportError` without the plugin."""
    import pillow_jxl  # noqa: F401 (registers the format)

    return _saved(mask, "JXL", lossless=True, effort=9)


def _saved(mask: Pixels, kind: str, **options: Any) -> int:
    stream = io.BytesIO()
    picture = Image.fromarray(mask)
    # Only these two have modes with one bit per pixel.
    (picture.convert("1") if kind in ("PNG", "TIFF") else picture).save(stream, kind, **options)
    return stream.tell()


LOSSLESS: MappingProxyType[str, Callable[[Pixels], int]] = MappingProxyType(
    {"png-1bit": png, "tiff-g4": g4_file, "g4-data": g4_data, "webp-lossless": webp, "jxl-lossless": jxl}
)

DISTANCE_MAPS = MappingProxyType({"koch": 4, "sierpinski": 3})
"""Numbers of maps that generate these two shapes. The other shapes get 16."""


@click.command("ifs-codec")
@out_option
@click.option(
    "--mnist", "count", type=click.IntRange(0), default=10, help="Number of digits, taken from the start of t10k."
)
@click.option("--maps", default="6,12", help="Numbers of maps, separated by commas.")
@click.option("--steps", type=click.IntRange(1), default=600, help="Number of steps of each fit.")
@threads_option
@root_option("the folder mnist")
def ifs_codec(out: Path, count: int, maps: str, steps: int, threads: int, data_root: Path | None) -> None:
    """Compare size and error of the codec ifs with lossless codecs, on binarised digits and five shapes.

    No JBIG2 encoder is available. Its predecessor ITU-T T.6 (group 4), lossless WebP and JPEG XL represent its
    class. T.6 is counted both as a complete TIFF and as coded data only, because the headers dominate the TIFF
    of a small picture. The rate of ifs is that of the complete file. Measurements that rows.csv contains are not
    repeated.
    """
    import torch

    torch.set_num_threads(threads)
    counts = [int(number) for number in maps.split(",")]
    with one_line_errors(), Journal(out / "rows.csv", LINES, _place) as journal:
        write_json(out / "run.json", {"steps": steps, "threads": threads, **facts.environment()})
        for kind, name, mask in _pictures(count, data_root):
            for row in _measured(kind, name, mask, counts, steps, journal):
                journal.add(row)
        text = _table(journal.rows)
    (out / "table.md").write_text(text, encoding="utf-8")
    click.echo(text)


def _pictures(count: int, root: Path | None) -> Iterator[tuple[str, str, Pixels]]:
    """Yield data set, name and pixels, 0 or 255."""
    for number, digit in enumerate(idx.images("mnist", root=root)[:count] if count else ()):
        yield "mnist", f"t10k-{number:05d}", np.where(digit > 0.5 * digit.max(), 255, 0).astype(np.uint8)
    for name, shape in SHAPES.items():
        yield "shapes", name, np.where(shape(), 255, 0).astype(np.uint8)


def _measured(
    kind: str, name: str, pixels: Pixels, counts: list[int], steps: int, known: Journal[dict[str, Any]]
) -> Iterator[dict[str, Any]]:
    """Yield the rows of a picture that are not `known` yet."""
    place = {"set": kind, "picture": name, "width": pixels.shape[1], "height": pixels.shape[0]}
    for label, size in LOSSLESS.items():
        if (name, label) in known:
            continue
        try:
            length = size(pixels)
        except (ImportError, OSError, KeyError) as error:
            click.echo(f"skipped {label}: {error}", err=True)
            continue
        yield {**place, "codec": label, **_rate(length, pixels), "wrong": 0, "iou": 1, "encode_s": ""}
    for label, codec in _codecs(kind, name, counts, steps):
        if (name, label) in known:
            continue
        started = time.perf_counter()
        data = codec.encode(pixels)
        ended = time.perf_counter()
        decoded = codec.decode(data)
        yield {
            **place, "codec": label, **_rate(len(data), pixels),
            "wrong": round(float((decoded != pixels).mean()), 5),
            "iou": round(overlap(decoded > 127, pixels > 127), 4), "encode_s": round(ended - started, 1),
        }  # fmt: skip


def _codecs(kind: str, name: str, counts: list[int], steps: int) -> Iterator[tuple[str, IfsCodec]]:
    """Yield codecs fitted to points, one per number of maps; for shapes also one fitted to distance fields."""
    for maps in counts:
        yield f"ifs-{maps}", IfsCodec(maps=maps, steps=steps, side=32 if kind == "mnist" else 64)
    if kind == "shapes":
        maps = DISTANCE_MAPS.get(name, 16)
        yield f"ifs-distance-{maps}", IfsCodec(maps=maps, steps=min(steps, 400), method="distance")


def _rate(size: int, pixels: Pixels) -> dict[str, Any]:
    return {"bytes": size, "bits_per_pixel": round(8 * size / pixels.size, 5)}


def _place(row: Mapping[str, Any]) -> tuple[str, str]:
    return row["picture"], row["codec"]


def _table(rows: list[dict[str, Any]]) -> str:
    """Return Markdown with the means over the digits, and a line for each shape and codec."""
    lines = ["| pictures | codec | bytes | wrong pixels | IoU |", "|---|---|---|---|---|"]
    groups: dict[tuple[str, str], list[dict[str, Any]]] = {}
    for row in rows:
        title = "mnist" if row["set"] == "mnist" else f"{row['picture']} {row['width']}x{row['height']}"
        groups.setdefault((title, row["codec"]), []).append(row)
    for (title, codec), group in groups.items():
        title = f"{title}, {len(group)}" if title == "mnist" else title
        sizes = [float(row["bytes"]) for row in group]
        spread = f" ± {stdev(sizes):.0f}" if len(sizes) > 1 else ""
        wrong, iou = (mean(float(row[key]) for row in group) for key in ("wrong", "iou"))
        lines.append(f"| {title} | {codec} | {mean(sizes):.0f}{spread} | {100 * wrong:.2f} % | {iou:.3f} |")
    return "\n".join(lines) + "\n"
