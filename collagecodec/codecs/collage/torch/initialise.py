"""Initial values of the prior, measured on data: the scale of every channel and the linear predictors."""

from __future__ import annotations

import math
from itertools import pairwise

import torch
from torch import Tensor
from torch.nn import functional as F

from collagecodec.codecs.collage.torch.network import CollageNetwork
from collagecodec.codecs.collage.torch.prior import FIRST_SCALE, SCALE_RATIO
from collagecodec.codecs.collage.torch.transform import frame, ycc_from_rgb


@torch.no_grad()
def initialise(network: CollageNetwork, pictures: Tensor) -> None:
    """Set the prior of an untrained network from (B, 3, H, W) sRGB pictures in 0..255."""
    codes = network.dictionary.analyse(frame(ycc_from_rgb(pictures)))
    set_predictions(network, codes)
    scale = codes.abs().mean((0, 2, 3))
    first = network.slices[1]
    for index, (start, end) in enumerate(pairwise(network.slices)):
        for number, layer in enumerate(network.prior.networks(index)):
            share = 0.6 if index == 0 and number else 1.0
            logs = torch.log(scale[start:end] * share * 64 / FIRST_SCALE) / math.log(SCALE_RATIO)
            layer.out.bias.copy_(logs)
            layer.line.slope.fill_(-2 * math.log(2) / math.log(SCALE_RATIO))
    assert first == network.prior.left.numel()


def set_predictions(network: CollageNetwork, codes: Tensor) -> None:
    """Set the predictors of the first slice to the least-squares solution for codes (B, C, R, S)."""
    low = codes[:, : network.slices[1]]
    rows, columns = low.shape[-2:]
    left = (low[..., 2:] * low[..., :-2]).sum((0, 2, 3)) / (low[..., :-2] ** 2).sum((0, 2, 3))
    network.prior.left.copy_(left.clamp(0, 1) * (left > 0.3))
    padded = F.pad(low, (1, 1, 1, 1))
    inner = low[:, :, 1:-1, 1:-1].permute(1, 0, 2, 3).flatten(1)
    for target, offsets in (
        (network.prior.diagonal, [(-1, -1), (-1, 1), (1, -1), (1, 1)]),
        (network.prior.direct, [(-1, 0), (0, -1), (0, 1), (1, 0)]),
    ):
        around = torch.cat([padded[:, :, 1 + y : 1 + y + rows, 1 + x : 1 + x + columns] for y, x in offsets], 1)
        around = around[:, :, 1:-1, 1:-1].permute(1, 0, 2, 3).flatten(1).double()
        gram = around @ around.T
        ridge = gram.diagonal().mean() * 1e-3 + 1e-2 * gram.diagonal()
        solved = torch.linalg.solve(gram + torch.diag(ridge), around @ inner.double().T)
        target.copy_(solved.T.float())
