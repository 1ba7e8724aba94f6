"""The tables and numbers of README.md and docs/, computed from the committed rows in `eval/results`.

`TABLES` and `NUMBERS` map the names in the markers of a page to functions of that folder.
"""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from pathlib import Path
from statistics import fmean
from types import MappingProxyType

from eval.harness import aggregate
from eval.harness.aggregate import RATES, psnr_at
from eval.harness.store import read_rows
from eval.report import bounded_tables, ifs_tables, published_tables
from eval.report.sources import csv_rows, json_lines, markdown, text_of
from eval.report.validation_tables import validation

NAMES = MappingProxyType(
    {
        "collage": "**collage**",
        "collage-e5": "**collage, effort 5**",
        "pifs-quadtree": "**pifs**",
        "pifs-quadtree@step=64/44/31/24/19/15": "**pifs**",
        "pifs-quadtree-4@step=64/31/19/12": "pifs, range cells of at least 4 pixels",
        "jpeg": "JPEG",
        "webp": "WebP",
        "jpeg2000-psnr": "JPEG 2000",
        "avif-420-s4": "AVIF 4:2:0",
        "avif-420-s6": "AVIF 4:2:0, speed 6",
        "avif-444-s4": "AVIF 4:4:4",
        "avif-420-s4-psnr": "AVIF 4:2:0, `tune=psnr`",
        "avif-444-s4-psnr": "AVIF 4:4:4, `tune=psnr`",
        "vvc": "VVC 4:2:0",
        "jxl": "JPEG XL",
        "heic": "HEIC",
        "heic-444": "HEIC 4:4:4",
        "dct": "block DCT",
        "collage-e0": "collage, effort 0",
    }
)
"""Labels of the rows and their names on the pages, in the order of the tables."""
_RATE_TABLE = ("collage", "collage-e5", "jpeg", "webp", "jpeg2000-psnr", "avif-420-s4", "avif-444-s4",
               "avif-420-s4-psnr", "avif-444-s4-psnr", "dct")  # fmt: skip
_METHODS = MappingProxyType(
    {
        "collage": "collage",
        "lanczos": "Lanczos",
        "bicubic": "bicubic",
        "bicubic+domains": "bicubic and similar domain cells",
    }
)
Table = Callable[[Path], str]


def rates(
    results: Path, folder: str, labels: Sequence[str], tests: Mapping[str, str], points: bool = True
) -> str:
    """Return the sizes of `tests` (label: name) against each codec, and with `points` the PSNR at `RATES`.

    A codec measured on fewer pictures than the first of `tests` is left out, because its means cannot be
    compared; the heading of a test on fewer pictures gives their number.
    """
    curves = aggregate.curves(read_rows(results / folder))
    tests = {label: name for label, name in tests.items() if label in curves}
    first = next(iter(tests))
    head = [""]
    for label, name in tests.items():
        count = "" if len(curves[label]) == len(curves[first]) else f" ({len(curves[label])} pictures)"
        head.append(f"size of {name} against it, at equal PSNR{count}")
    head += [f"{rate} bpp" for rate in RATES] if points else []
    rows = []
    for label in labels:
        if label not in curves or len(curves[label]) < len(curves[first]):
            continue
        cells = [NAMES[label]]
        cells += [
            "" if label in tests and test in (label, first) else _size(curves, label, test) for test in tests
        ]
        if points:
            curve = aggregate.mean_curve(curves[label])
            values = [psnr_at(curve, rate) for rate in RATES]
            cells += [value if value == "-" else f"{value} dB" for value in values]
        rows.append(cells)
    return markdown(head, rows)


def _size(curves: aggregate.Curves, label: str, test: str) -> str:
    rate = aggregate.compare(curves, label, test, "psnr").rate
    return "" if rate is None else f"{rate:+.1f} %"


def effort(results: Path) -> str:
    """Return the gain and the cost of each effort."""
    rows = [line.strip("| ").split("|") for line in text_of(results / "effort" / "table.md").splitlines()[2:]]
    head = ("effort", "size against effort 1, at equal PSNR", "processor seconds per megapixel")
    return markdown(head, [[cell.strip() for cell in row] for row in rows])


