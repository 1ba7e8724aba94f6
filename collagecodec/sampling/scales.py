"""At which cell size a request is rendered, and how its samples become pixels on an axis."""

from __future__ import annotations

from fractions import Fraction

from collagecodec.sampling.resample import Axis


def natural_cell(cell: int, finest: int, stored: tuple[int, int], shown: tuple[int, int]) -> int:
    """Samples of a cell at the smallest natural scale that is not below shown / stored: 1 .. `finest`.

    `cell` is the size of a cell at scale 1 in pixels, `stored` and `shown` are widths and heights. A size that
    was rounded up to whole pixels counts as the scale that it was rounded from.
    """
    ratio = max(Fraction(out, length) for length, out in zip(stored, shown, strict=True))
    n = int(ratio * cell)
    rounded = n >= 1 and all(out == -(-length * n // cell) for length, out in zip(stored, shown, strict=True))
    return min(finest, n if rounded else -(-ratio.numerator * cell // ratio.denominator))


def shown(start: int, length: int, count: int, n: int, cell: int, first: int, limit: int) -> Axis:
    """How `count` pixels show an interval of stored pixels on an axis, where `n` samples stand for `cell` pixels.

    There are `limit` samples, of which `first` is the number of the first one.
    """
    whole = count == -(-length * n // cell) and start * n % cell == 0
    return Axis(start * n - first * cell, count * cell if whole else length * n, cell, count, limit)


def cover(start: int, length: int, count: int, n: int, cell: int, blocks: int) -> tuple[Axis, slice]:
    """How `count` pixels show an interval of stored pixels on one axis, and the blocks that this takes.

    `n` samples stand for `cell` stored pixels and for one of `blocks` blocks. The axis counts samples from the
    first of the blocks that it takes.
    """
    axis = shown(start, length, count, n, cell, 0, blocks * n)
    used = axis.taps[axis.weights != 0]
    first, last = int(used.min()) // n, int(used.max()) // n + 1
    return shown(start, length, count, n, cell, first * n, (last - first) * n), slice(first, last)
