"""The tables and numbers of README.md and docs/, each made from the committed rows of one folder of results.

`TABLES` and `NUMBERS` map the names that stand in a page's markers to functions of the folder `eval/results`.
"""

from __future__ import annotations

import csv
import json
from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import partial
from pathlib import Path
from statistics import fmean, stdev
from types import MappingProxyType
from typing import Any

import numpy as np

from eval.harness import aggregate, bd, published
from eval.harness.aggregate import RATES, psnr_at
from eval.harness.store import read_rows

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
        "jxl": "JPEG XL",
        "heic": "HEIC",
        "dct": "block DCT",
        "collage-e0": "collage, effort 0",
    }
)
"""Labels of the rows, in the order of the tables, and what the pages call them."""
_RATE_TABLE = ("collage", "collage-e5", "jpeg", "webp", "jpeg2000-psnr", "avif-420-s4", "avif-444-s4",
               "avif-420-s4-psnr", "dct")  # fmt: skip
_PAPER = MappingProxyType(
    {
        "Neural Collage": ("table1", "collage-paper"),
        "block-DCT": ("table1", "dct-fixed"),
        "fractal": ("pifs-table1", "pifs"),
        "fractal, augmented": ("pifs-table1", "pifs-augmented"),
    }
)
"""Where the rows of the published table were measured here: folder and label."""
_METHODS = MappingProxyType(
    {
        "collage": "collage",
        "lanczos": "Lanczos",
        "bicubic": "bicubic",
        "bicubic+domains": "bicubic and similar domain cells",
    }
)
_IFS_SETS = MappingProxyType({"fractaldb": "FractalDB", "mnist": "MNIST", "kmnist": "KMNIST", "fmnist": "FMNIST"})
_IFS_ROWS = MappingProxyType(
    {
        "A": "A, plain parameters",
        "B": "B, inverse encoder",
        "C": "C, without clamp",
        "D": "D, without noisy SGD",
        "E": "E, fixed sequences instead of the expectation",
        "F": "F, the whole method",
    }
)
_LOSSLESS = MappingProxyType(
    {
        "png-1bit": "PNG, 1 bit",
        "tiff-g4": "TIFF G4",
        "g4-data": "G4 data",
        "webp-lossless": "WebP lossless",
        "jxl-lossless": "JPEG XL lossless",
        "ifs-6": "ifs, 6 maps",
        "ifs-12": "ifs, 12 maps",
        "ifs-distance": "ifs, distance",
    }
)
Table = Callable[[Path], str]


