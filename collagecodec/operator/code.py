"""The code of a collage: the coefficients that, with a dictionary, determine the picture."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import ArrayLike

from collagecodec.operator.geometry import Floats, Indices


@dataclass(frozen=True, eq=False)
class Code:
    """The coefficients of B blocks with K range cells; a cell has M domain terms and V auxiliary terms.

    domain     c = gamma * a of the domain terms: (B, 1 or C, K, M)
    auxiliary  c = gamma * a of the auxiliary domains: (B, 1 or C, K, V)
    offset     b, samples: (B, 1 or C, K)
    index      candidate of each domain term (`geometry.Geometry`): int64 (B, 1 or C, K, M); None where the
               terms are all candidates in order

    Only the products c and b can be observed in a picture (Poli et al. 2022, Def. 1). `a` and `gamma` are the
    canonical factors. Raises ValueError if the map is not contractive (see `lipschitz`) or shapes do not match.
    """

    domain: Floats
    auxiliary: Floats
    offset: Floats
    index: Indices | None = None

    def __post_init__(self) -> None:
        parts = (self.domain, self.auxiliary, self.offset[..., None])
        if any(part.ndim != 4 or part.shape[0::2] != parts[0].shape[0::2] for part in parts):
            shapes = ", ".join(str(part.shape) for part in (self.domain, self.auxiliary, self.offset))
            raise ValueError(f"the parts of a code do not have the same blocks and cells: {shapes}")
        if self.index is not None:
            if self.index.ndim != 4 or self.index.shape[0::2] + self.index.shape[3:] != (
                self.domain.shape[0::2] + self.domain.shape[3:]
            ):
                raise ValueError(f"indices of {self.index.shape} for domain terms of {self.domain.shape}")
            if not np.issubdtype(self.index.dtype, np.integer) or (self.index < 0).any():
                raise ValueError("indices of candidates must be non-negative integers")
        if not all(np.isfinite(part).all() for part in parts):
            raise ValueError("the coefficients of a code must be finite")
        if (factor := self.lipschitz()) >= 1:
            raise ValueError(f"the map contracts by {factor:.6g}; it must be below 1 for a unique fixed point")

    @classmethod
    def without_domains(cls, auxiliary: Floats, offset: Floats | None = None) -> Code:
        """Return a code with auxiliary terms (B, 1 or C, K, V) only, as of a transform; b is 0 if None."""
        zero = np.zeros_like(auxiliary[..., 0]) if offset is None else offset
        return cls(domain=auxiliary[..., :0], auxiliary=auxiliary, offset=zero)

    @classmethod
    def from_factors(
        cls, a: Floats, b: Floats, gamma: Floats, *, auxiliary: int = 0, index: Indices | None = None
    ) -> Code:
        """Return the code of the paper's a, b and gamma, (B, 1 or C, K, M + V) with V = `auxiliary`.

        `b` has a number for each cell, (B, 1 or C, K), or for each term like `a`; in the second case the code
        keeps sum(gamma b) only, since no more can be observed. Raises ValueError if |a| >= 1 on a domain term
        with positive weight, or if gamma is not on the simplex (to 1e-6).
        """
        total = gamma.sum(-1)
        if (gamma < 0).any() or (gamma.shape[-1] and np.abs(total - 1).max() > 1e-6):
            raise ValueError("gamma must be non-negative and add up to 1 over the terms of each cell")
        terms = gamma.shape[-1] - auxiliary
        if terms < 0:
            raise ValueError(f"{auxiliary} auxiliary terms were given among {gamma.shape[-1]} terms")
        if ((np.abs(a) >= 1) & (gamma > 0))[..., :terms].any():
            raise ValueError("|a| must be below 1 on domain terms: the map would not be contractive")
        product = gamma * a
        offset = b if b.ndim == 3 else (gamma * b).sum(-1)
        return cls(domain=product[..., :terms], auxiliary=product[..., terms:], offset=offset, index=index)

    def lipschitz(self) -> float:
        """Return the contraction factor of the map in the maximum norm: the largest sum of |c| of domain terms.

        It is exact for boxes with a domain cell for every sign, and an upper bound otherwise. Auxiliary terms
        and b do not depend on the picture and have no influence.
        """
        return float(np.abs(self.domain).sum(-1).max(initial=0.0))

    @property
    def terms(self) -> Floats:
        """All observable products c, domain terms first: (B, 1 or C, K, M + V)."""
        leads = np.broadcast_shapes(self.domain.shape[:3], self.auxiliary.shape[:3])
        parts = [np.broadcast_to(p, (*leads, p.shape[3])) for p in (self.domain, self.auxiliary)]
        return np.concatenate(parts, -1)

    @property
    def a(self) -> Floats:
        """Canonical a of every term: sum|c| of its range cell, with the sign of c; shape of `terms`.

        With large auxiliary terms it exceeds 1 although the map contracts: contraction depends only on the
        share that `gamma` gives to domain terms (`lipschitz`).
        """
        products = self.terms
        signs = np.where(products < 0, -1.0, 1.0)
        return np.asarray(signs * np.abs(products).sum(-1, keepdims=True))

    @property
    def gamma(self) -> Floats:
        """Canonical gamma: |c| / sum|c|, uniform where all c are 0; on the simplex, shape of `terms`."""
        sizes = np.abs(self.terms)
        total = sizes.sum(-1, keepdims=True)
        uniform = 1.0 / max(1, sizes.shape[-1])
        return np.asarray(np.where(total > 0, sizes / np.where(total > 0, total, 1), uniform))

    @property
    def b(self) -> Floats:
        """Offset of every range cell, sum_n gamma[n] b[n] of the paper, samples: (B, 1 or C, K)."""
        return self.offset

    @property
    def blocks(self) -> int:
        """Number B of blocks."""
        return int(self.domain.shape[0])

    @property
    def channels(self) -> int:
        """Number of channels with coefficients of their own; 1 if all channels share them."""
        index = 1 if self.index is None else self.index.shape[1]
        return int(max(self.domain.shape[1], self.auxiliary.shape[1], self.offset.shape[1], index))

    def take(self, blocks: ArrayLike) -> Code:
        """Return the code of some blocks, given by an array of indices or a mask."""
        chosen = np.asarray(blocks)
        index = None if self.index is None else self.index[chosen]
        return replace(
            self,
            domain=self.domain[chosen],
            auxiliary=self.auxiliary[chosen],
            offset=self.offset[chosen],
            index=index,
        )
