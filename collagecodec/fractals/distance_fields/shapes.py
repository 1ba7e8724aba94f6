"""Distance functions of the shapes that systems of maps are made of: disk, segment, rectangle, and affine images.

Every function works on numpy arrays and on torch tensors alike: `xp` is the module, `numpy` or `torch`. So the
field that is fitted and the field that is rendered are the same lines of code.

Signs: negative inside, positive outside, in the units of the plane.
"""

from __future__ import annotations

from types import MappingProxyType
from typing import Any, Literal

Shape = Literal["disk", "line", "rectangle"]

RADII = MappingProxyType({"disk": 1.0, "line": 1.0, "rectangle": 2**0.5})
"""Radius of the smallest disk around 0 that holds the shape."""

_TINY = 1e-18
"""Added under roots, so that their gradients stay finite."""


def disk(x: Any, y: Any, xp: Any) -> tuple[Any, Any, Any]:
    """The unit disk: signed distance, and the unit vector along which it grows."""
    radius = xp.sqrt(x * x + y * y + _TINY)
    return radius - 1, x / radius, y / radius


def line(x: Any, y: Any, xp: Any) -> tuple[Any, Any, Any]:
    """The segment from (-1, 0) to (1, 0): distance, never negative, and the unit vector along which it grows."""
    beyond = x - xp.clip(x, -1, 1)
    distance = xp.sqrt(beyond * beyond + y * y + _TINY)
    return distance, beyond / distance, y / distance


def rectangle(x: Any, y: Any, xp: Any) -> tuple[Any, Any, Any]:
    """The square from -1 to 1 on both axes: signed distance, and the unit vector along which it grows."""
    across, down = xp.abs(x) - 1, xp.abs(y) - 1
    right, below = xp.clip(across, 0, None), xp.clip(down, 0, None)
    outside = xp.sqrt(right * right + below * below + _TINY)
    inner = (across < 0) & (down < 0)
    distance = xp.where(inner, xp.maximum(across, down), outside)
    nearer_side = xp.where(across > down, 1.0, 0.0)
    grow_x = xp.where(inner, nearer_side, right / outside) * xp.sign(x)
    grow_y = xp.where(inner, 1 - nearer_side, below / outside) * xp.sign(y)
    return distance, grow_x, grow_y


FUNCTIONS = MappingProxyType({"disk": disk, "line": line, "rectangle": rectangle})


def spans(matrices: Any, xp: Any) -> tuple[Any, Any]:
    """Return the largest and smallest singular values of (..., 2, 2) matrices."""
    a, b = matrices[..., 0, 0], matrices[..., 0, 1]
    c, d = matrices[..., 1, 0], matrices[..., 1, 1]
    rotating = xp.sqrt((a + d) ** 2 + (c - b) ** 2 + _TINY)
    mirroring = xp.sqrt((a - d) ** 2 + (c + b) ** 2 + _TINY)
    return (rotating + mirroring) / 2, xp.abs(rotating - mirroring) / 2


def image_distances(shape: Shape, matrices: Any, offsets: Any, points: Any, xp: Any) -> Any:
    """Return distances (P, L) of points (P, 2) to the images `matrices` (L, 2, 2) k + `offsets` of a shape.

    Exact for segments, and for the other shapes under similarities. Under other affine maps the sign is exact,
    and the value exact to first order at the boundary, that is, the function of the shape divided by the length
    of its gradient; it is never less than the distance to the disk around the image.
    """
    x, y = points[:, None, 0] - offsets[:, 0], points[:, None, 1] - offsets[:, 1]
    if shape == "line":
        return _segments(x, y, matrices[:, 0, 0], matrices[:, 1, 0], xp)
    a, b, c, d = matrices[:, 0, 0], matrices[:, 0, 1], matrices[:, 1, 0], matrices[:, 1, 1]
    determinant = a * d - b * c
    ia, ib, ic, id_ = d / determinant, -b / determinant, -c / determinant, a / determinant
    value, grow_x, grow_y = FUNCTIONS[shape](ia * x + ib * y, ic * x + id_ * y, xp)
    slope_x, slope_y = ia * grow_x + ic * grow_y, ib * grow_x + id_ * grow_y
    first_order = value / xp.sqrt(slope_x * slope_x + slope_y * slope_y + _TINY)
    around = xp.sqrt(x * x + y * y + _TINY) - spans(matrices, xp)[0] * RADII[shape]
    return xp.maximum(first_order, around)


def _segments(x: Any, y: Any, half_x: Any, half_y: Any, xp: Any) -> Any:
    """Return distances to segments from -(half_x, half_y) to (half_x, half_y)."""
    along = (x * half_x + y * half_y) / (half_x * half_x + half_y * half_y + _TINY)
    along = xp.clip(along, -1, 1)
    across_x, across_y = x - along * half_x, y - along * half_y
    return xp.sqrt(across_x * across_x + across_y * across_y + _TINY)


def smooth_union(distances: Any, sharpness: float, xp: Any) -> Any:
    """Union of shapes along the last axis, (..., L) to (...): -log(sum of exp(-sharpness d)) / sharpness.

    At most the minimum, and less by no more than log(L) / sharpness; `inf` is the minimum itself. It is
    smooth where the minimum has a kink, so that every shape near a point receives a gradient.
    """
    least = xp.amin(distances, -1)
    if sharpness == float("inf"):
        return least
    lifted = xp.exp(-sharpness * (distances - least[..., None]))
    return least - xp.log(lifted.sum(-1)) / sharpness
