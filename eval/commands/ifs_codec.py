"""`python -m eval ifs-codec`: the codec `ifs` on binary pictures, beside codecs that lose nothing."""

from __future__ import annotations

import csv
import io
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from statistics import mean, stdev
from types import MappingProxyType
from typing import Any

import click
import numpy as np
from numpy.typing import NDArray
from PIL import Image, TiffImagePlugin

from collagecodec.codecs.ifs.codec import IfsCodec
from eval.commands.options import out_option, told
from eval.harness import facts
from eval.harness.store import write_json
from eval.studies.learned_ifs import idx
from eval.studies.shapes import SHAPES, overlap

Pixels = NDArray[np.uint8]
COLUMNS = ("set", "picture", "width", "height", "codec", "bytes", "bits_per_pixel", "wrong", "iou", "encode_s")


def png(mask: Pixels) -> int:
    """Bytes of a PNG of one bit a pixel."""
    return _saved(mask, "PNG", optimize=True)


def g4_file(mask: Pixels) -> int:
    """Bytes of a TIFF with ITU-T T.6 (fax group 4), as libtiff writes it."""
    return _saved(mask, "TIFF", compression="group4")


def g4_data(mask: Pixels) -> int:
    """Bytes of the coded strips alone in that file, without the frame of the TIFF."""
    stream = io.BytesIO()
    Image.fromarray(mask).convert("1").save(stream, "TIFF", compression="group4")
    with Image.open(stream) as picture:
        assert isinstance(picture, TiffImagePlugin.TiffImageFile)
        return int(sum(picture.tag_v2[279]))


def webp(mask: Pixels) -> int:
    """Bytes of a lossless WebP."""
    return _saved(mask, "WEBP", lossless=True, quality=100, method=6)


def jxl(mask: Pixels) -> int:
    """Bytes of a lossless JPEG XL; ImportError without the plugin."""
    import pillow_jxl  # noqa: F401 (registers the format)

    return _saved(mask, "JXL", lossless=True, effort=9)


def _saved(mask: Pixels, kind: str, **options: Any) -> int:
    stream = io.BytesIO()
    picture = Image.fromarray(mask)
    # Those two have one-bit pictures; the others find out for themselves.
    (picture.convert("1") if kind in ("PNG", "TIFF") else picture).save(stream, kind, **options)
    return stream.tell()


LOSSLESS: MappingProxyType[str, Callable[[Pixels], int]] = MappingProxyType(
    {"png-1bit": png, "tiff-g4": g4_file, "g4-data": g4_data, "webp-lossless": webp, "jxl-lossless": jxl}
)

DISTANCE_MAPS = MappingProxyType({"koch": 4, "sierpinski": 3})
"""Maps that these two are made of; the other shapes get 16."""


@click.command("ifs-codec")
@out_option
@click.option("--mnist", "count", type=click.IntRange(0), default=10, help="Digits: so many, the first of t10k.")
@click.option("--maps", default="6,12", help="Numbers of maps, commas between.")
@click.option("--steps", type=click.IntRange(1), default=600, help="Of each fit.")
@click.option("--threads", type=click.IntRange(1), default=1, help="Cores to use.")
@click.option(
    "--data-root",
    type=click.Path(path_type=Path),
    help="Where the folder mnist lies.  [default: $COLLAGE_DATA or ../shared/data by the checkout]",
)
def ifs_codec(out: Path, count: int, maps: str, steps: int, threads: int, data_root: Path | None) -> None:
    """Sizes and errors of the codec ifs on binarised digits and on five shapes, beside lossless codecs.

    JBIG2 itself has no encoder here; ITU-T T.6 (group 4), which it succeeded, lossless WebP and JPEG XL stand
    for its class. Of T.6 the whole TIFF and the coded data alone are given: on small pictures the frame is most
    of the file. The rate of ifs is that of the whole file. What stands in rows.csv already is not measured
    again.
    """
    import torch

    torch.set_num_threads(threads)
    counts = [int(one) for one in maps.split(",")]
    out.mkdir(parents=True, exist_ok=True)
    with told():
        write_json(out / "run.json", {
            "steps": steps, "threads": threads, "machine": facts.machine(), "versions": facts.versions(),
        })  # fmt: skip
        rows = _rows(out / "rows.csv")
        for kind, name, mask in _pictures(count, data_root):
            for row in _measured(
                kind, name, mask, counts, steps, {(one["picture"], one["codec"]) for one in rows}
            ):
                rows.append(row)
                _append(out / "rows.csv", row)
    text = _table(rows)
    (out / "table.md").write_text(text, encoding="utf-8")
    click.echo(text)


