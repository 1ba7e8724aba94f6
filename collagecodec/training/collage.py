"""Training task of the production codec."""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn

from collagecodec.networks.collage import CollageNetwork
from collagecodec.training.config import Recipe, Stage
from collagecodec.training.data import Crops
from collagecodec.training.initialise import initialise


class CollageTask:
    """Rate-distortion training over all rates at once.

    Loss of a crop at quantiser step s: (bits per pixel + trade_off / s^2 * MSE) * s / 64. The last factor
    evens out what the rates weigh, since fine steps cost many more bits than coarse ones.
    """

    def __init__(self, recipe: Recipe) -> None:
        rate = recipe.options["rate"]
        self.steps: list[float] = rate["steps"]
        self.trade_off = float(rate["trade_off"])
        self.seed = recipe.seed
        torch.manual_seed(self.seed)
        self.network = CollageNetwork()

    def prepare(self, crops: Crops) -> None:
        """Measure scales and predictions on three batches."""
        initialise(self.network, torch.cat([crops.at(i).float() for i in range(3)]))

    def enter(self, stage: Stage) -> None:
        """Grow the restoration to a stage's `restoration = [width, depth]`."""
        if "restoration" in stage.options:
            torch.manual_seed(self.seed)
            self.network.restoration = self.network.restoration.grown(*stage.options["restoration"])

    def loss(self, network: nn.Module, batch: Tensor, stage: Stage) -> tuple[Tensor, dict[str, float]]:
        """See the class; figures are means over the batch: bpp as coded, MSE as PSNR in dB."""
        rgb = batch.float()
        finest, coarsest = stage.options.get("steps", self.steps)
        step = finest * torch.exp(torch.rand(len(rgb), device=rgb.device) * math.log(coarsest / finest))
        outcome = network(rgb, step, "hypernetwork" in stage.train)
        pixels = rgb.shape[-1] * rgb.shape[-2]
        weight = step / 64
        hard, soft = outcome.bits / pixels, outcome.soft_bits / pixels
        distortion = self.trade_off / step**2 * outcome.error
        loss = ((hard + soft + distortion) * weight).mean()
        figures = {
            "loss": float(((hard + distortion) * weight).mean().detach()),
            "bpp": float(hard.mean().detach()),
            "psnr": float((10 * torch.log10(255**2 / outcome.error.detach())).mean()),
        }
        return loss, figures
