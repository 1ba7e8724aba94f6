"""`collage ifs render`: draw what was fitted, at any size."""

from __future__ import annotations

import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from collagecodec.cli.ifs.likeness import SYSTEM
from collagecodec.cli.progress import Progress
from collagecodec.cli.values import Region
from collagecodec.errors import CollageError
from collagecodec.io.files import OutputExistsError

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray


@click.command(no_args_is_help=True)
@click.argument("file", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@click.option(
    "--size", type=click.IntRange(1, 65536), required=True, help="Longer side of the picture, in pixels."
)
@click.option("-o", "--output", type=click.Path(dir_okay=False, path_type=Path), help="Picture to write.")
@click.option("--region", type=Region(), help="Part of the stored picture, such as 0,0,64,64 (.clg files).")
@click.option(
    "--depth", type=click.IntRange(0, 64), help="Depth of a .json; 0: as deep as pixels show. Default: as fitted."
)
@click.option("--aspect", help="Width to height of a .json's picture, such as 4:3. Default: as fitted.")
@click.option("-f", "--force", is_flag=True, help="Replace a file that exists.")
def render(file: Path, **given: Any) -> int:
    """Draw FILE with a longer side of --size. FILE is a .clg of the codec ifs, or a .json of `collage ifs fit`.

    \b
    collage ifs render drawing.clg --size 4096 -o large.png
    """
    from collagecodec.io.sinks import format_of, save_bands

    output = given["output"] or file.with_name(f"{file.stem}-{given['size']}.png")
    if output.exists() and not given["force"]:
        raise OutputExistsError(output)
    kind = format_of(str(output), None)
    begun = time.perf_counter()
    system = file.suffix.lower() == SYSTEM
    pixels = _render_system(file, given) if system else _render_file(file, given)
    channels = 1 if pixels.ndim == 2 else 3
    save_bands(
        str(output), iter([pixels]), width=pixels.shape[1], height=pixels.shape[0], channels=channels,
        metadata={}, format=kind, force=given["force"],
    )  # fmt: skip
    taken = time.perf_counter() - begun
    click.echo(f"{file} -> {output}: {pixels.shape[1]}x{pixels.shape[0]}, {taken:.1f} s", err=True)
    return 0


def _render_file(file: Path, given: dict[str, Any]) -> NDArray[np.uint8]:
    from bitstream.container import Reader
    from collagecodec.codecs.ifs.codec import IfsCodec
    from collagecodec.codecs.ifs.decoder import drawn
    from collagecodec.io.files import load
    from collagecodec.sampling.request import Request

    if given["depth"] is not None:
        raise click.UsageError("--depth is for .json files; a .clg is drawn from points")
    reader = Reader(load(file))
    header = reader.header
    IfsCodec.check_header(header)
    region = given["region"] or (0, 0, header.width, header.height)
    longer = max(region[2:])
    size = tuple(max(1, round(given["size"] * side / longer)) for side in region[2:])
    bar = Progress(1000)
    try:
        request = Request(size=(size[0], size[1]), region=given["region"])
        return drawn(reader, request, lambda share: bar.update(int(1000 * share))).gather()
    except CollageError:
        raise
    except ValueError as error:
        raise click.UsageError(str(error)) from error
    finally:
        bar.clear()


def _render_system(file: Path, given: dict[str, Any]) -> NDArray[np.uint8]:
    from collagecodec.fractals.distance_fields.rendering import View, pixels
    from collagecodec.fractals.distance_fields.system import System

    if given["region"] is not None:
        raise click.UsageError("--region is for .clg files")
    system = System.load(file)
    aspect = system.aspect if given["aspect"] is None else _aspect(given["aspect"])
    size = [max(1, round(given["size"] * side)) for side in (min(1.0, aspect), min(1.0, 1 / aspect))]
    depth = system.depth if given["depth"] is None else given["depth"]
    bar = Progress(1000)
    try:
        return pixels(system, View(size[0], size[1], depth), lambda share: bar.update(int(1000 * share)))
    finally:
        bar.clear()


def _aspect(text: str) -> float:
    """Return width by height of 'W:H'; a usage error for any other text."""
    width, _, height = text.partition(":")
    if not (width.isdigit() and height.isdigit() and int(width) and int(height)):
        raise click.UsageError(f"{text!r} is no aspect; give width to height, as in 4:3")
    return int(width) / int(height)
