"""At which cell size a request is rendered."""

from __future__ import annotations

from fractions import Fraction


def natural_cell(cell: int, finest: int, stored: tuple[int, int], shown: tuple[int, int]) -> int:
    """Samples of a cell at the smallest natural scale that is not below shown / stored: 1 .. `finest`.

    `cell` is the size of a cell at scale 1 in pixels, `stored` and `shown` are widths and heights. A size that
    was rounded up to whole pixels counts as the scale that it was rounded from.
    """
    ratio = max(Fraction(out, length) for length, out in zip(stored, shown, strict=True))
    n = int(ratio * cell)
    rounded = n >= 1 and all(out == -(-length * n // cell) for length, out in zip(stored, shown, strict=True))
    return min(finest, n if rounded else -(-ratio.numerator * cell // ratio.denominator))
