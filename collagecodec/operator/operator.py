"""The collage operator: an affine map with a picture as its fixed point (Poli et al. 2022, Def. 1 and 2).

    F(z) = sum_k T_k ( sum_m c[k,m] P D_n(k,m) z  +  sum_v c[k,v] U_v  +  b_k )      per channel and block

`D` cuts a domain cell, `P` pools it to the size of a range cell and applies an isometry, `U` are auxiliary
domains, and `T_k` puts range cell k in its place. Lapped cells overlap; there a window that sums to 1 over the
cells multiplies domain terms and b, while atoms contain their window. Every codec of the project is a choice of
geometry, atoms and code.

Results have the precision of the operands. If the operands are multiples of a power of two with few enough bits,
float64 is exact in any order of summation; `codecs.paper` decodes in this way.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from fractions import Fraction

import numpy as np

from collagecodec.operator.atoms import Auxiliary, no_atoms
from collagecodec.operator.code import Code
from collagecodec.operator.geometry import Floats, Geometry


def window_means(z: Floats, size: int, stride: int) -> Floats:
    """Return the means (..., h, w) of size x size windows of (..., H, W) that begin at multiples of `stride`."""
    if size == 1:
        return z
    height, width = ((side - size) // stride * stride + 1 for side in z.shape[-2:])
    across = sum(z[..., i : i + width : stride] for i in range(size))
    down = sum(np.asarray(across)[..., i : i + height : stride, :] for i in range(size))
    return np.asarray(down) / size**2


def place(parts: Floats, geometry: Geometry) -> Floats:
    """Put range cells (B, C, K, S * S) into blocks (B, C, H, W) and sum them where they overlap."""
    batch, channels = parts.shape[:2]
    rows, columns, n = geometry.rows, geometry.columns, geometry.cell
    if not geometry.lapped:
        grid = parts.reshape(batch, channels, rows, columns, n, n).transpose(0, 1, 2, 4, 3, 5)
        return grid.reshape(batch, channels, geometry.height, geometry.width)
    quads = parts.reshape(batch, channels, rows, columns, 2, n, 2, n)
    total = sum(quads[:, :, 1 - y : rows - y, 1 - x : columns - x, y, :, x, :] for y in (0, 1) for x in (0, 1))
    grid = np.asarray(total).transpose(0, 1, 2, 4, 3, 5)
    return grid.reshape(batch, channels, geometry.height, geometry.width)


@dataclass(frozen=True, eq=False)
class Operator:
    """The map of a geometry and a set of auxiliary domains, for blocks of `channels` channels."""

    geometry: Geometry
    auxiliary: Auxiliary = no_atoms
    channels: int = 1

    def at(self, scale: float | Fraction) -> Operator:
        """Return the map on a grid `scale` times finer for unchanged codes; ValueError unless `scale` is natural.

        All cells grow by `scale`, the pooling factor stays, and atoms are evaluated on the finer grid.
        """
        return replace(self, geometry=self.geometry.scaled(scale))

    def contract(self, code: Code, z: Floats) -> Floats:
        """Apply the linear part of the map, the domain terms, to samples (B, C, H, W); the shape stays."""
        geometry = self.geometry
        if z.shape != self._shape(code):
            raise ValueError(f"samples of {self._shape(code)} were expected, not {z.shape}")
        terms = code.domain.shape[-1]
        if terms == 0:
            return np.zeros_like(z)
        means = window_means(z, geometry.pool, geometry.stride).reshape(*z.shape[:2], -1)
        if code.index is None:
            if terms != geometry.candidates:
                raise ValueError(f"{terms} coefficients for {geometry.candidates} candidates and no indices")
            parts: Floats = np.asarray(code.domain @ means[:, :, geometry.gather])
        else:
            parts = self._sparse(code, means)
        return place(parts * geometry.window.reshape(-1).astype(parts.dtype), geometry)

    def _sparse(self, code: Code, means: Floats) -> Floats:
        """Return the indexed domain terms (B, C, K, S * S) for window means (B, C, positions)."""
        assert code.index is not None
        if code.index.size and code.index.max() >= self.geometry.candidates:
            raise ValueError(f"the code names candidate {code.index.max()} of {self.geometry.candidates}")
        batch = np.arange(means.shape[0])[:, None, None, None]
        channel = np.arange(means.shape[1])[:, None, None]
        parts = np.zeros((*means.shape[:2], self.geometry.cells, self.geometry.support**2), means.dtype)
        # A loop over terms keeps memory at a few pictures for any number of terms.
        for term in range(code.index.shape[-1]):
            where = self.geometry.gather[code.index[..., term]]
            parts += code.domain[..., term, None] * means[batch, channel, where]
        return parts

    def offset(self, code: Code) -> Floats:
        """Return the constant part of the map, auxiliary terms and b: (B, C, H, W)."""
        geometry = self.geometry
        parts: Floats = code.offset[..., None] * geometry.window.reshape(-1).astype(code.offset.dtype)
        if code.auxiliary.shape[-1]:
            parts = parts + self._atoms(code)
        shape = (code.blocks, self.channels, geometry.cells, geometry.support**2)
        return place(np.broadcast_to(parts, shape), geometry)

    def _atoms(self, code: Code) -> Floats:
        """Return the auxiliary terms, (B, 1 or C, K, S * S)."""
        atoms = self.auxiliary(self.geometry.support)
        flat = atoms.reshape(*atoms.shape[:-2], -1)
        terms = flat.shape[0] if flat.ndim == 3 else flat.shape[3]
        if code.auxiliary.shape[-1] != terms:
            raise ValueError(f"{code.auxiliary.shape[-1]} coefficients for {terms} auxiliary domains")
        if flat.ndim == 3:
            return code.auxiliary @ flat.transpose(1, 0, 2)
        return np.asarray((code.auxiliary[..., None, :] @ flat)[..., 0, :])

    def __call__(self, code: Code, z: Floats) -> Floats:
        """Return F(z) for samples (B, C, H, W), with the same shape."""
        return self.contract(code, z) + self.offset(code)

    def start(self, code: Code, value: float = 0.0) -> Floats:
        """Return constant samples to iterate from: (B, C, H, W) in the dtype of the code."""
        return np.full(self._shape(code), value, np.result_type(code.domain, code.auxiliary, code.offset))

    def _shape(self, code: Code) -> tuple[int, int, int, int]:
        return (code.blocks, self.channels, self.geometry.height, self.geometry.width)
