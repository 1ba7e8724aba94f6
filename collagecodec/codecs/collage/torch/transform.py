"""Colour, lapped analysis and lapped synthesis, in torch.

A picture is cut into blocks of n x n samples; range cell k of a row covers blocks k - 1 and k, so a row of
B blocks has B + 1 cells. A patch or an atom of 2n x 2n samples is stored quadrant by quadrant:
flat index ((qy * 2 + qx) * n + y) * n + x.
"""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional as F

from collagecodec.codecs.collage.torch.lapped import lot_basis, separable_atoms

CELL = 16
YCC_FROM_RGB = torch.tensor(
    [
        [0.299, 0.587, 0.114],
        [-0.299 / 1.772, -0.587 / 1.772, 0.5],
        [0.5, -0.587 / 1.402, -0.114 / 1.402],
    ]
)


def ycc_from_rgb(rgb: Tensor) -> Tensor:
    """Return luma and chroma, centred on 0, of (B, 3, H, W) sRGB in 0..255 (full-range ITU-R BT.601, JFIF)."""
    return torch.einsum("dc,bchw->bdhw", YCC_FROM_RGB.to(rgb), rgb - 128)


def rgb_from_ycc(ycc: Tensor) -> Tensor:
    """Return sRGB in 0..255 of luma and chroma (B, 3, H, W) centred on 0: the inverse of `ycc_from_rgb`."""
    return torch.einsum("dc,bchw->bdhw", torch.linalg.inv(YCC_FROM_RGB.double()).to(ycc), ycc) + 128


def quadrants(atoms: NDArray[np.float64], n: int) -> NDArray[np.float64]:
    """Reorder atoms (V, 2n, 2n) quadrant by quadrant: (V, 4 n n)."""
    return atoms.reshape(-1, 2, n, 2, n).transpose(0, 1, 3, 2, 4).reshape(len(atoms), -1)


def frame(picture: Tensor, n: int = CELL) -> Tensor:
    """Extend (B, C, H, W) by n samples at the left and top; at the right and bottom to a multiple of n plus n.

    The extension reflects the picture, or repeats its edge if a side is not longer than 2 n.
    """
    height, width = picture.shape[-2:]
    pads = (n, n + -width % n, n, n + -height % n)
    mode = "reflect" if min(height, width) > 2 * n else "replicate"
    return F.pad(picture, pads, mode=mode)


def patches(framed: Tensor, n: int = CELL) -> Tensor:
    """Return the overlapping patches of all cells, (B, C, R, S, 4 n n), of planes (B, C, n(R+1), n(S+1))."""
    batch, channels, height, width = framed.shape
    rows, columns = height // n, width // n
    blocks = framed.reshape(batch, channels, rows, n, columns, n).permute(0, 1, 2, 4, 3, 5)
    blocks = blocks.reshape(batch, channels, rows, columns, n * n)
    return torch.cat([blocks[:, :, y : rows - 1 + y, x : columns - 1 + x] for y in (0, 1) for x in (0, 1)], -1)


def overlap_add(parts: Tensor, n: int = CELL) -> Tensor:
    """Sum overlapping cells (B, C, R, S, 4 n n) in the blocks that four cells cover: (B, C, n(R-1), n(S-1))."""
    batch, channels, rows, columns, _ = parts.shape
    quads = parts.reshape(batch, channels, rows, columns, 4, n * n).unbind(-2)
    blocks = sum(quads[2 * y + x][:, :, 1 - y : rows - y, 1 - x : columns - x] for y in (0, 1) for x in (0, 1))
    size = (batch, channels, rows - 1, columns - 1, n, n)
    return (
        torch.as_tensor(blocks)
        .reshape(size)
        .permute(0, 1, 2, 4, 3, 5)
        .reshape(batch, channels, n * (rows - 1), n * (columns - 1))
    )


class Dictionary(nn.Module):
    """Analysis and synthesis matrices of the three planes, initially the lapped orthogonal transform."""

    def __init__(self, atoms: tuple[int, int, int], order: list[int]) -> None:
        """Create `atoms` atoms for each plane; `order` lists the position of each channel among all atoms."""
        super().__init__()
        basis = lot_basis(CELL)
        flat = [
            torch.tensor(quadrants(separable_atoms(basis, count), CELL), dtype=torch.float32) for count in atoms
        ]
        self.analysis = nn.ParameterList([nn.Parameter(a.clone()) for a in flat])
        self.synthesis = nn.ParameterList([nn.Parameter(a.clone()) for a in flat])
        self.gain = nn.Parameter(torch.zeros(sum(atoms)))
        self.register_buffer("order", torch.tensor(order), persistent=False)
        self.register_buffer("place", torch.argsort(torch.tensor(order)), persistent=False)
        self.atoms = atoms

    order: Tensor
    place: Tensor

    def steps(self, step: Tensor) -> Tensor:
        """Return the quantiser step of each channel, (B, C, 1, 1), for steps (B,) in pixel levels."""
        return step.view(-1, 1, 1, 1) * torch.exp(self.gain).view(1, -1, 1, 1)

    def analyse(self, ycc: Tensor) -> Tensor:
        """Return codes (B, C, R, S) in pixel levels of framed planes (B, 3, H, W)."""
        cut = patches(ycc)
        codes = [cut[:, plane] @ matrix.T for plane, matrix in enumerate(self.analysis)]
        return torch.cat(codes, -1)[..., self.order].permute(0, 3, 1, 2)

    def synthesise(self, codes: Tensor) -> Tensor:
        """Return planes (B, 3, n(R-1), n(S-1)), centred on 0, for codes (B, C, R, S) in pixel levels."""
        split = torch.split(codes.permute(0, 2, 3, 1)[..., self.place], list(self.atoms), -1)
        cells = [codes_of_plane @ matrix for codes_of_plane, matrix in zip(split, self.synthesis, strict=True)]
        return overlap_add(torch.stack(cells, 1))
