"""Differentiable torch twin of the collage operator (`collagecodec.operator.operator`).

Both take the positions of cells from `Geometry`, so they read and write the same samples.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from collagecodec.operator.code import Code
from collagecodec.operator.geometry import Geometry


@dataclass(frozen=True)
class CodeTensors:
    """The fields of `operator.code.Code` as tensors, without checks, so that gradients can pass."""

    domain: Tensor
    """c of the domain terms: (B, 1 or C, K, M)."""
    auxiliary: Tensor
    """c of the auxiliary domains: (B, 1 or C, K, V)."""
    offset: Tensor
    """b: (B, 1 or C, K)."""
    index: Tensor | None = None
    """Candidate of each domain term, int64 (B, 1 or C, K, M); None where the terms are all candidates."""


def code_tensors(code: Code, dtype: torch.dtype = torch.float32) -> CodeTensors:
    """Return a copy of a code as tensors."""
    domain, auxiliary, offset = (
        torch.tensor(np.asarray(part), dtype=dtype) for part in (code.domain, code.auxiliary, code.offset)
    )
    index = None if code.index is None else torch.tensor(code.index)
    return CodeTensors(domain, auxiliary, offset, index)


class TorchOperator(nn.Module):
    """The map of a geometry. It has no parameters; atoms are arguments, so that they can be learned."""

    def __init__(self, geometry: Geometry) -> None:
        super().__init__()
        self.geometry = geometry
        self.register_buffer("gather", torch.tensor(geometry.gather), persistent=False)
        window = torch.tensor(geometry.window, dtype=torch.float32)
        self.register_buffer("window", window.flatten(), persistent=False)

    gather: Tensor
    window: Tensor

    def contract(self, code: CodeTensors, z: Tensor) -> Tensor:
        """Apply the linear part of the map to samples (B, C, H, W); the shape stays."""
        means = F.avg_pool2d(z, self.geometry.pool, self.geometry.stride).flatten(2)
        if code.index is None:
            parts = code.domain @ means[:, :, self.gather]
        else:
            leads = (*z.shape[:2], *code.index.shape[2:])
            where = self.gather[code.index].expand(*leads, -1)
            cells = means.gather(2, where.flatten(2)).view(where.shape)
            parts = (code.domain[..., None] * cells).sum(-2)
        return self.place(parts * self.window.to(parts))

    def offset(self, code: CodeTensors, atoms: Tensor | None, channels: int) -> Tensor:
        """Return the constant part of the map, (B, channels, H, W).

        `atoms` are (V, 1 or C, S, S), or (B or 1, 1 or C, K, V, S, S) with a set for every range cell.
        """
        parts = code.offset[..., None] * self.window.to(code.offset)
        if atoms is not None:
            flat = atoms.flatten(-2)
            if flat.dim() == 3:
                parts = parts + code.auxiliary @ flat.transpose(0, 1)
            else:
                parts = parts + (code.auxiliary[..., None, :] @ flat)[..., 0, :]
        return self.place(parts.expand(-1, channels, -1, -1))

    def place(self, parts: Tensor) -> Tensor:
        """Put range cells (B, C, K, S * S) into blocks (B, C, H, W) and sum them where they overlap."""
        geometry = self.geometry
        batch, channels = parts.shape[:2]
        rows, columns, n = geometry.rows, geometry.columns, geometry.cell
        if geometry.lapped:
            quads = parts.reshape(batch, channels, rows, columns, 2, n, 2, n)
            chosen = [quads[:, :, 1 - y : rows - y, 1 - x : columns - x, y, :, x] for y in (0, 1) for x in (0, 1)]
            grid = torch.stack(chosen).sum(0)
        else:
            grid = parts.reshape(batch, channels, rows, columns, n, n)
        return grid.permute(0, 1, 2, 4, 3, 5).reshape(batch, channels, geometry.height, geometry.width)

    def forward(self, code: CodeTensors, atoms: Tensor | None, z: Tensor) -> Tensor:
        """Return F(z) for samples (B, C, H, W), with the same shape."""
        return self.contract(code, z) + self.offset(code, atoms, z.shape[1])

    def fixed_point(self, code: CodeTensors, atoms: Tensor | None, start: Tensor, iterations: int) -> Tensor:
        """Apply the map `iterations` times from `start` (B, C, H, W); gradients pass through all of them."""
        constant = self.offset(code, atoms, start.shape[1])
        z = start
        for _ in range(iterations if code.domain.shape[-1] else 1):
            z = self.contract(code, z) + constant
        return z
