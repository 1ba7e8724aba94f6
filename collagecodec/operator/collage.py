"""A collage: an operator with a code, which together have one picture as their fixed point."""

from __future__ import annotations

from dataclasses import dataclass

from collagecodec.operator.code import Code
from collagecodec.operator.operator import Operator


@dataclass(frozen=True)
class Collage:
    """A contractive map: `fixed_point.iterate(operator, code, n)` gives the samples (blocks, channels, H, W)."""

    planes: str
    """What the channels of the operator are, such as "Y" or "RGB"."""
    operator: Operator
    code: Code
