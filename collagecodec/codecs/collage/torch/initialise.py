"""Initial values of the prior, measured on data: the scale of every channel and the linear predictors."""

from __future__ import annotations

import math
from itertools import pairwise

import torch
from torch import Tensor

from collagecodec.codecs.collage.hierarchical_order import FIRST_STRIDE, cells_of
from collagecodec.codecs.collage.torch.network import CollageNetwork
from collagecodec.codecs.collage.torch.prior import FIRST_SCALE, SCALE_RATIO
from collagecodec.codecs.collage.torch.transform import frame, ycc_from_rgb


@torch.no_grad()
def initialise(network: CollageNetwork, pictures: Tensor) -> None:
    """Set the prior of an untrained network from (B, 3, H, W) sRGB pictures in 0..255."""
    codes = network.dictionary.analyse(frame(ycc_from_rgb(pictures)))
    set_predictions(network, codes)
    scale = codes.abs().mean((0, 2, 3))
    for index, (start, end) in enumerate(pairwise(network.slices)):
        for number, layer in enumerate(network.prior.networks(index)):
            share = 0.6 if index == 0 and number else 1.0
            logs = torch.log(scale[start:end] * share * 64 / FIRST_SCALE) / math.log(SCALE_RATIO)
            layer.out.bias.copy_(logs)
            layer.line.slope.fill_(-2 * math.log(2) / math.log(SCALE_RATIO))


def set_predictions(network: CollageNetwork, codes: Tensor) -> None:
    """Set the predictors of the first slice to the least-squares solution for codes (B, C, R, S)."""
    low = codes[:, : network.slices[1]]
    rows, columns = low.shape[-2:]
    grid = low[..., ::FIRST_STRIDE, ::FIRST_STRIDE]
    left = (grid[..., 1:] * grid[..., :-1]).sum((0, 2, 3)) / (grid[..., :-1] ** 2).sum((0, 2, 3))
    network.prior.left.copy_(left.clamp(0, 1) * (left > 0.3))
    flat = low.flatten(2)
    for target, cells in zip(network.prior.around, cells_of(rows, columns, 0)[1:], strict=True):
        inside = (cells.mirrored < rows * columns).all(1)
        near = flat[:, :, torch.from_numpy(cells.mirrored[inside])].permute(0, 2, 3, 1).flatten(2).flatten(0, 1)
        own = flat[:, :, torch.from_numpy(cells.flat[inside])].mT.flatten(0, 1)
        near, own = near.double(), own.double()
        gram = near.T @ near
        ridge = gram.diagonal().mean() * 1e-3 + 1e-2 * gram.diagonal()
        target.copy_(torch.linalg.solve(gram + torch.diag(ridge), near.T @ own).T.float())
