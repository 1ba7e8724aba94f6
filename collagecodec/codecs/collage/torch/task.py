"""The training task of the codec `collage`."""

from __future__ import annotations

import math
from pathlib import Path

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from collagecodec.codecs.collage.torch.export import export
from collagecodec.codecs.collage.torch.initialise import initialise
from collagecodec.codecs.collage.torch.loading import network_of
from collagecodec.codecs.collage.torch.network import CollageNetwork
from collagecodec.codecs.collage.torch.structure import TYPICAL_RATIO, mixed_error
from collagecodec.codecs.collage.torch.transform import rgb_from_ycc, ycc_from_rgb
from collagecodec.training.config import Recipe, Stage
from collagecodec.training.data import Crops

_EXPORT_BATCHES = 32
_EXPORT_SEED = 1_000_000_000
"""First step of the crops from which an export counts its tables; no stage reaches it."""


class CollageTask:
    """Trains for rate and distortion at all rates at once.

    The loss of a crop at quantiser step s is (bits per pixel + trade_off / s^2 * MSE) * s / 64. The last factor
    balances the rates, since fine steps cost many more bits than coarse steps. A stage may set a range of
    `steps`, in pixel levels, and turn every `grey_every`-th crop grey. With `structure`, a share of the squared
    luma error gives way to 1 - MS-SSIM, scaled to the same size in each crop; the figure `loss` counts it at a
    fixed scale. With `codes_share` below 1 the hypernetwork learns in that share of the updates only; the others
    restore a random square of `window` pixels.
    """

    def __init__(self, recipe: Recipe) -> None:
        self.recipe = recipe
        rate = recipe.options["rate"]
        self.steps: list[float] = rate["steps"]
        self.trade_off = float(rate["trade_off"])
        self.structure = float(rate.get("structure", 0))
        self.seed = recipe.seed
        torch.manual_seed(self.seed)
        self.network = CollageNetwork()
        self.prepared = False

    def start_from(self, folder: Path) -> None:
        """See `Task.start_from`."""
        self.network = network_of(folder)
        self.prepared = True

    def prepare(self, crops: Crops) -> None:
        """Measure the initial scales and predictors of the prior on three batches, unless a model gave them."""
        if self.prepared:
            return
        initialise(self.network, torch.cat([crops.at(i).float() for i in range(3)]))

    def enter(self, stage: Stage) -> None:
        """Grow the restoration to the stage's option `restoration = [width, depth]`."""
        if "restoration" in stage.options:
            torch.manual_seed(self.seed)
            self.network.restoration = self.network.restoration.grown(*stage.options["restoration"])

    def export(self, crops: Crops, folder: Path) -> str:
        """Write the model, its tables counted on `crops` over all steps that any stage trained at."""
        ranges = [self.steps, *(s.options["steps"] for s in self.recipe.stages if "steps" in s.options)]
        finest, coarsest = min(low for low, _ in ranges), max(high for _, high in ranges)
        draw = torch.Generator().manual_seed(self.seed)

        def steps(count: int) -> Tensor:
            span = math.log(coarsest / finest)
            return torch.exp(torch.rand(count, generator=draw) * span + math.log(finest))

        batches = ((crops.at(_EXPORT_SEED + i).float(), steps(crops.batch)) for i in range(_EXPORT_BATCHES))
        return export(self.network, batches, self.recipe.name, folder)

    def loss(self, network: nn.Module, batch: Tensor, stage: Stage) -> tuple[Tensor, dict[str, float]]:
        """Return the loss of a batch (B, 3, H, W) uint8, and the mean bpp and PSNR (dB) over the batch."""
        rgb = batch.float()
        every = stage.options.get("grey_every", 0)
        if every:
            grey = ycc_from_rgb(rgb[::every])[:, :1].round() + 128
            rgb = torch.cat([rgb[torch.arange(len(rgb)) % every > 0], grey.expand(-1, 3, -1, -1)])
        step = self._steps(len(rgb), stage).to(rgb.device)
        if "enlargement" in stage.train:
            return self._enlarging(network, rgb, step)
        structure = float(stage.options.get("structure", self.structure))
        learn, window = self._economy(stage)
        outcome = network(rgb, step, learn, structure=structure > 0, window=window)
        pixels = rgb.shape[-1] * rgb.shape[-2]
        weight, scale = step / 64, self.trade_off / step**2
        hard, soft = outcome.bits / pixels, outcome.soft_bits / pixels
        plain = outcome.error - structure * outcome.luma_error
        distortion = scale * (plain + structure * mixed_error(outcome.luma_error, outcome.dissimilarity))
        judged = scale * (plain + structure * TYPICAL_RATIO * outcome.dissimilarity)
        figures = {
            "loss": float(((hard + judged) * weight).mean().detach()),
            "bpp": float(hard.mean().detach()),
            "psnr": float((10 * torch.log10(255**2 / outcome.error.detach())).mean()),
        }
        if structure:
            figures["ms_ssim"] = float((-10 * torch.log10(outcome.dissimilarity.detach())).mean())
        return ((hard + soft + distortion) * weight).mean(), figures

    def _economy(self, stage: Stage) -> tuple[bool, int]:
        """Return whether the codes learn in this update, and the side of the square that is restored if not."""
        if not self.network.training:
            return False, 0
        learn = "hypernetwork" in stage.train and float(torch.rand(())) < stage.options.get("codes_share", 1.0)
        return learn, 0 if learn else int(stage.options.get("window", 0))

    def _steps(self, count: int, stage: Stage) -> Tensor:
        """Draw quantiser steps (count,) in pixel levels, uniform on a logarithmic scale."""
        finest, coarsest = stage.options.get("steps", self.steps)
        return finest * torch.exp(torch.rand(count) * math.log(coarsest / finest))

    def _enlarging(self, network: nn.Module, rgb: Tensor, step: Tensor) -> tuple[Tensor, dict[str, float]]:
        """Return the loss of the enlargement and its gain in dB over the cubic kernel.

        Crops are halved by averaging, coded, and decoded at twice the size.
        """
        halved = torch.floor(F.avg_pool2d(rgb, 2) + 0.5)
        large, plain = network(halved, step, enlarge=True)
        errors = [((rgb_from_ycc(planes) - rgb) ** 2).mean((1, 2, 3)) for planes in (large, plain)]
        psnr, before = (float((10 * torch.log10(255**2 / e.detach())).mean()) for e in errors)
        # The logarithm gives smooth and detailed crops equal weight.
        loss = torch.log(errors[0] + 1).mean()
        return loss, {"loss": float(loss.detach()), "psnr": psnr, "gain": psnr - before}
