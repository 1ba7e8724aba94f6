"""The contractive maps of a file of the codec `collage`: operator and code of every plane."""

from __future__ import annotations

import numpy as np

from collagecodec.codecs.collage.decoder import Picture
from collagecodec.codecs.collage.dictionary import ATOM_UNIT
from collagecodec.codecs.collage.quantiser import CODE_UNIT
from collagecodec.operator.atoms import AtomTable
from collagecodec.operator.code import Code
from collagecodec.operator.collage import Collage
from collagecodec.operator.geometry import Geometry
from collagecodec.operator.operator import Operator

PLANES = ("Y", "Cb", "Cr")


def collages(picture: Picture) -> tuple[Collage, ...]:
    """Return the collage of every plane in pixel levels around 0, float64, without the restoration.

    The picture, padded to full blocks, is a single block of the operator. All its codes are held in memory.
    """
    layout, dictionary = picture.layout, picture.model.dictionary
    rows, columns = (0, layout.block_rows), (0, layout.block_columns)
    slices = len(picture.model.prior.slices)
    parts = [part for _, part in picture.tile_rows(0, rows[1] + 1, 0, columns[1] + 1, slices)]
    codes = picture.products(np.concatenate(parts))
    geometry = Geometry(rows[1] * layout.cell, columns[1] * layout.cell, layout.cell, lapped=True)
    maps = []
    for number in range(picture.plane_count):
        plane = dictionary.planes[number]
        n = layout.cell
        atoms = (
            plane.atoms.reshape(-1, 2, 2, n, n).transpose(0, 1, 3, 2, 4).reshape(-1, 1, 2 * n, 2 * n) / ATOM_UNIT
        )
        auxiliary = codes[..., plane.channels].reshape(1, 1, -1, len(atoms)) / CODE_UNIT
        maps.append(
            Collage(PLANES[number], Operator(geometry, AtomTable(atoms)), Code.without_domains(auxiliary))
        )
    return tuple(maps)
