"""The picture of a code: the fixed point of the collage operator, by iteration or in closed form."""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np

from collagecodec.operator.code import Code
from collagecodec.operator.geometry import Floats
from collagecodec.operator.operator import Operator

MAX_ITERATIONS = 1000
CLOSED_FORM_SAMPLES = 4096
"""Limit of the samples of a block in `closed_form`, whose memory grows with their square."""


def iterate(
    operator: Operator,
    code: Code,
    iterations: int,
    start: Floats | None = None,
    rounding: Callable[[Floats], Floats] | None = None,
) -> Floats:
    """Apply the map `iterations` times: samples (B, C, H, W).

    `start` is 0 if not given. `rounding` follows every application and makes the result exact if the operands
    are dyadic. Without domain terms the map is constant and applied once.
    """
    if iterations < 1:
        raise ValueError(f"the map is applied at least once, not {iterations} times")
    constant = operator.offset(code)
    z = operator.start(code) if start is None else start
    for _ in range(iterations if code.domain.shape[-1] else 1):
        z = operator.contract(code, z) + constant
        z = z if rounding is None else rounding(z)
    return z


def solve(operator: Operator, code: Code, tolerance: float, start: Floats | None = None) -> Floats:
    """Iterate until every sample is within `tolerance` of the fixed point: samples (B, C, H, W).

    By Banach's fixed-point theorem |z' - z*| <= L / (1 - L) |z' - z|. Raises ValueError after `MAX_ITERATIONS`,
    which happens if the tolerance is below the precision of the numbers or L is near 1.
    """
    factor = code.lipschitz()
    constant = operator.offset(code)
    z = operator.start(code) if start is None else start
    for _ in range(MAX_ITERATIONS):
        following = operator.contract(code, z) + constant
        change = float(np.abs(following - z).max(initial=0.0))
        z = following
        if factor * change <= (1 - factor) * tolerance:
            return z
    raise ValueError(f"no convergence to {tolerance} in {MAX_ITERATIONS} iterations at a factor of {factor}")


def iterations_for(factor: float, span: float, error: float) -> int:
    """Return the iterations that reduce an initial error of at most `span` to at most `error`."""
    if not 0 <= factor < 1 or span < 0 or error <= 0:
        raise ValueError("the factor must be in [0, 1), the span at least 0 and the error positive")
    if factor == 0 or span <= error:
        return 1
    return max(1, math.ceil(math.log(error / span) / math.log(factor)))


def closed_form(operator: Operator, code: Code) -> Floats:
    """Return (I - A)^-1 b for every block and channel, samples (B, C, H, W): an oracle for small blocks.

    Raises ValueError for blocks of more than `CLOSED_FORM_SAMPLES` samples.
    """
    constant = operator.offset(code)
    batch, channels, height, width = constant.shape
    samples = height * width
    if samples > CLOSED_FORM_SAMPLES:
        raise ValueError(f"blocks of {samples} samples are too large for the closed form")
    matrix = np.empty((batch, channels, samples, samples))
    for sample in range(samples):
        unit = np.zeros((batch, channels, samples))
        unit[..., sample] = 1
        matrix[..., sample] = operator.contract(code, unit.reshape(constant.shape)).reshape(unit.shape)
    right = constant.reshape(batch, channels, samples, 1)
    return np.asarray(np.linalg.solve(np.eye(samples) - matrix, right).reshape(constant.shape))


def collage_bound(operator: Operator, code: Code, picture: Floats) -> float:
    """Return an upper bound of the distance from samples (B, C, H, W) to the fixed point, in the maximum norm.

    The collage theorem (Barnsley 1986) gives it without the fixed point: |x - x*| <= |x - F(x)| / (1 - L).
    """
    distance = float(np.abs(picture - operator(code, picture)).max(initial=0.0))
    return distance / (1 - code.lipschitz())
