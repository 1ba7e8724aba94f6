"""Table 1 of Tu et al. 2023: the published numbers beside those measured here."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from eval import published
from eval.fractals.rows import ROWS

Lines = Sequence[Mapping[str, Any]]


def summary(lines: Lines) -> dict[str, float]:
    """Return mean, standard deviation and quartiles over the targets of their least errors, and other means."""
    errors = np.array([line["mse"] for line in lines], np.float64)
    low, middle, high = np.percentile(errors, (25, 50, 75))
    return {
        "targets": len(lines),
        "mse": float(errors.mean()),
        "std": float(errors.std(ddof=1)) if len(errors) > 1 else 0.0,
        "quartile_1": float(low),
        "median": float(middle),
        "quartile_3": float(high),
        "mean_of_renderings": float(np.mean([line["mse_mean"] for line in lines])),
        "diverged": sum(bool(line.get("diverged_at")) for line in lines),
        "cpu_s": float(sum(line["cpu_s"] for line in lines)),
        "wall_s": float(sum(line["wall_s"] for line in lines)),
    }


def markdown(found: Mapping[tuple[str, str], Lines], sets: Sequence[str]) -> str:
    """Return the table. `found`: the lines of (set, row)."""
    theirs = published.ifs_table()
    heads = "".join(f" {name}, published | here: mean ± std (quartiles) |" for name in sets)
    text = [f"| row |{heads}", "|---|" + "---|" * (2 * len(sets))]
    for label, row in ROWS.items():
        cells = [
            f" {theirs.get(label, {}).get(name, '')} | {_cell(found.get((name, label), ()))} |" for name in sets
        ]
        text.append(f"| {label}: {row.about} |{''.join(cells)}")
    lines = [line for group in found.values() for line in group]
    hours = [sum(line[name] for line in lines) / 60 for name in ("cpu_s", "wall_s")]
    text += ["", f"Fits: {hours[0]:.1f} minutes of processor, {hours[1]:.1f} minutes of clock in all."]
    return "\n".join(text) + "\n"


def _cell(lines: Lines) -> str:
    if not lines:
        return ""
    of = summary(lines)
    quartiles = ", ".join(f"{of[name]:.3f}" for name in ("quartile_1", "median", "quartile_3"))
    diverged = f", {of['diverged']} of {of['targets']} diverged" if of["diverged"] else ""
    return f"{of['mse']:.4f} ± {of['std']:.4f} ({quartiles}){diverged}"
