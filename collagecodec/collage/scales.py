"""At which cell size a request is rendered, and how its samples become pixels on an axis."""

from __future__ import annotations

from fractions import Fraction

from collagecodec.collage.resample import Axis


def natural_cell(cell: int, finest: int, stored: tuple[int, int], shown: tuple[int, int]) -> int:
    """Samples of a cell at the smallest natural scale that is not below shown / stored: 1 .. `finest`.

    `cell` is the size of a cell at scale 1 in pixels, `stored` and `shown` are widths and heights. A size that
    was rounded up to whole pixels counts as the scale that it was rounded from.
    """
    ratio = max(Fraction(out, length) for length, out in zip(stored, shown, strict=True))
    n = int(ratio * cell)
    rounded = n >= 1 and all(out == -(-length * n // cell) for length, out in zip(stored, shown, strict=True))
    return min(finest, n if rounded else -(-ratio.numerator * cell // ratio.denominator))


def cover(start: int, length: int, count: int, n: int, cell: int, blocks: int) -> tuple[Axis, slice]:
    """How `count` pixels show an interval of stored pixels on one axis, and the blocks that this takes.

    `n` samples stand for `cell` stored pixels and for one of `blocks` blocks. The axis counts samples from the
    first of the blocks that it takes.
    """
    whole = count == -(-length * n // cell) and start * n % cell == 0
    units = count * cell if whole else length * n
    axis = Axis(start * n, units, cell, count, blocks * n)
    used = axis.taps[axis.weights != 0]
    first, last = int(used.min()) // n, int(used.max()) // n + 1
    return Axis(start * n - first * n * cell, units, cell, count, (last - first) * n), slice(first, last)
