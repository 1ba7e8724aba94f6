"""Random collages of every kind, for the tests of the operator and of its torch twin."""

from dataclasses import dataclass

import numpy as np

from collagecodec.operator.atoms import AtomTable
from collagecodec.operator.code import Code
from collagecodec.operator.geometry import ALL_ISOMETRIES, IDENTITY, Geometry, domain_grid
from collagecodec.operator.operator import Operator


@dataclass(frozen=True)
class Kind:
    """What tells one row of the design's table of codecs from another."""

    lapped: bool = False
    dense: bool = True
    isometries: tuple[int, ...] = IDENTITY
    atoms: str = "none"
    """none, shared, coloured (one table a channel) or made (one table a range cell)."""
    shared_coefficients: bool = False
    pool: int = 2
    cell: int = 4


KINDS = {
    "box, soft": Kind(),
    "box, one-hot, isometries": Kind(dense=False, isometries=ALL_ISOMETRIES),
    "box, soft, isometries, atoms": Kind(isometries=ALL_ISOMETRIES, atoms="shared"),
    "box, sparse, coloured atoms": Kind(dense=False, atoms="coloured", shared_coefficients=True, pool=3),
    "box, made atoms": Kind(atoms="made", isometries=(0, 5)),
    "box, not pooled": Kind(pool=1, dense=False),
    "lapped, soft": Kind(lapped=True, cell=2),
    "lapped, sparse, atoms": Kind(lapped=True, cell=2, dense=False, atoms="shared", isometries=ALL_ISOMETRIES),
    "lapped, atoms made for every cell": Kind(lapped=True, cell=2, atoms="made", shared_coefficients=True),
}

BLOCKS, CHANNELS, SIDE = 2, 3, 12


def make(
    kind: Kind, seed: int = 0, factor: float = 0.8, height: int = SIDE, width: int = 2 * SIDE
) -> tuple[Operator, Code]:
    """An operator of this kind and a random code for it that contracts by at most `factor`."""
    rng = np.random.default_rng(seed)
    support = kind.cell * (2 if kind.lapped else 1)
    corners = domain_grid(height, width, kind.pool * support, step=kind.cell)
    geometry = Geometry(height, width, kind.cell, kind.lapped, corners, kind.pool, kind.isometries)
    own = 1 if kind.shared_coefficients else CHANNELS
    shape = (BLOCKS, own, geometry.cells)
    terms = geometry.candidates if kind.dense else 2
    raw = rng.normal(size=(*shape, terms))
    domain = factor * raw / np.abs(raw).sum(-1, keepdims=True)
    index = None if kind.dense else rng.integers(geometry.candidates, size=(*shape, terms))
    table = make_atoms(kind, geometry, rng)
    auxiliary = rng.normal(size=(*shape, 0 if table is None else 5))
    code = Code(domain, auxiliary, rng.normal(size=(BLOCKS, CHANNELS, geometry.cells)), index)
    operator = Operator(geometry, channels=CHANNELS)
    return (operator if table is None else Operator(geometry, table, CHANNELS)), code


def make_atoms(kind: Kind, geometry: Geometry, rng: np.random.Generator) -> AtomTable | None:
    """Five random atoms of the kind, or None."""
    size = geometry.support
    shapes = {
        "shared": (5, 1, size, size),
        "coloured": (5, CHANNELS, size, size),
        "made": (BLOCKS, CHANNELS, geometry.cells, 5, size, size),
    }
    return AtomTable(rng.normal(size=shapes[kind.atoms])) if kind.atoms in shapes else None