def _pictures(count: int, root: Path | None) -> Iterator[tuple[str, str, Pixels]]:
    """Set, name and pixels, 0 or 255."""
    for number, digit in enumerate(idx.images("mnist", root=root)[:count] if count else ()):
        yield "mnist", f"t10k-{number:05d}", np.where(digit > 0.5 * digit.max(), 255, 0).astype(np.uint8)
    for name, shape in SHAPES.items():
        yield "shapes", name, np.where(shape(), 255, 0).astype(np.uint8)


def _measured(
    kind: str, name: str, pixels: Pixels, counts: list[int], steps: int, known: set[tuple[str, str]]
) -> Iterator[dict[str, Any]]:
    place = {"set": kind, "picture": name, "width": pixels.shape[1], "height": pixels.shape[0]}
    for label, size in LOSSLESS.items():
        if (name, label) in known:
            continue
        try:
            found = size(pixels)
        except (ImportError, OSError, KeyError) as error:
            click.echo(f"left out {label}: {error}", err=True)
            continue
        yield {**place, "codec": label, **_rate(found, pixels), "wrong": 0, "iou": 1, "encode_s": ""}
    for label, codec in _codecs(kind, name, counts, steps):
        if (name, label) in known:
            continue
        begun = time.perf_counter()
        data = codec.encode(pixels)
        ended = time.perf_counter()
        decoded = codec.decode(data)
        yield {
            **place, "codec": label, **_rate(len(data), pixels),
            "wrong": round(float((decoded != pixels).mean()), 5),
            "iou": round(overlap(decoded > 127, pixels > 127), 4), "encode_s": round(ended - begun, 1),
        }  # fmt: skip


def _codecs(kind: str, name: str, counts: list[int], steps: int) -> Iterator[tuple[str, IfsCodec]]:
    """Learned as points with so many maps; shapes through their distance fields too."""
    for maps in counts:
        yield f"ifs-{maps}", IfsCodec(maps=maps, steps=steps, side=32 if kind == "mnist" else 64)
    if kind == "shapes":
        maps = DISTANCE_MAPS.get(name, 16)
        yield f"ifs-distance-{maps}", IfsCodec(maps=maps, steps=min(steps, 400), method="distance")


def _rate(size: int, pixels: Pixels) -> dict[str, Any]:
    return {"bytes": size, "bits_per_pixel": round(8 * size / pixels.size, 5)}


def _rows(path: Path) -> list[dict[str, Any]]:
    if not path.exists():
        return []
    with path.open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def _append(path: Path, row: dict[str, Any]) -> None:
    fresh = not path.exists()
    with path.open("a", encoding="utf-8", newline="") as file:
        writer = csv.DictWriter(file, COLUMNS, lineterminator="\n")
        if fresh:
            writer.writeheader()
        writer.writerow(row)


def _table(rows: list[dict[str, Any]]) -> str:
    """Means over the digits, and every shape by itself."""
    lines = ["| pictures | codec | bytes | wrong pixels | IoU |", "|---|---|---|---|---|"]
    groups: dict[tuple[str, str], list[dict[str, Any]]] = {}
    for row in rows:
        title = "mnist" if row["set"] == "mnist" else f"{row['picture']} {row['width']}x{row['height']}"
        groups.setdefault((title, row["codec"]), []).append(row)
    for (title, codec), found in groups.items():
        title = f"{title}, {len(found)}" if title == "mnist" else title
        sizes = [float(one["bytes"]) for one in found]
        spread = f" ± {stdev(sizes):.0f}" if len(sizes) > 1 else ""
        wrong, iou = (mean(float(one[key]) for one in found) for key in ("wrong", "iou"))
        lines.append(f"| {title} | {codec} | {mean(sizes):.0f}{spread} | {100 * wrong:.2f} % | {iou:.3f} |")
    return "\n".join(lines) + "\n"