def zoom(results: Path, column: str = "psnr") -> str:
    """Return the mean PSNR (or another column) of each enlarging method, a row per factor and quality."""
    values: dict[tuple[int, str], dict[str, list[float]]] = defaultdict(lambda: defaultdict(list))
    for row in json_lines(results / "zoom" / "zoom.jsonl"):
        by_method = values[row["factor"], row["setting"].replace("=", " ")]
        by_method[row["method"]].append(row[column])
        by_method["original"].append(row["slope_original"])
    slope, unit = column == "slope", " dB" if column == "psnr" else ""
    names = {**_METHODS, **({"original": "original"} if slope else {})}
    rows = [
        [
            f"{factor}x, {setting}",
            *(f"{fmean(by_method[method]):.{1 if slope else 2}f}{unit}" for method in names),
        ]
        for (factor, setting), by_method in sorted(values.items(), key=_factor_then_quality)
    ]
    return markdown(["", *names.values()], rows)


def _factor_then_quality(item: tuple[tuple[int, str], object]) -> tuple[int, float]:
    """Return the sort key of a group: small factors first, then high qualities first."""
    (factor, setting), _ = item
    return factor, -float(setting.rsplit(" ", 1)[1])


def kernels(results: Path) -> str:
    """Return the measurements of `python -m eval kernels`."""
    rows = json.loads(text_of(results / "kernels" / "kernels.json"))["rows"]
    decode = rows["decode"]["core"]
    return markdown(
        ["picture of 1200x1200 pixels at 0.5 bpp", "processor time", "numpy"],
        [
            [name, f"{1e3 * row['core']:.0f} ms", f"{row['numpy'] / row['core']:.1f} times as long"]
            if "numpy" in row
            else [f"{name}, Pillow", f"{1e3 * row['core']:.0f} ms", f"1/{decode / row['core']:.0f} of the decode"]
            for name, row in rows.items()
        ],
    )  # fmt: skip


def speed(results: Path) -> str:
    """Return the measurements of `python -m eval speed`."""
    rows = json.loads(text_of(results / "speed" / "speed.json"))["rows"]
    return markdown(
        ["picture of 1200x1200 pixels at 0.5 bpp", ""],
        [
            ["decode", f"{rows['decode MP/s']:.1f} megapixels/s"],
            ["decode `--fast`, without restoration", f"{rows['decode --fast MP/s']:.1f} megapixels/s"],
            ["thumbnail 1/8", f"{rows['thumbnail 1/8 speed-up']:.0f} times as fast as the full decode"],
            ["encode, effort 1", f"{rows['encode effort 1 MP/s']:.1f} megapixels/s"],
            ["encode, effort 0", f"{rows['encode effort 0 MP/s']:.1f} megapixels/s"],
            ["`collage decode`, whole process, to PNG",
             f"{rows['cold collage decode s']:.2f} s, of which imports {rows['imports s']:.2f} s"],
        ],
    )  # fmt: skip


def timing(results: Path, labels: Sequence[str]) -> str:
    """Return the seconds per megapixel of encoding and decoding, as ranges over the measured settings."""
    groups = _timings(results)
    rows = []
    for label in labels:
        cells = [NAMES[label].strip("*")]
        for column in ("encode_s", "decode_s"):
            values = sorted(float(row[column]) / float(row["megapixels"]) for row in groups[label])
            ends = list(dict.fromkeys(f"{value:.2g}" for value in (values[0], values[-1])))
            cells.append(" to ".join(ends) + " s")
        rows.append(cells)
    return markdown(["seconds per megapixel, two threads", "encode", "decode"], rows)


def _timings(results: Path) -> dict[str, list[dict[str, str]]]:
    groups: dict[str, list[dict[str, str]]] = defaultdict(list)
    for row in csv_rows(results / "dota-val" / "timing.csv"):
        if not row["error"]:
            groups[row["label"]].append(row)
    return groups


def search(results: Path) -> str:
    """Return the seconds of the exact and the nearest-neighbour search of `pifs`, by domain step."""
    rows: dict[tuple[str, str], dict[str, str]] = {}
    for row in csv_rows(results / "pifs-camera" / "rows.csv"):
        label, _, settings = row["label"].partition("@")
        if "coding=fixed" in settings:
            rows[label, settings.rpartition("domain_step=")[2]] = row
    steps = sorted({step for _, step in rows}, key=int, reverse=True)
    exact, nearest = (
        [rows[label, step] for step in steps] for label in ("pifs-quadtree", "pifs-quadtree-nearest")
    )
    seconds = [[_seconds(float(row["encode_s"])) for row in by_step] for by_step in (exact, nearest)]
    lost = [
        f"{float(best['psnr']) - float(fast['psnr']):.2f} dB" for best, fast in zip(exact, nearest, strict=True)
    ]
    head = ["domain cells every", *(f"{step} pixels" for step in steps)]
    return markdown(head, [["exact", *seconds[0]], ["nearest", *seconds[1]], ["lost by nearest", *lost]])


