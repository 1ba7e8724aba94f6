"""Figures for papers, drawn with matplotlib as PNG and SVG."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from eval.harness.aggregate import LOWER_IS_BETTER, MeanPoint

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

AXES = {
    "psnr": "PSNR, RGB (dB)",
    "psnr_y": "PSNR, luma (dB)",
    "ms_ssim_db": "MS-SSIM (dB)",
    "ssim": "SSIM",
    "ssimulacra2": "SSIMULACRA2",
    "colour": "colour error, CIEDE2000 of 16x16 means",
    "worst_colour": "colour error of the worst 5 % of cells",
}
# The colours of Okabe & Ito, which colour-blind readers can distinguish. Every eight curves the dashes change.
COLOURS = ("#d55e00", "#0072b2", "#009e73", "#cc79a7", "#e69f00", "#56b4e9", "#7f7f7f", "#8c6bb1")
_DASHES = ("-", "--", ":", "-.")
_MARKS = "osD^vPX*"
_RATES = (0.05, 0.1, 0.2, 0.4, 0.8, 1.6)


def rd_figures(
    curves: Mapping[str, Sequence[MeanPoint]],
    out: Path,
    title: str,
    published: Sequence[Mapping[str, Any]] = (),
    equal_rate: Mapping[str, Mapping[str, Sequence[tuple[float, float]]]] | None = None,
) -> list[Path]:
    """Draw a figure of the mean curves for each metric; return the files written.

    All metrics but PSNR are drawn from `equal_rate` if it is given: pairs of bits per pixel and the mean at this
    rate, by metric and codec. `published` are curves of other papers with `label` and `points`, pairs of bits per
    pixel and dB. They appear as thin lines in the figure of the PSNR.
    """
    written = []
    for metric, name in AXES.items():
        known = any(math.isfinite(getattr(point, metric)) for means in curves.values() for point in means)
        if not known and not (equal_rate and metric in equal_rate):
            continue  # `rd --psnr-only` leaves these metrics out
        figure, axes = _figure()
        for number, (label, means) in enumerate(curves.items()):
            points = [(point.bpp, getattr(point, metric)) for point in means]
            if equal_rate and metric != "psnr":
                points = list(equal_rate.get(metric, {}).get(label, ()))
            if points:
                axes.plot(*zip(*points, strict=True), label=label, **_style(number))
        if metric in LOWER_IS_BETTER:
            axes.invert_yaxis()
        for curve in published if metric == "psnr" else ():
            axes.plot(*zip(*curve["points"], strict=True), label=curve["label"], color="0.6", lw=0.8, marker=".")
        axes.set_xscale("log")
        axes.set_xlim(0.04, 2)
        axes.set_xticks(_RATES, [f"{rate:g}" for rate in _RATES])
        axes.minorticks_off()
        axes.set(xlabel="bits per pixel", ylabel=name, title=title)
        written += _save(figure, axes, out, f"rd_{metric}")
    return written


def timing_figure(rows: Iterable[Mapping[str, Any]], out: Path, title: str) -> list[Path]:
    """Draw seconds per megapixel of encoding and decoding over the rate; return the files written.

    `rows` are mappings with label, bpp, megapixels, encode_s and decode_s.
    """
    written = []
    labels = list(dict.fromkeys(row["label"] for row in rows))
    for cost in ("encode", "decode"):
        figure, axes = _figure()
        for number, label in enumerate(labels):
            points = sorted(
                (row["bpp"], row[f"{cost}_s"] / row["megapixels"]) for row in rows if row["label"] == label
            )
            axes.plot(*zip(*points, strict=True), label=label, **_style(number))
        axes.set(xscale="log", yscale="log", xlabel="bits per pixel", title=title)
        axes.set_ylabel(f"seconds per megapixel to {cost}")
        written += _save(figure, axes, out, f"timing_{cost}")
    return written


def accuracy_figure(curves: Mapping[str, Sequence[tuple[int, float]]], out: Path) -> list[Path]:
    """Draw accuracy over the steps of a GAN, with random IFS (step 0) dotted; return the files written."""
    figure, axes = _figure()
    for number, (name, points) in enumerate(curves.items()):
        steps, values = zip(*points, strict=True)
        style = _style(number)
        axes.plot(steps, [100 * value for value in values], label=name, **style)
        axes.axhline(100 * values[0], color=style["color"], ls=":", lw=1, label=f"{name}, random IFS")
    axes.set(xlabel="steps of the GAN", ylabel="linear evaluation, accuracy (%)")
    return _save(figure, axes, out, "gan_accuracy")


def score_figure(
    curves: Mapping[str, Sequence[tuple[float, float]]], out: Path, name: str, title: str, original: float
) -> list[Path]:
    """Draw shares over the rate, with that of the original dotted; return the files written.

    `curves` are pairs of bits per pixel and a share, 0 to 1, by codec.
    """
    figure, axes = _figure()
    for number, (label, points) in enumerate(curves.items()):
        rates, shares = zip(*points, strict=True)
        axes.plot(rates, [100 * share for share in shares], label=label, **_style(number))
    axes.axhline(100 * original, color="0.4", ls=":", lw=1, label="original")
    axes.set(xscale="log", xlabel="bits per pixel", ylabel=f"{title} (%)")
    axes.set_xlim(0.04, 3)
    axes.set_xticks(_RATES, [f"{rate:g}" for rate in _RATES])
    axes.minorticks_off()
    return _save(figure, axes, out, name)


def _figure() -> tuple[Figure, Axes]:
    # The object interface avoids pyplot, which keeps all figures alive and opens a window system.
    from matplotlib.figure import Figure

    figure = Figure(figsize=(7, 4.6), layout="constrained")
    return figure, figure.add_subplot()


def _style(number: int) -> dict[str, Any]:
    return {
        "color": COLOURS[number % len(COLOURS)],
        "ls": _DASHES[number // len(COLOURS) % len(_DASHES)],
        "marker": _MARKS[number % len(_MARKS)],
        "ms": 3.5,
        "lw": 1.4,
    }


def _save(figure: Figure, axes: Axes, out: Path, name: str) -> list[Path]:
    axes.grid(alpha=0.3, lw=0.5)
    axes.spines[["top", "right"]].set_visible(False)
    axes.legend(loc="center left", bbox_to_anchor=(1, 0.5), frameon=False, fontsize=8)
    paths = [out / f"{name}.{suffix}" for suffix in ("png", "svg")]
    for path in paths:
        save(figure, path, dpi=160)
    return paths


def save(figure: Figure, path: Path, dpi: int) -> None:
    """Write a figure so that equal numbers give equal files: without date and random identifiers."""
    from matplotlib import rc_context

    with rc_context({"svg.hashsalt": "collage"}):
        figure.savefig(path, dpi=dpi, metadata={"Date": None} if path.suffix == ".svg" else None)