def markdown(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """Return a Markdown table."""
    lines = [head, ["---"] * len(head), *rows]
    return "".join("| " + " | ".join(cells) + " |\n" for cells in lines)


def rates(
    results: Path, folder: str, labels: Sequence[str], tests: Mapping[str, str], points: bool = True
) -> str:
    """Return the sizes of `tests` (label: name) against each codec, and PSNR at the rates of `RATES`.

    A codec that was measured on fewer pictures than the first of `tests` is left out, because its means cannot
    stand beside the others; a test on fewer pictures says so in its heading.
    """
    found = aggregate.curves(read_rows(results / folder))
    tests = {label: name for label, name in tests.items() if label in found}
    first = next(iter(tests))
    head = [""]
    for label, name in tests.items():
        count = "" if len(found[label]) == len(found[first]) else f" ({len(found[label])} pictures)"
        head.append(f"size of {name} against it, at equal PSNR{count}")
    head += [f"{rate} bpp" for rate in RATES] if points else []
    rows = []
    for label in (label for label in labels if label in found and len(found[label]) >= len(found[first])):
        cells = [NAMES[label]]
        cells += [
            "" if label in tests and test in (label, first) else _size(found, label, test) for test in tests
        ]
        if points:
            curve = aggregate.mean_curve(found[label])
            values = [psnr_at(curve, rate) for rate in RATES]
            cells += [value if value == "-" else f"{value} dB" for value in values]
        rows.append(cells)
    return markdown(head, rows)


def _size(found: aggregate.Curves, label: str, test: str) -> str:
    rate = aggregate.compare(found, label, test, "psnr").rate
    return "" if rate is None else f"{rate:+.1f} %"


def effort(results: Path) -> str:
    """Return gain and cost of each effort."""
    rows = [line.strip("| ").split("|") for line in _text(results / "effort" / "table.md").splitlines()[2:]]
    head = ("effort", "size against effort 1, at equal PSNR", "processor seconds per megapixel")
    return markdown(head, [[cell.strip() for cell in row] for row in rows])


def zoom(results: Path, column: str = "psnr") -> str:
    """Return mean PSNR (or another column) of the ways to enlarge, a row for each factor and quality."""
    values: dict[tuple[int, str], dict[str, list[float]]] = defaultdict(lambda: defaultdict(list))
    for row in _lines(results / "zoom" / "zoom.jsonl"):
        place = values[row["factor"], row["setting"].replace("=", " ")]
        place[row["method"]].append(row[column])
        place["original"].append(row["slope_original"])
    slope, unit = column == "slope", " dB" if column == "psnr" else ""
    names = {**_METHODS, **({"original": "original"} if slope else {})}
    rows = [
        [f"{factor}x, {setting}", *(f"{fmean(of[method]):.{1 if slope else 2}f}{unit}" for method in names)]
        for (factor, setting), of in sorted(values.items(), key=lambda one: (one[0][0], -_number(one[0][1])))
    ]
    return markdown(["", *names.values()], rows)


def _number(setting: str) -> float:
    return float(setting.rsplit(" ", 1)[1])


def speed(results: Path) -> str:
    """Return what `python -m eval speed` measured."""
    rows = json.loads(_text(results / "speed" / "speed.json"))["rows"]
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
    """Return seconds of encoding and decoding a megapixel, from the smallest to the largest setting measured."""
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
    for row in _table_rows(results / "dota-val" / "timing.csv"):
        if not row["error"]:
            groups[row["label"]].append(row)
    return groups


def coin(results: Path) -> str:
    """Return means of COIN's smallest network over the pictures of a fit, and the authors' own."""
    groups: dict[tuple[str, int, str], list[dict[str, str]]] = defaultdict(list)
    for row in _table_rows(results / "coin" / "coin.csv"):
        groups[row["net"], int(row["steps"]), row["coding"]].append(row)
    rows = []
    for (net, steps, coding), of in sorted(groups.items(), key=lambda one: (one[0][1], one[0][2] != "half")):
        rows.append([
            f"{net}, {steps:,} steps, {'16-bit weights' if coding == 'half' else 'entropy-coded weights'}",
            str(len(of)), f"{fmean(float(row['bpp']) for row in of):.4f}",
            f"{fmean(float(row['psnr']) for row in of):.2f} dB",
            f"{fmean(float(row['fit_cpu_s']) for row in of):.0f} s",
        ])  # fmt: skip
    series = [one for one in published.curves_on("kodak") if one["label"].startswith("COIN")]
    bpp, psnr = series[0]["points"][1]
    rows.append(["5x20, published, without a header", "24", f"{bpp:.4f}", f"{psnr:.2f} dB", ""])
    return markdown(["", "pictures", "bpp", "PSNR", "processor time of a fit"], rows)


def search(results: Path) -> str:
    """Return seconds of the exact and of the nearest-neighbour search of `pifs`, by domain step."""
    found: dict[tuple[str, str], dict[str, str]] = {}
    for row in _table_rows(results / "pifs-camera" / "rows.csv"):
        label, _, settings = row["label"].partition("@")
        if "coding=fixed" in settings:
            found[label, settings.rpartition("domain_step=")[2]] = row
    steps = sorted({step for _, step in found}, key=int, reverse=True)
    exact, nearest = (
        [found[label, step] for step in steps] for label in ("pifs-quadtree", "pifs-quadtree-nearest")
    )
    seconds = [[_seconds(float(row["encode_s"])) for row in rows] for rows in (exact, nearest)]
    lost = [
        f"{float(one['psnr']) - float(other['psnr']):.2f} dB" for one, other in zip(exact, nearest, strict=True)
    ]
    head = ["domain cells every", *(f"{step} pixels" for step in steps)]
    return markdown(head, [["exact", *seconds[0]], ["nearest", *seconds[1]], ["lost by nearest", *lost]])


def _seconds(value: float) -> str:
    return f"{value:.{0 if value >= 10 else 1}f} s"


def paper(results: Path) -> str:
    """Return the Neural Collage paper's Table 1, its numbers beside ours."""
    rows = []
    for row in published.table1():
        cells = [row.method.replace("block-DCT", "block DCT, fixed widths")]
        cells += [f"{psnr:.2f} dB at {rate}" for psnr, rate in zip(row.psnr, row.rates, strict=True)]
        if row.method in _PAPER:
            cells += _at_rates(results, *_PAPER[row.method], row.rates)
        rows.append([*cells, *["not measured"] * (5 - len(cells))])
    return markdown(["", "published", "published", "here", "here"], rows)


def _at_rates(results: Path, folder: str, label: str, wanted: Sequence[float]) -> list[str]:
    """PSNR at the rates, or at a setting within 5 % of one, with the rate that it has."""
    points = aggregate.mean_curve(aggregate.curves(read_rows(results / folder))[label])
    through = bd.curve([one.bpp for one in points], [one.psnr for one in points], window=None)
    cells = []
    for rate in wanted:
        nearest = min(points, key=lambda one: abs(one.bpp / rate - 1))
        close = abs(nearest.bpp / rate - 1) < 0.05
        bpp, psnr = (
            (nearest.bpp, nearest.psnr) if close else (rate, float(bd.value_at(through, np.array([rate]))[0]))
        )
        cells.append(f"{psnr:.2f} dB at {bpp:.2f}")
    return cells


def ifs(results: Path) -> str:
    """Return Table 1 of the paper on learning fractals by gradient, its numbers beside ours."""
    theirs, ours = published.ifs_table(), json.loads(_text(results / "ifs" / "summary.json"))
    rows = []
    for label, name in _IFS_ROWS.items():
        if label in theirs:
            rows.append([f"{name}, published", *(f"{theirs[label][one]:g}" for one in _IFS_SETS)])
        cells = []
        for one in _IFS_SETS:
            of = ours[f"{one}/{label}"]
            diverged = f", {of['diverged']} diverged" if of["diverged"] else ""
            cells.append(f"{of['mse']:.4f} ± {of['std']:.4f}{diverged}")
        rows.append([f"{name}, here", *cells])
    return markdown(["", *_IFS_SETS.values()], rows)


def ifs_speed(results: Path) -> str:
    """Return microseconds per sequence of the forms of embedding and rendering."""
    lines = [line.strip("|").split("|") for line in _text(results / "ifs-speed" / "forms.md").splitlines()]
    rows = [[cell.strip() for cell in line] for line in lines]
    return markdown(rows[0], [[row[0], *(cell and f"{float(cell):g}" for cell in row[1:])] for row in rows[2:]])


def ifs_gan(results: Path) -> str:
    """Return the accuracy after steps of the GAN, a row a data set."""
    rows, steps = [], []
    for name in ("mnist", "fmnist", "kmnist"):
        lines = _lines(results / "ifs-gan" / f"gan-{name}.jsonl")
        steps = [line["step"] for line in lines]
        rows.append([_IFS_SETS[name], *(f"{100 * line['accuracy']:.1f} %" for line in lines)])
    return markdown(["steps", *(f"{step:,}" for step in steps)], rows)


def shapes(results: Path) -> str:
    """Return how near the systems of maps come to five shapes."""
    head = ("shape", "maps, base shape", "depth", "IoU", "Hausdorff distance", "two levels deeper")
    title = {"koch": "Koch curve", "sierpinski": "Sierpinski gasket"}
    return markdown(head, [
        [
            f"{title.get(row['shape'], row['shape'])} {row['width']}x{row['height']}",
            f"{row['maps']} {row['kind']}, {row['base']}", row["depth"], f"{float(row['iou']):.3f}",
            f"{float(row['hausdorff_px']):.1f} px, {100 * float(row['hausdorff_share']):.1f} % of the diagonal",
            f"{float(row['iou_deeper']):.3f}, {float(row['hausdorff_deeper_px']):.1f} px",
        ]
        for row in _table_rows(results / "ifs-shapes" / "rows.csv")
    ])  # fmt: skip


def ifs_codec(results: Path) -> str:
    """Return bytes and likeness of the codec `ifs` beside lossless codecs, a row a picture."""
    groups: dict[str, dict[str, list[dict[str, str]]]] = defaultdict(lambda: defaultdict(list))
    for row in _table_rows(results / "ifs-codec" / "rows.csv"):
        title = {"koch": "Koch curve", "sierpinski": "Sierpinski gasket"}.get(row["picture"], row["picture"])
        place = "digits, 28x28" if row["set"] == "mnist" else f"{title}, {row['width']}x{row['height']}"
        codec = "ifs-distance" if row["codec"].startswith("ifs-distance") else row["codec"]
        groups[place][codec].append(row)
    rows = [[place, *(_bytes(of.get(codec, [])) for codec in _LOSSLESS)] for place, of in groups.items()]
    return markdown(["bytes", *_LOSSLESS.values()], rows)


def _bytes(rows: list[dict[str, str]]) -> str:
    if not rows:
        return "-"
    sizes = [float(row["bytes"]) for row in rows]
    spread = f" ± {stdev(sizes):.0f}" if len(sizes) > 1 else ""
    iou = fmean(float(row["iou"]) for row in rows)
    return f"{fmean(sizes):.0f}{spread}" + (f", IoU {iou:.2f}" if rows[0]["codec"].startswith("ifs") else "")


def slower(results: Path) -> str:
    """Return how many times as long as AVIF a decode takes, at the low and at the high setting measured."""
    groups = _timings(results)
    pairs = zip(*(groups[label] for label in ("collage", "avif-420-s6")), strict=True)
    ratios = sorted(float(one["decode_s"]) / float(other["decode_s"]) for one, other in pairs)
    return f"{ratios[0]:.0f} to {ratios[-1]:.0f}"


def size(results: Path, folder: str, label: str, metric: str = "psnr") -> str:
    """Return the size of the collage against a codec at equal quality in percent, without its sign."""
    rate = aggregate.compare(aggregate.curves(read_rows(results / folder)), label, "collage", metric).rate
    assert rate is not None
    return f"{abs(rate):.0f} %"


def _text(path: Path) -> str:
    return path.read_text(encoding="utf-8")


def _lines(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in _text(path).splitlines()]


def _table_rows(path: Path) -> list[dict[str, str]]:
    with path.open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


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
            labels=("collage", "collage-e0", "jxl", "heic"),
            tests={"collage": "collage"},
        ),
        "kodak": partial(rates, folder="kodak", labels=_RATE_TABLE, tests=_OURS),
        "effort": effort,
        "zoom": zoom,
        "zoom-slope": partial(zoom, column="slope"),
        "speed": speed,
        "timing": partial(timing, labels=_TIMED),
        "timing-short": partial(timing, labels=("collage", "avif-420-s6", "webp", "jpeg")),
        "coin": coin,
        "pifs-kodak": partial(
            rates, folder="pifs-kodak", labels=("pifs-quadtree", "jpeg", "jpeg2000-psnr"), tests=_PIFS
        ),
        "pifs-dota-val": partial(rates, folder="pifs-dota-val", labels=("pifs-quadtree",), tests=_PIFS),
        "pifs-camera": partial(rates, folder="pifs-camera", labels=_CAMERA, tests={_CAMERA[0]: "pifs"}),
        "pifs-search": search,
        "paper": paper,
        "ifs": ifs,
        "ifs-speed": ifs_speed,
        "ifs-gan": ifs_gan,
        "ifs-shapes": shapes,
        "ifs-codec": ifs_codec,
    }
)
"""What `<!-- numbers: NAME -->` stands for: Markdown that ends in a line break."""

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
"""What `<!-- number: NAME -->` stands for: a few words inside a sentence."""