def _seconds(value: float) -> str:
    return f"{value:.{0 if value >= 10 else 1}f} s"


def slower(results: Path) -> str:
    """Return the decoding time divided by AVIF's, as a range over the measured settings."""
    groups = _timings(results)
    pairs = zip(*(groups[label] for label in ("collage", "avif-420-s6")), strict=True)
    ratios = sorted(float(ours["decode_s"]) / float(avif["decode_s"]) for ours, avif in pairs)
    return f"{ratios[0]:.0f} to {ratios[-1]:.0f}"


def size(results: Path, folder: str, label: str, metric: str = "psnr") -> str:
    """Return by how many percent the collage differs in size from a codec at equal quality, without the sign."""
    rate = aggregate.compare(aggregate.curves(read_rows(results / folder)), label, "collage", metric).rate
    assert rate is not None
    return f"{abs(rate):.0f} %"


_OURS = {"collage": "collage", "collage-e5": "effort 5"}
_TIMED = ("collage", "collage-e0", "avif-420-s6", "avif-420-s4", "webp", "jpeg2000-psnr", "jpeg", "dct",
          "pifs-quadtree")  # fmt: skip
_PIFS = {"pifs-quadtree": "pifs"}
_CAMERA = (
    "pifs-quadtree@step=64/44/31/24/19/15",
    "pifs-quadtree-4@step=64/31/19/12",
    "jpeg",
    "jpeg2000-psnr",
    "dct",
)

TABLES: Mapping[str, Table] = MappingProxyType(
    {
        "dota-val": partial(rates, folder="dota-val", labels=_RATE_TABLE, tests=_OURS),
        "dota-val-more": partial(
            rates,
            folder="dota-val",
            labels=("collage", "collage-e0", "vvc", "heic", "heic-444", "jxl"),
            tests={"collage": "collage"},
        ),
        "kodak": partial(rates, folder="kodak", labels=_RATE_TABLE, tests=_OURS),
        "effort": effort,
        "zoom": zoom,
        "zoom-slope": partial(zoom, column="slope"),
        "speed": speed,
        "kernels": kernels,
        "timing": partial(timing, labels=_TIMED),
        "timing-short": partial(timing, labels=("collage", "avif-420-s6", "webp", "jpeg")),
        "bounded": bounded_tables.bounded,
        "bounded-16": bounded_tables.deep,
        "validation-aerial-next": partial(validation, model="aerial-next"),
        "coin": published_tables.coin,
        "pifs-kodak": partial(
            rates, folder="pifs-kodak", labels=("pifs-quadtree", "jpeg", "jpeg2000-psnr"), tests=_PIFS
        ),
        "pifs-dota-val": partial(rates, folder="pifs-dota-val", labels=("pifs-quadtree",), tests=_PIFS),
        "pifs-camera": partial(rates, folder="pifs-camera", labels=_CAMERA, tests={_CAMERA[0]: "pifs"}),
        "pifs-search": search,
        "paper": published_tables.paper,
        "ifs": ifs_tables.ifs,
        "ifs-speed": ifs_tables.ifs_speed,
        "ifs-gan": ifs_tables.ifs_gan,
        "ifs-shapes": ifs_tables.shapes,
        "ifs-codec": ifs_tables.ifs_codec,
    }
)
"""The tables of the markers `<!-- numbers: NAME -->`: Markdown that ends in a line break."""

NUMBERS: Mapping[str, Table] = MappingProxyType(
    {
        "slower": slower,
        "avif": partial(size, folder="dota-val", label="avif-420-s4"),
        "avif-psnr": partial(size, folder="dota-val", label="avif-420-s4-psnr"),
        "jpeg": partial(size, folder="dota-val", label="jpeg"),
        "webp": partial(size, folder="dota-val", label="webp"),
        "avif-ms-ssim": partial(size, folder="dota-val-structural", label="avif-420-s4", metric="ms_ssim_db"),
        "kodak-jpeg": partial(size, folder="kodak", label="jpeg"),
        "kodak-avif": partial(size, folder="kodak", label="avif-420-s4"),
    }
)
"""The numbers of the markers `<!-- number: NAME -->`: a few words inside a sentence."""
