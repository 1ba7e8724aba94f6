"""`collage ifs`: fit a picture as an iterated function system, watch it, draw it at any size."""

from __future__ import annotations

import time
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from collagecodec.cli.progress import Progress
from collagecodec.cli.values import Region
from collagecodec.errors import CollageError
from collagecodec.io.files import OutputExistsError

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from collagecodec.cli.film import Film

_SYSTEM = ".json"
_POOR = 0.5
"""An IoU below this is worth a hint."""


class IfsError(CollageError):
    """The command cannot do what was asked; the message says what to change."""


@click.group()
def ifs() -> None:
    """Learn a picture as a few affine maps, and draw them at any size.

    \b
    collage ifs fit drawing.png                    writes drawing.clg
    collage ifs render drawing.clg --size 4096     writes drawing-4096.png
    """


@ifs.command(no_args_is_help=True)
@click.argument("picture", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@click.option(
    "-o", "--output", type=click.Path(dir_okay=False, path_type=Path),
    help="File to write: .clg, or .json for the maps and their shape (with --method distance). "
    "[default: PICTURE with .clg]",
)  # fmt: skip
@click.option("--maps", type=click.IntRange(2, 64), default=10, help="Number of maps.")
@click.option("--steps", type=click.IntRange(1), default=1000, help="Steps of the fit.")
@click.option(
    "--method", type=click.Choice(["points", "distance"]), default="points",
    help="points: a cloud of points, for any grey picture; distance: distance fields, for sharp shapes.",
)  # fmt: skip
@click.option("--seed", type=click.IntRange(0), default=0, help="Of the fit and of the drawing.")
@click.option(
    "--threshold", type=click.IntRange(0, 255), default=0, help="Make the picture binary first; 0: do not."
)
@click.option(
    "--kind", type=click.Choice(["affine", "square", "line"]), default="affine", help="Maps of --method distance."
)
@click.option(
    "--shape",
    type=click.Choice(["disk", "rectangle", "line"]),
    default="disk",
    help="What --method distance moves.",
)
@click.option(
    "--checkpoint", type=click.Path(dir_okay=False, path_type=Path), help="Keep the fit here, go on from it."
)
@click.option(
    "--live", type=click.Path(dir_okay=False, path_type=Path), help="A PNG of the fit, drawn anew as it goes."
)
@click.option(
    "--gif", type=click.Path(dir_okay=False, path_type=Path), help="Write the course of the fit as a GIF."
)
@click.option("--mp4", type=click.Path(dir_okay=False, path_type=Path), help="The same as MP4; needs ffmpeg.")
@click.option("-f", "--force", is_flag=True, help="Replace files that exist.")
def fit(picture: Path, **given: Any) -> int:
    """Fit affine maps to PICTURE.

    A light shape on dark ground or the reverse; the border of the picture says which. Colours are dropped, with a
    word. --checkpoint, --kind and --shape are for --method distance.

    \b
    collage ifs fit drawing.png --gif drawing.gif
    collage ifs fit leaf.png --method distance --maps 12 -o leaf.json
    """
    output = given["output"] or picture.with_suffix(".clg")
    system = output.suffix.lower() == _SYSTEM
    _check(given, output, system)
    if system or given["checkpoint"]:
        given["method"] = "distance"
    from collagecodec.cli.film import Film

    film = Film(given["gif"], given["mp4"], given["live"])
    grey = _grey(picture, given["threshold"])
    begun = time.perf_counter()
    done = _fit_system(grey, given, output, film) if system else _fit_file(grey, given, output, film)
    film.finish(given["force"])
    click.echo(f"{picture} -> {output}: {done}, {time.perf_counter() - begun:.1f} s", err=True)
    return 0


def _check(given: dict[str, Any], output: Path, system: bool) -> None:
    """Refuse what cannot be done before anything is fitted."""
    distance_only = [name for name in ("checkpoint",) if given[name] is not None]
    distance_only += [name for name, usual in (("kind", "affine"), ("shape", "disk")) if given[name] != usual]
    if distance_only and not system and given["method"] != "distance":
        raise click.UsageError(f"--{distance_only[0]} is for --method distance; add that")
    if distance_only and not system:
        raise click.UsageError(f"--{distance_only[0]} needs -o with a name that ends in .json")
    if not system and output.suffix.lower() != ".clg":
        raise click.UsageError(f"{output.name}: give the output a name that ends in .clg or .json")
    for path in (output, given["gif"], given["mp4"]):
        if path is not None and path.exists() and not given["force"]:
            raise OutputExistsError(path)


def _grey(picture: Path, threshold: int) -> NDArray[np.uint8]:
    """The picture as grey levels, (H, W), binary with a threshold; colours are dropped with a word."""
    import numpy as np

    from collagecodec.codecs.ifs.codec import ColourDroppedWarning, to_grey
    from collagecodec.io import open_source

    source = open_source(str(picture))
    pixels = source.rows(0, source.height)
    if pixels.shape[2] in (2, 4):
        click.echo(f"{picture}: transparency is dropped", err=True)
        pixels = pixels[:, :, :-1]
    with warnings.catch_warnings(record=True) as said:
        warnings.simplefilter("always", ColourDroppedWarning)
        grey = to_grey(np.ascontiguousarray(pixels[..., 0] if pixels.shape[2] == 1 else pixels))
    if any(issubclass(one.category, ColourDroppedWarning) for one in said):
        click.echo(f"{picture}: a colour picture, converted to grey", err=True)
    return np.where(grey >= threshold, 255, 0).astype(np.uint8) if threshold else grey


def _fit_file(grey: NDArray[np.uint8], given: dict[str, Any], output: Path, film: Film) -> str:
    """Fit by either method, write a .clg, return what to say."""
    from collagecodec.codecs.ifs import code
    from collagecodec.codecs.ifs.codec import IfsCodec
    from collagecodec.codecs.ifs.decoder import rendered
    from collagecodec.codecs.ifs.encoder import learn, settled, shape_of
    from collagecodec.codecs.ifs.format import packed
    from collagecodec.io.files import write_atomic

    codec = IfsCodec(**{name: given[name] for name in ("maps", "steps", "method", "seed")})
    bar, last = Progress(1000), [0.0]
    levels, flags = shape_of(grey)

    def watch(step: int, steps: int, ifs: Callable[[], Any], error: float) -> None:
        if film.wanted(step, steps):
            game = settled(ifs(), levels, flags, 8, 0, 0)
            box = (0, 0, grey.shape[1], grey.shape[0])
            film.add(grey, rendered(game, flags, box[2:], box, film.size(grey.shape)), f"step {step}")

    def progress(share: float, text: str) -> None:
        bar.update(int(1000 * share), text)
        last[0] = share

    try:
        game, flags = learn(grey, codec, progress, watch, _say)
    finally:
        bar.clear()
    data = packed(game, flags, grey.shape[1], grey.shape[0], 1)
    write_atomic(output, lambda stream: _put(stream, data), force=given["force"])
    size = f"{len(data)} bytes, {len(code.pack(game.maps))} of them maps"
    return f"{len(game.maps)} maps, {size}, {_likeness(levels, codec.decode(data), flags & 2 > 0)}"


def _likeness(levels: NDArray[np.uint8], decoded: NDArray[np.uint8], inverted: bool) -> str:
    """PSNR, and how much of the shape is there, of a picture whose shape is light in `levels`."""
    import numpy as np

    found = 255 - decoded if inverted else decoded
    mse = float(np.square(levels.astype(np.float64) - found).mean())
    here, there = levels > 127, found > 127
    share = float((here & there).sum() / (here | there).sum())
    hint = "" if share >= _POOR else "; a poor likeness: try the other --method, more --maps or more --steps"
    return f"{f'{10 * np.log10(255**2 / mse):.2f} dB' if mse else 'no error'}, IoU {share:.3f}{hint}"


def _fit_system(grey: NDArray[np.uint8], given: dict[str, Any], output: Path, film: Film) -> str:
    """Fit through distance fields, write the system, return what to say."""
    import numpy as np

    try:
        from collagecodec.fractals.distance_fields.fitting import Fit, Settings
        from collagecodec.fractals.distance_fields.fitting import fit as descend
    except ImportError as error:
        raise IfsError(f"fitting needs PyTorch ({error}): pip install 'collagecodec[train]'") from error
    from collagecodec.codecs.ifs.encoder import shape_of
    from collagecodec.fractals.distance_fields.rendering import View, pixels
    from collagecodec.fractals.distance_fields.target import Target

    levels, _ = shape_of(grey)
    target = Target(levels >= 128)
    settings = Settings(**{name: given[name] for name in ("maps", "kind", "shape", "steps", "seed")})
    bar = Progress(settings.steps)
    losses: list[float] = []

    def watch(step: int, loss: float, one: Fit) -> None:
        losses.append(loss)
        bar.update(step, f"loss {sum(losses[-20:]) / len(losses[-20:]):.4f}, depth {settings.stage(step - 1)[0]}")
        if film.wanted(step, settings.steps):
            system = one.system()
            film.add(levels, pixels(system, View(*film.size(grey.shape), system.depth)), f"step {step}")

    try:
        system = descend(target, settings, watch=watch, checkpoint=given["checkpoint"], told=_say)
    finally:
        bar.clear()
    system.save(output, force=given["force"])
    found = pixels(system, View(grey.shape[1], grey.shape[0], system.depth)) >= 128
    likeness = _likeness(target.mask * np.uint8(255), found * np.uint8(255), False)
    return f"{settings.maps} maps, depth {system.depth}, {likeness}"


@ifs.command(no_args_is_help=True)
@click.argument("file", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@click.option(
    "--size", type=click.IntRange(1, 65536), required=True, help="Longer side of the picture, in pixels."
)
@click.option("-o", "--output", type=click.Path(dir_okay=False, path_type=Path), help="Picture to write.")
@click.option("--region", type=Region(), help="Part of the stored picture, such as 0,0,64,64 (.clg files).")
@click.option(
    "--depth", type=click.IntRange(0, 64), help="Of a .json; 0: as deep as pixels show. Default: as fitted."
)
@click.option(
    "--aspect", help="Width to height of a .json's picture, such as 4:3. Default: that of what was fitted."
)
@click.option("-f", "--force", is_flag=True, help="Replace a file that exists.")
def render(file: Path, **given: Any) -> int:
    """Draw FILE, a .clg of the codec ifs or a .json that `collage ifs fit` wrote, with a longer side of --size.

    \b
    collage ifs render drawing.clg --size 4096 -o large.png
    """
    from collagecodec.io.sinks import format_of, save_bands

    output = given["output"] or file.with_name(f"{file.stem}-{given['size']}.png")
    if output.exists() and not given["force"]:
        raise OutputExistsError(output)
    kind = format_of(str(output), None)
    begun = time.perf_counter()
    system = file.suffix.lower() == _SYSTEM
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
    except ValueError as error:
        raise IfsError(str(error)) from error
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
    """Width to height of 'W:H'; a usage error if it does not read so."""
    width, _, height = text.partition(":")
    if not (width.isdigit() and height.isdigit() and int(width) and int(height)):
        raise click.UsageError(f"{text!r} is no aspect; give width to height, as in 4:3")
    return int(width) / int(height)


def _say(text: str) -> None:
    click.echo(text, err=True)


def _put(stream: Any, data: bytes) -> None:
    stream.write(data)
