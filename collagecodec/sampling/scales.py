"""The cell size at which a request is rendered, and the resampling of its samples to output pixels."""

from __future__ import annotations

from fractions import Fraction

from collagecodec.sampling.resample import Axis


def natural_cell(cell: int, finest: int, stored: tuple[int, int], shown: tuple[int, int]) -> int:
    """Return the samples of a cell, 1 .. `finest`, at the smallest natural scale of at least shown / stored.

    `cell` is the size of a cell at scale 1 in pixels, `stored` and `shown` are widths and heights. If rounding
    up at a natural scale gives exactly the size `shown`, this scale is chosen.
    """
    ratio = max(Fraction(out, length) for length, out in zip(stored, shown, strict=True))
    n = int(ratio * cell)
    rounded = n >= 1 and all(out == -(-length * n // cell) for length, out in zip(stored, shown, strict=True))
    return min(finest, n if rounded else -(-ratio.numerator * cell // ratio.denominator))


def shown(start: int, length: int, count: int, n: int, cell: int, first: int, limit: int) -> Axis:
    """Return the axis from rendered samples to `count` output pixels over an interval of stored pixels.

    `n` samples represent `cell` stored pixels. `limit` samples are rendered; the first has the number `first`.
    """
    whole = count == -(-length * n // cell) and start * n % cell == 0
    return Axis(start * n - first * cell, count * cell if whole else length * n, cell, count, limit)


def cover(start: int, length: int, count: int, n: int, cell: int, blocks: int) -> tuple[Axis, slice]:
    """Return the axis to `count` output pixels over an interval of stored pixels, and the blocks that it needs.

    There are `blocks` blocks of `n` samples, each for `cell` stored pixels. The axis counts samples from the
    first block that it needs.
    """
    axis = shown(start, length, count, n, cell, 0, blocks * n)
    used = axis.taps[axis.weights != 0]
    first, last = int(used.min()) // n, int(used.max()) // n + 1
    return shown(start, length, count, n, cell, first * n, (last - first) * n), slice(first, last)
