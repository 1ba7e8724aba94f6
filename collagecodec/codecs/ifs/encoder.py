"""Finds what a file of the codec `ifs` plays: fits an IFS, quantises it, and settles how it is drawn."""

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
"""Points for 16 pixels of the output."""
_GAINS = np.unique(np.rint(16 * 8 * 2 ** (np.arange(40) / 4)).astype(np.int64).clip(1, 65535))
Watch = Callable[[int, int, Callable[[], IFS], float], None]
"""Is told the step, of how many, what returns the IFS as it is, and the mean squared error of levels from 0 to
1."""


class DivergedError(CollageError):
    """The fit diverged with every seed that was tried; the message names them."""


def light_ground(grey: Image8) -> bool:
    """Whether the border of a picture is light rather than dark: the shape is then what is dark."""
    border = np.concatenate((grey[0], grey[-1], grey[:, 0], grey[:, -1]))
    return bool(border.mean() > 127.5)


def shape_of(grey: Image8) -> tuple[Image8, int]:
    """The picture with its shape light on dark ground, and the flags. UnsupportedImageError if there is no
    shape."""
    inverted = light_ground(grey)
    levels = 255 - grey if inverted else grey
    if levels.max() < 128:
        raise UnsupportedImageError(
            "the picture is empty: nothing stands out from its ground, so that there is nothing to fit; give "
            "a picture with a light shape on dark ground or the reverse, or binarise it at a lower threshold"
        )
    binary = bool(np.isin(grey, (0, 255)).all())
    return levels, BINARY * binary | INVERTED * inverted


def learn(
    grey: Image8, settings: IfsSettings, progress: Progress | None = None, watch: Watch | None = None,
    told: Callable[[str], None] | None = None,
) -> tuple[Game, int]:  # fmt: skip
    """Fit an IFS to a grey picture (H, W) and return what is to be played, and the flags.

    `watch` sees the fit after every step, `told` is told of restarts. Raises UnsupportedImageError for a picture
    without a shape, DivergedError.
    """
    levels, flags = shape_of(grey)

    def seen(step: int, steps: int, ifs: Callable[[], IFS], error: float) -> None:
        if progress is not None:
            progress(0.9 * step / steps, f"{-10 * log10(max(error, 1e-9)):.2f} dB")
        if watch is not None:
            watch(step, steps, ifs, error)

    fitted = _by_points if settings.method == "points" else _by_distance
    ifs = fitted(levels, settings, seen, told)
    bits = settings.bits or min(max(int(np.ceil(np.log2(max(grey.shape)))) + 1, 6), 9)
    game = settled(ifs, levels, flags, bits, settings.seed, settings.refine, progress)
    return replace(game, fine=settings.fine), flags


def reduced(levels: Image8, side: int) -> Image8:
    """The picture with a longer side of at most `side` pixels, by averages over areas."""
    height, width = levels.shape
    if max(height, width) <= side:
        return levels
    size = (max(1, round(width * side / max(height, width))), max(1, round(height * side / max(height, width))))
    return np.asarray(Image.fromarray(levels).resize(size, Image.Resampling.BOX))


def _by_points(levels: Image8, settings: IfsSettings, seen: Watch, told: Callable[[str], None] | None) -> IFS:
    from collagecodec.fractals.learning.config import FitConfig
    from collagecodec.fractals.learning.fitting import Restart, Step, fit

    target = (reduced(levels, settings.side) / 255).astype(np.float32)
    # As many points for a pixel as the paper has: 300 for 32 x 32.
    points = int(np.clip(round(300 * target.size / 1024), 60, 2000))
    config = FitConfig(maps=settings.maps, steps=settings.steps, points=points, seed=settings.seed)

    def stepped(step: Step) -> None:
        def ifs() -> IFS:
            matrices, offsets = step.maps()
            return IFS(matrices[0], offsets[0])

        seen(step.number, step.steps, ifs, float(np.nan_to_num(step.losses[0], nan=1.0)))

    def restarted(restart: Restart) -> None:
        if told is not None:
            told(str(restart))

    fitted = fit(target[None], config, on_step=stepped, on_restart=restarted)
    if fitted.diverged[0]:
        raise DivergedError(
            f"the fit diverged with the seeds {config.seed} .. {config.seed + config.restarts}: "
            "choose another seed"
        )
    return fitted.ifs(0)


