"""A figure of learned fractals: targets, fitted IFS at the size of the targets, and the same IFS enlarged."""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image

from collagecodec.fractals.ifs import IFS
from collagecodec.fractals.learning.fitting import fit
from collagecodec.fractals.learning.objective import Renderer
from collagecodec.fractals.learning.parameters import to_frame
from eval.studies.learned_ifs.idx import SIDE
from eval.studies.learned_ifs.rows import FULL
from eval.studies.learned_ifs.targets import targets

Grey = NDArray[np.float32]

COUNT = 8
_LARGE = 4
_POINTS = 40_000
_RENDERINGS = 100
_GAP = 4


def figure(count: int = COUNT) -> Image.Image:
    """Fit the first `count` targets of 'fractaldb', which takes seconds per target, and draw three rows.

    The rows are the targets, the closest of 100 renderings with 300 points, and 40,000 points of the same IFS at
    4 times the size.
    """
    wanted = targets("fractaldb", count)
    fitted = fit(wanted, FULL)
    rows = [
        [_enlarged(target) for target in wanted],
        [_enlarged(_closest(fitted.ifs(number), target)) for number, target in enumerate(wanted)],
        [_points(fitted.ifs(number)) for number in range(count)],
    ]
    sheet = np.concatenate([np.concatenate([_framed(picture) for picture in row], 1) for row in rows])
    return Image.fromarray((255 - sheet * 255).round().astype(np.uint8))


def _closest(ifs: IFS, target: Grey) -> Grey:
    A, b = to_frame(torch.tensor(ifs.A)[None], torch.tensor(ifs.b)[None])
    renderer = Renderer(SIDE, SIDE, FULL.tau)
    uniform = torch.rand(_RENDERINGS, FULL.points, generator=torch.Generator().manual_seed(0))
    pictures = renderer(A, b, renderer.sample(A, uniform))[0].clamp(max=1).numpy()
    return pictures[np.square(pictures - target).mean((1, 2)).argmin()]


def _points(ifs: IFS) -> Grey:
    random = np.random.default_rng(0)
    indices = random.choice(len(ifs), (200, 50 + _POINTS // 200), p=ifs.probabilities)
    places = np.floor(ifs.points(indices)[:, 50:].reshape(-1, 2) * SIDE * _LARGE).astype(np.int64)
    places = places[((places >= 0) & (places < SIDE * _LARGE)).all(1)]
    canvas = np.zeros((SIDE * _LARGE,) * 2, np.float32)
    canvas[places[:, 1], places[:, 0]] = 1
    return canvas


def _enlarged(picture: Grey) -> Grey:
    return np.kron(picture, np.ones((_LARGE, _LARGE), np.float32))


def _framed(picture: Grey) -> Grey:
    return np.pad(picture, _GAP)
