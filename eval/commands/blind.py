"""`python -m eval blind`: a page on which a person compares two codecs without knowing which is which."""

from __future__ import annotations

import json
from collections import defaultdict
from pathlib import Path
from typing import Any

import click

from collagecodec.cli.progress import Progress
from eval.commands.options import chosen_sweeps, limit_option, one_line_errors, pictures, root_option
from eval.harness.preference import Preference, counted
from eval.report.blind import WINDOWS, build, pairs


@click.command()
@click.argument("choices", nargs=-1, type=click.Path(exists=True, dir_okay=False, path_type=Path))
@click.option("--data", default="dota-val", help="A folder of pictures, or a named set.")
@root_option("the named sets")
@limit_option
@click.option("--codecs", "specs", default="collage;avif-420-s4", help="Two sweeps, as for `rd`.")
@click.option("--rates", default="0.2,0.5", help="Bits per pixel, separated by commas.")
@click.option("--crop-size", type=click.IntRange(64, 2048), default=448, help="Side of a crop in pixels.")
@click.option(
    "--windows", default="busiest,calmest", help=f"Places of the crops in a picture: {', '.join(WINDOWS)}."
)
@click.option(
    "--out",
    type=click.Path(dir_okay=False, path_type=Path),
    default=Path("build/blind.html"),
    help="The page to write.",
)
def blind(
    choices: tuple[Path, ...],
    data: str,
    data_root: Path | None,
    limit: int,
    specs: str,
    rates: str,
    crop_size: int,
    windows: str,
    out: Path,
) -> None:
    """Make a page of pairs at equal bytes; with CHOICES, files saved by such a page, print the preference.

    The page is a single file that needs no network. It shows the pairs in random order and on random sides, lets
    a person flip and zoom, and prints in the end which codec was preferred, with a 95 % interval. The choices of
    several people are pooled by giving their files to this command.
    """
    with one_line_errors():
        if choices:
            click.echo(_pooled(choices), nl=False)
            return
        places = [place.strip() for place in windows.split(",")]
        if unknown := sorted(set(places) - set(WINDOWS)):
            raise ValueError(f"no window {unknown[0]!r}: choose from {', '.join(WINDOWS)}")
        sweeps = [sweep for _, sweep in chosen_sweeps(specs)[0]]
        if len(sweeps) != 2:
            raise ValueError(f"two codecs are compared, and {specs!r} names {len(sweeps)}")
        dataset = pictures(data, data_root, limit)
        wanted = [(picture, float(rate)) for picture in dataset.pictures for rate in rates.split(",")]
        bar, compared = Progress(len(wanted)), []
        for count, (picture, rate) in enumerate(wanted, 1):
            try:
                compared += pairs(picture.name, picture.load(), sweeps, rate, crop_size, places)
            except ValueError as error:
                bar.clear()
                click.echo(f"left out {picture.name} at {rate:g} bpp: {error}", err=True)
            bar.update(count, picture.name)
        bar.clear()
        if not compared:
            raise ValueError("no pair could be made: choose other --rates")
        out.parent.mkdir(parents=True, exist_ok=True)
        out.write_text(build((sweeps[0].label, sweeps[1].label), compared), encoding="utf-8")
    size = out.stat().st_size / 2**20
    click.echo(f"{out}: {len(compared)} pairs, {size:.1f} MiB. Open it in a browser; it needs no network.")


def _pooled(paths: tuple[Path, ...]) -> str:
    """Return the preference over all choices, by rate and by window, as a Markdown table."""
    tests = [_saved(path) for path in paths]
    codecs = tests[0]["codecs"]
    if any(test["codecs"] != codecs for test in tests):
        raise ValueError(f"the files compare other codecs than {codecs[0]} and {codecs[1]}: pool them one by one")
    groups: dict[str, list[dict[str, Any]]] = defaultdict(list)
    for test in tests:
        for record in test["choices"]:
            for group in ("all", f"{record['rate']:g} bpp", record["window"]):
                groups[group].append(record)
    lines = [
        f"| files: {len(tests)} | {' | '.join(codecs)} | no difference | {codecs[0]} preferred | 95 % interval |",
        "|---" * 6 + "|",
    ]
    lines += [_line(name, counted(records)) for name, records in groups.items()]
    return "\n".join(lines) + "\n"


def _line(name: str, found: Preference) -> str:
    low, high = found.interval
    counts = f"{found.first} | {found.second} | {found.same}"
    return f"| {name} | {counts} | {100 * found.share:.1f} % | {100 * low:.1f} to {100 * high:.1f} % |"


def _saved(path: Path) -> dict[str, Any]:
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
        if len(content["codecs"]) == 2 and all(
            {"rate", "window", "choice"} <= set(c) for c in content["choices"]
        ):
            return dict(content)
    except (KeyError, TypeError, UnicodeDecodeError, json.JSONDecodeError):
        pass
    raise ValueError(f"{path} holds no choices: give files that a page of `python -m eval blind` saved")
