"""How close fitted IFS come to their targets (Tu et al. 2023, Table 1)."""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray

from collagecodec.fractals.ifs import Floats
from collagecodec.fractals.learning.objective import Renderer
from collagecodec.fractals.learning.parameters import to_frame


def errors(
    A: Floats,
    b: Floats,
    targets: NDArray[np.float32],
    *,
    renderings: int = 100,
    points: int = 300,
    tau: float = 1.0,
    seed: int = 0,
) -> NDArray[np.float32]:
    """Return the mean squared errors (M, renderings) of random renderings, cut at 1, against the targets.

    `A` (M, N, 2, 2) and `b` (M, N, 2) in picture coordinates, `targets` (M, H, W). The paper's number for a
    target is the smallest error of 100 renderings of 300 points. PyTorch computes the errors, which are the
    same on every machine except for rounding.
    """
    renderer = Renderer(targets.shape[1], targets.shape[2], tau, "torch")
    matrices, offsets = to_frame(torch.tensor(A), torch.tensor(b))
    uniform = torch.rand(renderings, points, generator=torch.Generator().manual_seed(seed))
    with torch.no_grad():
        indices = renderer.sample(matrices, uniform)
        measured = renderer.errors(matrices, offsets, indices, torch.tensor(targets), clamp=True)
    return measured.numpy()
