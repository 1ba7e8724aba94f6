"""`python -m eval zoom`: decoding at 2x and 4x, against interpolating the decoded picture."""

from __future__ import annotations

import json
from collections import defaultdict
from pathlib import Path

import click
import numpy as np

from collagecodec.cli.progress import Progress
from collagecodec.codecs import registry
from eval.commands.options import data_options, out_option, pictures, told
from eval.harness import facts
from eval.harness.store import write_json
from eval.studies.zoom import measure


@click.command()
@data_options("dota-val")
@out_option
@click.option("--factors", default="2,4", help="By how much pictures are reduced and enlarged again: 2, 4 or 8.")
@click.option("--qualities", default="40,60,80,95", help="Settings of the codec 'collage'.")
def zoom(
    data: str, data_root: Path | None, limit: int, specs: str, out: Path, factors: str, qualities: str
) -> None:
    """Store reduced pictures, decode them at the size they had, and compare with them.

    Beside the collage's own enlargement stand Lanczos and bicubic interpolation of the picture decoded at its
    stored size, and bicubic interpolation with detail from similar cells of the picture. Goes on where it was
    interrupted. --codecs is not used.
    """
    del specs
    with told():
        found = pictures(data, data_root, limit)
        wanted = [(k, q) for k in _numbers(factors, (2, 4, 8)) for q in _numbers(qualities, range(101))]
    out.mkdir(parents=True, exist_ok=True)
    journal = out / "zoom.jsonl"
    rows = [json.loads(line) for line in journal.read_text().splitlines()] if journal.exists() else []
    model = registry.get("collage").fingerprint
    done = {(row["image"], row["factor"], row["setting"]) for row in rows if row["model"] == model}
    rows = [row for row in rows if row["model"] == model]
    bar, count = Progress(len(found.pictures) * len(wanted)), 0
    for picture in found.pictures:
        for factor, quality in wanted:
            count += 1
            setting = f"quality={quality}"
            if (picture.name, factor, setting) in done:
                continue
            codec = registry.get("collage", quality=float(quality))
            new = [
                {"model": model, **row} for row in measure(picture.name, picture.load(), factor, setting, codec)
            ]
            with journal.open("a", encoding="utf-8") as file:
                file.writelines(json.dumps(row) + "\n" for row in new)
            rows += new
            bar.update(count, f"{picture.name} x{factor} {setting}")
    bar.clear()
    write_json(out / "run.json", {"machine": facts.machine(), "versions": facts.versions()})
    text = _table(rows)
    (out / "table.md").write_text(text, encoding="utf-8")
    click.echo(text, nl=False)


def _numbers(text: str, allowed: tuple[int, ...] | range) -> list[int]:
    numbers = [int(part) for part in text.split(",") if part.strip().isdecimal()]
    if not numbers or any(number not in allowed for number in numbers):
        raise ValueError(f"{text!r}: whole numbers with commas between, each of {allowed[0]} to {allowed[-1]}")
    return numbers


def _table(rows: list[dict[str, object]]) -> str:
    """Markdown: means over the pictures, a line for each factor, setting and method."""
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
