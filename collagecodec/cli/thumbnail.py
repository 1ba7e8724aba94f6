"""`collage thumbnail`: a small PNG of a `.clg` file, as desktops ask for it."""

from __future__ import annotations

import click

from collagecodec.io.files import load
from collagecodec.io.sinks import save_bands


@click.command(no_args_is_help=True)
@click.argument("file")
@click.option("--size", type=click.IntRange(1), default=256, help="Longest side in pixels.")
@click.option("-o", "--output", required=True, help="PNG file to write; one that exists is replaced.")
def thumbnail(file: str, size: int, output: str) -> int:
    """Write a PNG of FILE that fits into a square. The picture is never enlarged.

    Desktops call this command; see `collage install-desktop`.
    """
    from collagecodec import api

    data = load(file)
    facts = api.info(data)
    share = min(1.0, size / max(facts.width, facts.height))
    sides = max(1, round(facts.width * share)), max(1, round(facts.height * share))
    decoded = api.decode_bands(data, size=sides)
    save_bands(
        output, decoded, width=decoded.width, height=decoded.height, channels=decoded.channels, format="png",
        force=True,
    )  # fmt: skip
    return 0
