"""A system of contractive maps and the shape that they are applied to, which is fitted, stored and rendered."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, get_args

import numpy as np
from numpy.typing import NDArray

from collagecodec.errors import CollageError
from collagecodec.fractals.distance_fields.shapes import RADII, Shape, spans
from collagecodec.fractals.ifs import IFS
from collagecodec.io.files import write_bytes_atomic

Floats = NDArray[np.float64]
MAX_MAPS = 64
MAX_DEPTH = 64
LARGEST = 0.999
"""Bound on the singular values of a map, which must contract."""


class NoSystemError(CollageError, ValueError):
    """The numbers do not make a system of contractive maps."""


@dataclass(frozen=True, eq=False)
class System:
    """N maps `matrices` (N, 2, 2) p + `offsets` (N, 2), acting on the shape `base` (2, 2) k + `origin` (2,).

    The plane has x to the right and y down; the longer side of a picture runs from -1 to 1, its middle is 0. At
    depth D the system stands for the union of the images of the shape under all compositions of D maps, made
    wider by `stroke` on every side; `depth` is the D at which it was fitted, `aspect` the width to the height
    of the picture that it was fitted to. Raises `NoSystemError` for maps that do not contract, and for other
    shapes of arrays.
    """

    matrices: Floats
    offsets: Floats
    shape: Shape = "disk"
    base: Floats = field(default_factory=lambda: np.eye(2))
    origin: Floats = field(default_factory=lambda: np.zeros(2))
    stroke: float = 0.0
    depth: int = 4
    aspect: float = 1.0

    def __post_init__(self) -> None:
        count = len(self.matrices)
        arrays = (self.matrices, self.offsets, self.base, self.origin)
        expected = ((count, 2, 2), (count, 2), (2, 2), (2,))
        if tuple(array.shape for array in arrays) != expected or not 1 <= count <= MAX_MAPS:
            raise NoSystemError(f"a system has 1 .. {MAX_MAPS} maps, each a 2x2 matrix and an offset of 2")
        if not all(np.isfinite(array).all() for array in (*arrays, np.array(self.stroke))) or self.stroke < 0:
            raise NoSystemError("the numbers of a system are finite, its stroke is not negative")
        if not 0 <= self.depth <= MAX_DEPTH:
            raise NoSystemError(f"a depth is 0 .. {MAX_DEPTH}, not {self.depth}")
        if not 1e-4 <= self.aspect <= 1e4:
            raise NoSystemError(f"an aspect is 0.0001 .. 10000, not {self.aspect}")
        if self.shape not in get_args(Shape):
            raise NoSystemError(f"shapes are {', '.join(get_args(Shape))}, not {self.shape!r}")
        if spans(self.matrices, np)[0].max() > LARGEST:
            raise NoSystemError("a map does not contract: its largest singular value must be below 1")
        if min(np.abs(np.linalg.det(self.matrices)).min(), abs(np.linalg.det(self.base))) < 1e-12:
            raise NoSystemError("a map is flat: its determinant must not be 0")

    def disk(self) -> tuple[Floats, float]:
        """Return centre and radius of a disk that holds the shape, without stroke, and its image under every map.

        The images of the disk under compositions, bounded by disks of their largest singular values, are nested.
        """
        reach = spans(self.base, np)[0] * RADII[self.shape]
        largest = spans(self.matrices, np)[0]
        centre = self.origin
        for _ in range(32):
            moved = np.linalg.norm(self.matrices @ centre + self.offsets - centre, axis=1) / (1 - largest)
            radius = max(float(moved.max()), float(reach + np.linalg.norm(centre - self.origin)))
            worst = int(moved.argmax())
            # A step towards the image that needs the largest disk makes that disk smaller.
            centre = centre + 0.2 * (self.matrices[worst] @ centre + self.offsets[worst] - centre)
        moved = np.linalg.norm(self.matrices @ centre + self.offsets - centre, axis=1) / (1 - largest)
        radius = max(float(moved.max()), float(reach + np.linalg.norm(centre - self.origin)))
        return centre, radius * (1 + 1e-9)

    def images(self, depth: int) -> tuple[Floats, Floats]:
        """Return matrices and offsets of the images of the shape under all compositions of `depth` maps."""
        return compose(self.matrices, self.offsets, self.base, self.origin, depth, np)

    def ifs(self, height: int, width: int) -> IFS:
        """Return the maps alone, in the coordinates of a picture of `height` x `width` pixels."""
        extent = np.array((width, height)) / max(height, width)
        return IFS(self.matrices, self.offsets).moved(0.5 / extent, (0.5, 0.5))

    def to_json(self) -> str:
        """Return the system as JSON."""
        content: dict[str, Any] = {
            "kind": "collage-ifs-system",
            "shape": self.shape,
            "stroke": self.stroke,
            "depth": self.depth,
            "aspect": self.aspect,
            "base": self.base.tolist(),
            "origin": self.origin.tolist(),
            "matrices": self.matrices.tolist(),
            "offsets": self.offsets.tolist(),
        }
        return json.dumps(content, indent=1) + "\n"

    def save(self, path: str | Path, *, force: bool = False) -> None:
        """Write the system as JSON."""
        write_bytes_atomic(path, self.to_json().encode(), force=force)

    @classmethod
    def from_json(cls, text: str) -> System:
        """Return the system of a text of `to_json`; `NoSystemError` for any other text."""
        try:
            content = json.loads(text)
            if content["kind"] != "collage-ifs-system":
                raise KeyError("kind")
            names = ("matrices", "offsets", "base", "origin")
            matrices, offsets, base, origin = (np.array(content[name], np.float64) for name in names)
            stroke, depth, aspect = float(content["stroke"]), int(content["depth"]), float(content["aspect"])
            return cls(matrices, offsets, content["shape"], base, origin, stroke, depth, aspect)
        except NoSystemError:
            raise
        except (KeyError, TypeError, ValueError) as error:
            raise NoSystemError(f"this is not a file that 'collage ifs fit' wrote ({error})") from error

    @classmethod
    def load(cls, path: str | Path) -> System:
        """Return the system in a file; `NoSystemError` if it holds none, OSError if it cannot be read."""
        return cls.from_json(Path(path).read_text(encoding="utf-8", errors="replace"))


def compose(matrices: Any, offsets: Any, base: Any, origin: Any, depth: int, xp: Any) -> tuple[Any, Any]:
    """Return all compositions of `depth` maps with the map `base`, `origin`: (N^depth, 2, 2), (N^depth, 2).

    Works on numpy arrays and torch tensors (`xp` is the module).
    """
    images, moved = base[None], origin[None]
    for _ in range(depth):
        images, moved = (
            xp.einsum("nij,ljk->nlik", matrices, images).reshape(-1, 2, 2),
            (xp.einsum("nij,lj->nli", matrices, moved) + offsets[:, None]).reshape(-1, 2),
        )
    return images, moved
