"""A collage: an operator and a code, whose map has a picture as its fixed point."""

from __future__ import annotations

from dataclasses import dataclass

from collagecodec.operator.code import Code
from collagecodec.operator.operator import Operator


@dataclass(frozen=True)
class Collage:
    """A contractive map: `fixed_point.iterate(operator, code, n)` gives the samples (blocks, channels, H, W)."""

    planes: str
    """Names of the channels of the operator, such as "Y" or "RGB"."""
    operator: Operator
    code: Code
