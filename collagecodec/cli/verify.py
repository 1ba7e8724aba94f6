"""`collage verify`: whether `.clg` files are whole."""

from __future__ import annotations

from typing import Any

import click

from collagecodec.cli import batch, inputs
from collagecodec.io.files import load


@click.command(no_args_is_help=True)
@click.argument("files", nargs=-1, required=True)
@click.option("-r", "--recursive", is_flag=True, help="Search folders with their subfolders.")
@click.option("-j", "--jobs", type=click.IntRange(0), help="Files at the same time; 0: as many as cores.")
@click.option("--json", "as_json", is_flag=True, help="Print a JSON object for each file.")
@click.option("--quiet", is_flag=True, help="Say nothing about files that are whole.")
@click.pass_context
def verify(context: click.Context, /, files: tuple[str, ...], recursive: bool, **given: Any) -> int:
    """Check that .clg files are whole, by their checksums, and that their models are installed.

    FILES are .clg files, folders, wildcards, or '-' for standard input. Nothing is decoded, so archives are
    checked as fast as they can be read. The exit status is 1 if a file is damaged.

    \b
    collage verify photo.clg
    collage verify -r archive/
    """
    items = inputs.expand(files, recursive, (".clg",))
    paths = [item.path for item in items]
    work = batch.Batch(
        verify_one, paths, [batch.shown(path, True) for path in paths], _line,
        as_json=given["as_json"], quiet=given["quiet"], lines_on_stdout=True,
    )  # fmt: skip
    return batch.run(work, batch.job_count(given["jobs"]), context)


def verify_one(path: str) -> dict[str, Any]:
    """Check a file and return its facts; FormatError names the damaged tiles."""
    from bitstream.container import Reader
    from collagecodec.codecs import models, registry
    from collagecodec.errors import DamagedTileError, FormatError

    reader = Reader(load(path))
    header = reader.header
    registry.name_of(header)
    if any(header.fingerprint):
        models.find_decoder(header.fingerprint.hex())
    damaged = []
    for tile in range(header.tile_count):
        try:
            reader.tile(tile)
        except DamagedTileError:
            damaged.append(tile)
    if damaged:
        shown = ", ".join(map(str, damaged[:10])) + (", ..." if len(damaged) > 10 else "")
        raise FormatError(f"{len(damaged)} of {header.tile_count} tiles are damaged: {shown}")
    return {"input": path, "tiles": header.tile_count, "whole": True}


def _line(figures: dict[str, Any]) -> str:
    tiles = figures["tiles"]
    return f"{batch.shown(figures['input'], True)}: whole, {tiles} tile{'s' if tiles > 1 else ''}"
