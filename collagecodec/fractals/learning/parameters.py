"""The parameters that are learned, and the maps of an IFS that they stand for.

Learning uses a coordinate frame in which the picture is the square from -5 to 5 (`SPAN` wide), as in the authors'
code (github.com/andytu28/LearningFractals), so that step sizes mean the same.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor

SPAN = 10.0
"""Width of the picture in the frame of learning."""

_SIGN = 0.005


def from_rotations(linear: Tensor) -> Tensor:
    """Return A = R(angle 1) diag(sigmoid(s)) R(angle 2) diag(sign(d)), (..., 2, 2).

    `linear`: (..., 6): two angles, two numbers `s` whose sigmoids are the singular values, two numbers `d` of
    which the sign counts. The singular values lie in [0, 1], so that no step of learning makes the IFS expand.
    The gradient of a sign is taken to be that of its argument (Tu et al. 2023, reparameterisation).
    """
    angles, sizes, signs = linear[..., 0:2], torch.sigmoid(linear[..., 2:4]), linear[..., 4:6]
    # sign(0) is taken as +1: a singular value must not vanish by it.
    flips = torch.where(signs < 0, -1.0, 1.0) - signs.detach() + signs
    cosines, sines = angles.cos(), angles.sin()
    turns = torch.stack([cosines, -sines, sines, cosines], -1).reshape(*angles.shape, 2, 2)
    return turns[..., 0, :, :] @ (sizes.unsqueeze(-1) * turns[..., 1, :, :]) * flips.unsqueeze(-2)


def from_entries(linear: Tensor) -> Tensor:
    """Return A (..., 2, 2) of its four entries `linear` (..., 4): the plain form, which may explode."""
    return linear.reshape(*linear.shape[:-1], 2, 2)


@dataclass(frozen=True)
class Form:
    """A way to write the maps: `linear` numbers of which `matrix` makes A, followed by the two of b."""

    linear: int
    matrix: Callable[[Tensor], Tensor]

    def maps(self, parameters: Tensor) -> tuple[Tensor, Tensor]:
        """Return A (..., N, 2, 2) and b (..., N, 2) of `parameters` (..., N, linear + 2)."""
        return self.matrix(parameters[..., : self.linear]), parameters[..., self.linear :]


FORMS = {"rotations": Form(6, from_rotations), "plain": Form(4, from_entries)}


def initial(form: str, maps: int, generator: torch.Generator) -> Tensor:
    """Return the parameters (maps, linear + 2) of a random IFS, the same IFS in both forms.

    Angles are uniform over the circle, `s` over [0, 1], `b` over [-1, 1] in the frame of learning, as in the
    authors' code: singular values from 0.50 to 0.73, an attractor that fills much of the picture.
    """
    uniform = torch.rand(maps, 6, generator=generator)
    angles = (uniform[:, :2] * 2 - 1) * math.pi
    linear = torch.cat([angles, uniform[:, 2:4], torch.full((maps, 2), _SIGN)], -1)
    if form == "plain":
        linear = from_rotations(linear).flatten(-2)
    return torch.cat([linear, uniform[:, 4:] * 2 - 1], -1)


def to_picture(A: Tensor, b: Tensor) -> tuple[Tensor, Tensor]:
    """Return the maps (..., 2, 2) and (..., 2) in picture coordinates (`fractals.ifs`)."""
    half = torch.full((2,), 0.5, dtype=b.dtype)
    return A, b / SPAN + half - A @ half


def to_frame(A: Tensor, b: Tensor) -> tuple[Tensor, Tensor]:
    """Return maps in picture coordinates in the frame of learning, float32: the inverse of `to_picture`."""
    half = torch.full((2,), 0.5, dtype=b.dtype)
    return A.float(), ((b - half + A @ half) * SPAN).float()