def _by_distance(levels: Image8, settings: IfsSettings, seen: Watch, told: Callable[[str], None] | None) -> IFS:
    from collagecodec.fractals.distance_fields.fitting import Fit, Settings, fit
    from collagecodec.fractals.distance_fields.target import Target

    target = Target(levels >= 128)

    def stepped(step: int, loss: float, one: Fit) -> None:
        seen(step, settings.steps, lambda: one.system().ifs(*levels.shape), loss / 4)

    plan = Settings(maps=settings.maps, steps=settings.steps, seed=settings.seed)
    return fit(target, plan, watch=stepped, on_restart=told).ifs(*levels.shape)


def settled(
    ifs: IFS, levels: Image8, flags: int, bits: int, seed: int, refine: int, progress: Progress | None = None
) -> Game:
    """The quantised IFS, with the kernel and the gain that draw `levels` best; `refine` passes over its
    numbers."""
    maps = code.quantised(ifs, bits)
    frame = Frame(
        levels.shape[1], levels.shape[0], (0, 0, *levels.shape[::-1]), (levels.shape[1], levels.shape[0])
    )
    best = Game(maps, bits, 0, 0, DENSITY, seed % 256)
    error, best = _drawn_best(best, frame, levels, flags, range(len(KERNELS)))
    # A pass draws the picture twice for every number: only small pictures can afford it.
    for turn in range(refine if levels.size <= 2**14 else 0):
        before = error
        for place in range(maps.size):
            for change in (-1, 1):
                numbers = best.maps.copy()
                numbers.flat[place] += change
                if abs(numbers.flat[place]) > 2 ** (bits + (place % 6 > 3)):
                    continue
                found, game = _drawn_best(replace(best, maps=numbers), frame, levels, flags, (best.kernel,))
                if found < error:
                    error, best = found, game
            if progress is not None:
                progress(0.9 + 0.1 * (turn + place / maps.size) / refine, _shown(error, flags))
        if error == before:
            break
    return best


def _apart(pixels: Image8, wanted: Floats, flags: int) -> float:
    """Mean squared error; of binary pictures the share of what both show that one does not, times 255^2.

    Counting wrong pixels instead would make black the best likeness of anything thin.
    """
    if not flags & BINARY:
        return float(np.square(pixels - wanted).mean())
    here, there = pixels >= 128, wanted >= 128
    return 255**2 * float((here ^ there).sum() / (here | there).sum())


def _shown(error: float, flags: int) -> str:
    return (
        f"IoU {1 - error / 255**2:.3f}" if flags & BINARY else f"{10 * log10(255**2 / max(error, 1e-9)):.2f} dB"
    )


def _drawn_best(
    game: Game, frame: Frame, levels: Image8, flags: int, kernels: range | tuple[int, ...]
) -> tuple[float, Game]:
    """How far from `levels`, and the game with the kernel and the gain that are nearest."""
    widest = replace(game, kernel=max(kernels, key=lambda number: len(KERNELS[number])))
    counts, points = hits(widest, frame)
    rim = len(KERNELS[widest.kernel]) - 1
    wanted = levels.astype(np.float64)
    near = np.array((14, 15, 16, 17, 18)) * game.gain // 16
    gains = np.unique(near.clip(1, 65535)) if game.gain else _GAINS
    found = []
    for kernel in kernels:
        cut = rim - len(KERNELS[kernel]) + 1
        inner = counts[cut : len(counts) - cut, cut : counts.shape[1] - cut]
        sums = gathered(inner, replace(game, kernel=kernel), frame)
        for gain in gains.tolist():
            tried = replace(game, kernel=kernel, gain=gain)
            shown = chaos_game.levels(sums, points, tried, frame)
            found.append((_apart(shown, wanted, flags), kernel, gain, tried))
    return min(found, key=lambda one: one[:3])[0::3]
