"""`python -m eval zoom`: decoding at 2x and 4x, against interpolation of the decoded picture."""

from __future__ import annotations

from collections import defaultdict
from pathlib import Path

import click
import numpy as np

from collagecodec.cli.progress import Progress
from collagecodec.codecs import registry
from eval.commands.options import data_options, one_line_errors, out_option, pictures
from eval.harness import facts
from eval.harness.journal import Journal, JsonLines
from eval.harness.store import write_json
from eval.studies.zoom import METHODS, measure

KEY = ("model", "image", "factor", "setting", "method")


@click.command()
@data_options("dota-val")
@out_option
@click.option("--factors", default="2,4", help="Factors by which pictures are reduced and enlarged: 2, 4 or 8.")
@click.option("--qualities", default="40,60,80,95", help="Qualities of the codec 'collage'.")
def zoom(
    data: str, data_root: Path | None, limit: int, specs: str, out: Path, factors: str, qualities: str
) -> None:
    """Store reduced pictures, decode them at their original size and compare them with the originals.

    The enlargement of the collage is compared with Lanczos and bicubic interpolation of the picture decoded at
    its stored size, and with bicubic interpolation plus detail from similar cells of the picture. An interrupted
    command resumes where it stopped. --codecs is not used.
    """
    del specs
    with one_line_errors():
        dataset = pictures(data, data_root, limit)
        settings = [(k, q) for k in _numbers(factors, (2, 4, 8)) for q in _numbers(qualities, range(101))]
        model = registry.get("collage").fingerprint
        tasks = [(picture, factor, quality) for picture in dataset.pictures for factor, quality in settings]
        bar = Progress(len(tasks))
        with Journal(out / "zoom.jsonl", JsonLines(), lambda row: tuple(row[name] for name in KEY)) as journal:
            for count, (picture, factor, quality) in enumerate(tasks, 1):
                setting = f"quality={quality}"
                # An interruption may have kept the rows of some methods only.
                if all((model, picture.name, factor, setting, method) in journal for method in METHODS):
                    continue
                codec = registry.get("collage", quality=float(quality))
                rows = measure(picture.name, picture.load(), factor, setting, codec)
                journal.add(*({"model": model, **row} for row in rows))
                bar.update(count, f"{picture.name} x{factor} {setting}")
            text = _table([row for row in journal.rows if row["model"] == model])
        bar.clear()
    write_json(out / "run.json", facts.environment())
    (out / "table.md").write_text(text, encoding="utf-8")
    click.echo(text, nl=False)


def _numbers(text: str, allowed: tuple[int, ...] | range) -> list[int]:
    numbers = [int(part) for part in text.split(",") if part.strip().isdecimal()]
    if not numbers or any(number not in allowed for number in numbers):
        raise ValueError(f"{text!r}: give integers from {allowed[0]} to {allowed[-1]}, separated by commas")
    return numbers


def _table(rows: list[dict[str, object]]) -> str:
    """Return Markdown with means over the pictures, a line for each factor, setting and method."""
    groups: dict[tuple[object, ...], list[dict[str, object]]] = defaultdict(list)
    for row in rows:
        groups[row["factor"], row["setting"], row["method"]].append(row)
    lines = [
        "| factor | setting | method | bpp | PSNR in dB | MS-SSIM in dB | slope | slope of the original |",
        "|---|---|---|---|---|---|---|---|",
    ]
    for names, group in sorted(groups.items(), key=lambda item: tuple(map(str, item[0][:2]))):
        means = [
            f"{np.mean([float(str(row[key])) for row in group]):.{places}f}"
            for key, places in (("bpp", 3), ("psnr", 2), ("ms_ssim", 2), ("slope", 2), ("slope_original", 2))
        ]
        lines.append("| " + " | ".join([*map(str, names), *means]) + " |")
    return "\n".join(lines) + "\n"
