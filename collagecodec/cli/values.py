"""Types of options: scales, sizes, regions, ranges of samples, counts."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

if TYPE_CHECKING:
    _Type = click.ParamType[Any]
else:
    # Only newer versions of click make the class generic.
    _Type = click.ParamType


class Count(_Type):
    """'500M' or '3e9': an integer, with one of the suffixes K, M, G for powers of `base`."""

    name = "N"

    def __init__(self, base: int) -> None:
        self.base = base

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        """Return the integer."""
        if not isinstance(value, str):
            return value
        digits = value.rstrip("KMGkmg")
        power = {"": 0, "K": 1, "M": 2, "G": 3}.get(value[len(digits) :].upper())
        try:
            count = int(digits) if digits.isdecimal() else float(digits)
        except ValueError:
            count = 0
        if power is None or not 1 <= count < float("inf"):
            self.fail(f"{value!r} is not a count; give a number such as 800000, 3e9, 500M or 2G", param, ctx)
        return int(count * self.base**power)


class Scale(_Type):
    """A factor such as '4', '0.5' or '1/2', as an int, a float or a Fraction."""

    name = "factor"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        """Return the factor; a usage error unless it is a positive number."""
        if not isinstance(value, str):
            return value
        try:
            if "/" in value:
                from fractions import Fraction

                factor: Any = Fraction(value)
            else:
                factor = int(value) if value.isdigit() else float(value)
        except (ValueError, ZeroDivisionError):
            factor = 0
        if not 0 < factor < float("inf"):
            self.fail(f"{value!r} is not a scale; give a positive number such as 4, 0.5 or 1/2", param, ctx)
        return factor


class Size(_Type):
    """'256x256': width and height in pixels, as a tuple."""

    name = "WxH"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        """Return (width, height)."""
        if not isinstance(value, str):
            return value
        numbers = value.lower().split("x")
        if len(numbers) != 2 or not all(number.isdigit() and int(number) for number in numbers):
            self.fail(f"{value!r} is not a size; give width and height in pixels, as in 256x256", param, ctx)
        return int(numbers[0]), int(numbers[1])


class Region(_Type):
    """'x,y,w,h': left, top, width and height in pixels of the stored picture, as a tuple."""

    name = "x,y,w,h"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        """Return (x, y, width, height)."""
        if not isinstance(value, str):
            return value
        numbers = value.replace(" ", "").split(",")
        right = len(numbers) == 4 and all(number.isdigit() for number in numbers)
        if not right or not all(int(number) for number in numbers[2:]):
            self.fail(
                f"{value!r} is not a region; give left, top, width and height in pixels, as in 0,0,640,480",
                param,
                ctx,
            )
        return tuple(map(int, numbers))


class Range(_Type):
    """'low,high': two numbers, the first one smaller, as a tuple."""

    name = "low,high"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        """Return (low, high)."""
        if not isinstance(value, str):
            return value
        try:
            low, high = map(float, value.split(","))
        except ValueError:
            low = high = 0.0
        if not -float("inf") < low < high < float("inf"):
            self.fail(f"{value!r} is not a range; give the smaller number first, as in 0,4095", param, ctx)
        return low, high
