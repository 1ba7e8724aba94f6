"""`collage ifs fit`: fit a picture as an iterated function system, and watch it."""

from __future__ import annotations

import time
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from collagecodec.cli.ifs.likeness import SYSTEM, likeness
from collagecodec.cli.progress import Progress
from collagecodec.io.files import OutputExistsError, write_bytes_atomic

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from collagecodec.cli.ifs.film import Film


@click.command(no_args_is_help=True)
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
@click.option("--seed", type=click.IntRange(0), default=0, help="Seed of the fit and of the drawing.")
@click.option(
    "--threshold",
    type=click.IntRange(0, 255),
    default=0,
    help="Level at which to make the picture binary; 0: leave it grey.",
)
@click.option(
    "--kind", type=click.Choice(["affine", "square", "line"]), default="affine", help="Maps of --method distance."
)
@click.option(
    "--shape",
    type=click.Choice(["disk", "rectangle", "line"]),
    default="disk",
    help="Shape that --method distance draws.",
)
@click.option(
    "--checkpoint", type=click.Path(dir_okay=False, path_type=Path), help="Keep the fit here, and resume from it."
)
@click.option(
    "--live", type=click.Path(dir_okay=False, path_type=Path), help="A PNG of the fit, updated while it runs."
)
@click.option("--gif", type=click.Path(dir_okay=False, path_type=Path), help="Write a film of the fit as a GIF.")
@click.option("--mp4", type=click.Path(dir_okay=False, path_type=Path), help="The same as MP4; needs ffmpeg.")
@click.option("-f", "--force", is_flag=True, help="Replace files that exist.")
def fit(picture: Path, **given: Any) -> int:
    """Fit affine maps to PICTURE.

    PICTURE shows a light shape on dark ground or the reverse; its border decides which. Colours are converted to
    grey, with a message. --checkpoint, --kind and --shape are for --method distance.

    \b
    collage ifs fit drawing.png --gif drawing.gif
    collage ifs fit leaf.png --method distance --maps 12 -o leaf.json
    """
    output = given["output"] or picture.with_suffix(".clg")
    system = output.suffix.lower() == SYSTEM
    _check(given, output, system)
    if system or given["checkpoint"]:
        given["method"] = "distance"
    from collagecodec.cli.ifs.film import Film

    film = Film(given["gif"], given["mp4"], given["live"])
    grey = _grey(picture, given["threshold"])
    begun = time.perf_counter()
    done = _fit_system(grey, given, output, film) if system else _fit_file(grey, given, output, film)
    film.finish(given["force"])
    click.echo(f"{picture} -> {output}: {done}, {time.perf_counter() - begun:.1f} s", err=True)
    return 0


def _check(given: dict[str, Any], output: Path, system: bool) -> None:
    """Refuse contradicting options and outputs that exist, before anything is fitted."""
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
    """Return the picture as grey, (H, W), binary with a threshold; a message says if colours are converted."""
    import numpy as np

    from collagecodec.codecs.ifs.codec import ColourDroppedWarning, to_grey
    from collagecodec.io import open_source

    source = open_source(str(picture))
    pixels = source.rows(0, source.height)
    if pixels.shape[2] in (2, 4):
        click.echo(f"{picture}: transparency is dropped", err=True)
        pixels = pixels[:, :, :-1]
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always", ColourDroppedWarning)
        grey = to_grey(np.ascontiguousarray(pixels[..., 0] if pixels.shape[2] == 1 else pixels))
    if any(issubclass(warning.category, ColourDroppedWarning) for warning in caught):
        click.echo(f"{picture}: a colour picture, converted to grey", err=True)
    return np.where(grey >= threshold, 255, 0).astype(np.uint8) if threshold else grey


def _fit_file(grey: NDArray[np.uint8], given: dict[str, Any], output: Path, film: Film) -> str:
    """Fit by either method, write a .clg, and return a summary."""
    from collagecodec.codecs.ifs import code
    from collagecodec.codecs.ifs.codec import IfsCodec
    from collagecodec.codecs.ifs.decoder import rendered
    from collagecodec.codecs.ifs.encoder import learn, settled, shape_of
    from collagecodec.codecs.ifs.format import packed

    codec = IfsCodec(**{name: given[name] for name in ("maps", "steps", "method", "seed")})
    bar = Progress(1000)
    levels, flags = shape_of(grey)

    def watch(step: int, steps: int, ifs: Callable[[], Any], error: float) -> None:
        if film.wanted(step, steps):
            game = settled(ifs(), levels, flags, 8, 0, 0)
            box = (0, 0, grey.shape[1], grey.shape[0])
            film.add(grey, rendered(game, flags, box[2:], box, film.size(grey.shape)), f"step {step}")

    try:
        game, flags = learn(grey, codec, bar.share, watch, _say)
    finally:
        bar.clear()
    data = packed(game, flags, grey.shape[1], grey.shape[0], 1)
    write_bytes_atomic(output, data, force=given["force"])
    size = f"{len(data)} bytes, {len(code.pack(game.maps))} of them maps"
    return f"{len(game.maps)} maps, {size}, {likeness(levels, codec.decode(data), flags & 2 > 0)}"


def _fit_system(grey: NDArray[np.uint8], given: dict[str, Any], output: Path, film: Film) -> str:
    """Fit through distance fields, write the system, and return a summary."""
    import numpy as np

    from collagecodec.errors import MissingLibraryError

    try:
        from collagecodec.fractals.distance_fields.fitting import Fit, Settings
        from collagecodec.fractals.distance_fields.fitting import fit as descend
    except ImportError as error:
        raise MissingLibraryError(
            f"fitting needs PyTorch ({error}): pip install 'collagecodec[train]'"
        ) from error
    from collagecodec.codecs.ifs.encoder import shape_of
    from collagecodec.fractals.distance_fields.rendering import View, pixels
    from collagecodec.fractals.distance_fields.target import Target

    levels, _ = shape_of(grey)
    target = Target(levels >= 128)
    settings = Settings(**{name: given[name] for name in ("maps", "kind", "shape", "steps", "seed")})
    bar = Progress(settings.steps)
    losses: list[float] = []

    def watch(step: int, loss: float, fitted: Fit) -> None:
        losses.append(loss)
        bar.update(step, f"loss {sum(losses[-20:]) / len(losses[-20:]):.4f}, depth {settings.stage(step - 1)[0]}")
        if film.wanted(step, settings.steps):
            system = fitted.system()
            film.add(levels, pixels(system, View(*film.size(grey.shape), system.depth)), f"step {step}")

    try:
        system = descend(target, settings, watch=watch, checkpoint=given["checkpoint"], on_restart=_say)
    finally:
        bar.clear()
    system.save(output, force=given["force"])
    drawn = pixels(system, View(grey.shape[1], grey.shape[0], system.depth)) >= 128
    quality = likeness(target.mask * np.uint8(255), drawn * np.uint8(255), False)
    return f"{settings.maps} maps, depth {system.depth}, {quality}"


def _say(text: str) -> None:
    click.echo(text, err=True)
