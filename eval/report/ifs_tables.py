"""The tables about iterated function systems, from the committed rows below a folder of results."""

from __future__ import annotations

import json
from collections import defaultdict
from pathlib import Path
from statistics import fmean, stdev
from types import MappingProxyType

from eval.harness import published
from eval.report.sources import csv_rows, json_lines, markdown, text_of

SETS = MappingProxyType({"fractaldb": "FractalDB", "mnist": "MNIST", "kmnist": "KMNIST", "fmnist": "FMNIST"})
ROWS = MappingProxyType(
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


def ifs(results: Path) -> str:
    """Return Table 1 of the paper on learning fractals by gradient, with its numbers beside ours."""
    theirs, ours = published.ifs_table(), json.loads(text_of(results / "ifs" / "summary.json"))
    rows = []
    for label, title in ROWS.items():
        if label in theirs:
            rows.append([f"{title}, published", *(f"{theirs[label][name]:g}" for name in SETS)])
        cells = []
        for name in SETS:
            result = ours[f"{name}/{label}"]
            diverged = f", {result['diverged']} diverged" if result["diverged"] else ""
            cells.append(f"{result['mse']:.4f} ± {result['std']:.4f}{diverged}")
        rows.append([f"{title}, here", *cells])
    return markdown(["", *SETS.values()], rows)


def ifs_speed(results: Path) -> str:
    """Return the microseconds per sequence of each implementation of embedding and rendering."""
    lines = [line.strip("|").split("|") for line in text_of(results / "ifs-speed" / "forms.md").splitlines()]
    rows = [[cell.strip() for cell in line] for line in lines]
    return markdown(rows[0], [[row[0], *(cell and f"{float(cell):g}" for cell in row[1:])] for row in rows[2:]])


def ifs_gan(results: Path) -> str:
    """Return the classification accuracy by steps of the GAN, a row per data set."""
    rows, steps = [], []
    for name in ("mnist", "fmnist", "kmnist"):
        lines = json_lines(results / "ifs-gan" / f"gan-{name}.jsonl")
        steps = [line["step"] for line in lines]
        rows.append([SETS[name], *(f"{100 * line['accuracy']:.1f} %" for line in lines)])
    return markdown(["steps", *(f"{step:,}" for step in steps)], rows)


def shapes(results: Path) -> str:
    """Return how closely systems of maps approximate five shapes."""
    head = ("shape", "maps, base shape", "depth", "IoU", "Hausdorff distance", "two levels deeper")
    title = {"koch": "Koch curve", "sierpinski": "Sierpinski gasket"}
    return markdown(head, [
        [
            f"{title.get(row['shape'], row['shape'])} {row['width']}x{row['height']}",
            f"{row['maps']} {row['kind']}, {row['base']}", row["depth"], f"{float(row['iou']):.3f}",
            f"{float(row['hausdorff_px']):.1f} px, {100 * float(row['hausdorff_share']):.1f} % of the diagonal",
            f"{float(row['iou_deeper']):.3f}, {float(row['hausdorff_deeper_px']):.1f} px",
        ]
        for row in csv_rows(results / "ifs-shapes" / "rows.csv")
    ])  # fmt: skip


def ifs_codec(results: Path) -> str:
    """Return the bytes and IoU of the codec `ifs` beside lossless codecs, a row per picture."""
    groups: dict[str, dict[str, list[dict[str, str]]]] = defaultdict(lambda: defaultdict(list))
    for row in csv_rows(results / "ifs-codec" / "rows.csv"):
        title = {"koch": "Koch curve", "sierpinski": "Sierpinski gasket"}.get(row["picture"], row["picture"])
        place = "digits, 28x28" if row["set"] == "mnist" else f"{title}, {row['width']}x{row['height']}"
        codec = "ifs-distance" if row["codec"].startswith("ifs-distance") else row["codec"]
        groups[place][codec].append(row)
    rows = [
        [place, *(_bytes(by_codec.get(codec, [])) for codec in _LOSSLESS)] for place, by_codec in groups.items()
    ]
    return markdown(["bytes", *_LOSSLESS.values()], rows)


def _bytes(rows: list[dict[str, str]]) -> str:
    if not rows:
        return "-"
    sizes = [float(row["bytes"]) for row in rows]
    spread = f" ± {stdev(sizes):.0f}" if len(sizes) > 1 else ""
    iou = fmean(float(row["iou"]) for row in rows)
    return f"{fmean(sizes):.0f}{spread}" + (f", IoU {iou:.2f}" if rows[0]["codec"].startswith("ifs") else "")
