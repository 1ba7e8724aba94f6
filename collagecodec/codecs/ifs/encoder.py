"""The encoder of `ifs`: it fits an IFS to a picture, quantises it, and chooses kernel and gain of its drawing."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from math import log10

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from collagecodec.codecs.base import Progress
from collagecodec.codecs.ifs import code
from collagecodec.codecs.ifs.format import BINARY, INVERTED
from collagecodec.codecs.ifs.settings import IfsSettings
from collagecodec.errors import CollageError, UnsupportedImageError
from collagecodec.fractals import chaos_game
from collagecodec.fractals.chaos_game import KERNELS, Frame, Game, gathered, hits
from collagecodec.fractals.ifs import IFS
from collagecodec.sampling.request import Image8

Floats = NDArray[np.float64]
DENSITY = 96
"""Points drawn per 16 pixels of the output."""
_GAINS = np.unique(np.rint(16 * 8 * 2 ** (np.arange(40) / 4)).astype(np.int64).clip(1, 65535))
StepCallback = Callable[[int, int, Callable[[], IFS], float], None]
"""Callback of a fit: the step, the number of steps, a function that returns the current IFS, and the mean squared
error of levels in 0..1."""


class DivergedError(CollageError):
    """The fit diverged with every seed; the message names the seeds."""


def light_ground(grey: Image8) -> bool:
    """Return whether the border of a picture is light; the shape is then its dark part."""
    border = np.concatenate((grey[0], grey[-1], grey[:, 0], grey[:, -1]))
    return bool(border.mean() > 127.5)


def shape_of(grey: Image8) -> tuple[Image8, int]:
    """Return the picture with its shape light on dark, and the flags; UnsupportedImageError without a shape."""
    inverted = light_ground(grey)
    levels = 255 - grey if inverted else grey
    if levels.max() < 128:
        raise UnsupportedImageError(
            "the picture is empty: it has no shape on a background; give a picture with a light shape on "
            "a dark background or the reverse, or binarise it at a lower threshold"
        )
    binary = bool(np.isin(grey, (0, 255)).all())
    return levels, BINARY * binary | INVERTED * inverted


def learn(
    grey: Image8, settings: IfsSettings, progress: Progress | None = None, on_step: StepCallback | None = None,
    on_restart: Callable[[str], None] | None = None,
) -> tuple[Game, int]:  # fmt: skip
    """Fit an IFS to a grey picture (H, W) and return the chaos game that draws it, and the flags.

    `on_step` is called after every step, `on_restart` with a message whenever a fit diverges and starts again.
    Raises UnsupportedImageError for a picture without a shape, DivergedError.
    """
    levels, flags = shape_of(grey)

    def report(step: int, steps: int, ifs: Callable[[], IFS], error: float) -> None:
        if progress is not None:
            progress(0.9 * step / steps, f"{-10 * log10(max(error, 1e-9)):.2f} dB")
        if on_step is not None:
            on_step(step, steps, ifs, error)

    fit = _fit_by_points if settings.method == "points" else _fit_by_distance
    ifs = fit(levels, settings, report, on_restart)
    bits = settings.bits or min(max(int(np.ceil(np.log2(max(grey.shape)))) + 1, 6), 9)
    game = settled(ifs, levels, flags, bits, settings.seed, settings.refine, progress)
    return replace(game, fine=settings.fine), flags


def reduced(levels: Image8, side: int) -> Image8:
    """Return the picture reduced by area averages until its longer side has at most `side` pixels."""
    height, width = levels.shape
    if max(height, width) <= side:
        return levels
    size = (max(1, round(width * side / max(height, width))), max(1, round(height * side / max(height, width))))
    return np.asarray(Image.fromarray(levels).resize(size, Image.Resampling.BOX))


def _fit_by_points(
    levels: Image8, settings: IfsSettings, on_step: StepCallback, on_restart: Callable[[str], None] | None
) -> IFS:
    from collagecodec.fractals.learning.config import FitConfig
    from collagecodec.fractals.learning.fitting import Restart, Step, fit

    target = (reduced(levels, settings.side) / 255).astype(np.float32)
    # Points per pixel as in the paper, which has 300 for 32x32.
    points = int(np.clip(round(300 * target.size / 1024), 60, 2000))
    config = FitConfig(maps=settings.maps, steps=settings.steps, points=points, seed=settings.seed)

    def report_step(step: Step) -> None:
        def ifs() -> IFS:
            matrices, offsets = step.maps()
            return IFS(matrices[0], offsets[0])

        on_step(step.number, step.steps, ifs, float(np.nan_to_num(step.losses[0], nan=1.0)))

    def report_restart(restart: Restart) -> None:
        if on_restart is not None:
            on_restart(str(restart))

    fitted = fit(target[None], config, on_step=report_step, on_restart=report_restart)
    if fitted.diverged[0]:
        raise DivergedError(
            f"the fit diverged with the seeds {config.seed} .. {config.seed + config.restarts}: "
            "choose another seed"
        )
    return fitted.ifs(0)


def _fit_by_distance(
    levels: Image8, settings: IfsSettings, on_step: StepCallback, on_restart: Callable[[str], None] | None
) -> IFS:
    from collagecodec.fractals.distance_fields.fitting import Fit, Settings, fit
    from collagecodec.fractals.distance_fields.target import Target

    target = Target(levels >= 128)

    def report_step(step: int, loss: float, state: Fit) -> None:
        on_step(step, settings.steps, lambda: state.system().ifs(*levels.shape), loss / 4)

    plan = Settings(maps=settings.maps, steps=settings.steps, seed=settings.seed)
    return fit(target, plan, watch=report_step, on_restart=on_restart).ifs(*levels.shape)


def settled(
    ifs: IFS, levels: Image8, flags: int, bits: int, seed: int, refine: int, progress: Progress | None = None
) -> Game:
    """Quantise an IFS and choose the kernel and gain that draw `levels` best.

    `refine` is the number of passes that change each coefficient by a unit where that lowers the error.
    """
    maps = code.quantised(ifs, bits)
    frame = Frame(
        levels.shape[1], levels.shape[0], (0, 0, *levels.shape[::-1]), (levels.shape[1], levels.shape[0])
    )
    best = Game(maps, bits, 0, 0, DENSITY, seed % 256)
    error, best = _best_drawing(best, frame, levels, flags, range(len(KERNELS)))
    # A pass draws the picture twice per coefficient, which is too slow for large pictures.
    for turn in range(refine if levels.size <= 2**14 else 0):
        before = error
        for place in range(maps.size):
            for change in (-1, 1):
                changed = best.maps.copy()
                changed.flat[place] += change
                if abs(changed.flat[place]) > 2 ** (bits + (place % 6 > 3)):
                    continue
                candidate = replace(best, maps=changed)
                lowest, game = _best_drawing(candidate, frame, levels, flags, (best.kernel,))
                if lowest < error:
                    error, best = lowest, game
            if progress is not None:
                progress(0.9 + 0.1 * (turn + place / maps.size) / refine, _error_text(error, flags))
        if error == before:
            break
    return best


def _error(pixels: Image8, target: Floats, flags: int) -> float:
    """Return the mean squared error, or for binary pictures (1 - intersection over union) times 255^2.

    By the share of wrong pixels, black would be the best approximation of any thin shape.
    """
    if not flags & BINARY:
        return float(np.square(pixels - target).mean())
    drawn, expected = pixels >= 128, target >= 128
    return 255**2 * float((drawn ^ expected).sum() / (drawn | expected).sum())


def _error_text(error: float, flags: int) -> str:
    return (
        f"IoU {1 - error / 255**2:.3f}" if flags & BINARY else f"{10 * log10(255**2 / max(error, 1e-9)):.2f} dB"
    )


def _best_drawing(
    game: Game, frame: Frame, levels: Image8, flags: int, kernels: range | tuple[int, ...]
) -> tuple[float, Game]:
    """Return the least error against `levels`, and the game with the kernel and gain that reach it."""
    widest = replace(game, kernel=max(kernels, key=lambda number: len(KERNELS[number])))
    counts, points = hits(widest, frame)
    rim = len(KERNELS[widest.kernel]) - 1
    target = levels.astype(np.float64)
    near = np.array((14, 15, 16, 17, 18)) * game.gain // 16
    gains = np.unique(near.clip(1, 65535)) if game.gain else _GAINS
    drawings = []
    for kernel in kernels:
        cut = rim - len(KERNELS[kernel]) + 1
        inner = counts[cut : len(counts) - cut, cut : counts.shape[1] - cut]
        sums = gathered(inner, replace(game, kernel=kernel), frame)
        for gain in gains.tolist():
            candidate = replace(game, kernel=kernel, gain=gain)
            pixels = chaos_game.levels(sums, points, candidate, frame)
            drawings.append((_error(pixels, target, flags), kernel, gain, candidate))
    return min(drawings, key=lambda drawing: drawing[:3])[0::3]
