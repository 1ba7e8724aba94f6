"""The training task of `collage-paper`, and the export of a trained network to the files of a model."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from collagecodec.codecs.models import write_model
from collagecodec.codecs.paper.decoder import (
    ATOM_UNIT,
    DOMAIN_UNIT,
    MAX_DOMAIN,
    MIX_UNIT,
    RATES,
    SAMPLE_UNIT,
    PaperDecoder,
)
from collagecodec.codecs.paper.torch.calibration import calibrate
from collagecodec.codecs.paper.torch.network import ITERATIONS, PaperNetwork
from collagecodec.codecs.paper.torch.quantiser import MODES
from collagecodec.training.config import Recipe, Stage
from collagecodec.training.data import Crops

Arrays = dict[str, NDArray[np.generic]]
ENCODER_PARTS = ("analysis.", "hypernetwork.", "quantiser.analysis", "quantiser.mean")


class PaperTask:
    """Trains both rates at once with an L2 loss on picture and code (Poli et al. 2022, section 4).

    The loss is the mean over rates of MSE / 100, in squared pixel levels, + `loss.code` * (mean of (gamma a)^2 +
    mean of b^2).
    """

    def __init__(self, recipe: Recipe) -> None:
        self.code_weight = float(recipe.options["loss"]["code"])
        self.calibration_batches = int(recipe.options["calibration"]["batches"])
        torch.manual_seed(recipe.seed)
        self.network = PaperNetwork(int(recipe.options["dictionary"]["atoms"]))

    def start_from(self, folder: Path) -> None:
        """Raise ValueError: these models are trained from their calibration."""
        raise ValueError("models of the kind 'paper' are trained from the start: leave --from out")

    def prepare(self, crops: Crops) -> None:
        """Calibrate atoms, rotation and tables on the first batches."""
        calibrate(self.network, torch.cat([crops.at(i) for i in range(self.calibration_batches)]))

    def enter(self, stage: Stage) -> None:
        """Do nothing: stages of this task do not change the network."""

    def export(self, crops: Crops, folder: Path) -> str:
        """Write the model, whose tables belong to the network."""
        return export(self.network, folder)

    def loss(self, network: nn.Module, batch: Tensor, stage: Stage) -> tuple[Tensor, dict[str, float]]:
        """Return the loss of blocks (B, 3, 40, 40) uint8; figures are PSNR at each rate and L2 of the code."""
        decoded, factors = network(batch.float())
        errors = [at_rate.error.mean() for at_rate in decoded]
        code = ((factors.gamma * factors.a) ** 2).mean() + (factors.b**2).mean()
        loss = sum(errors) / (100 * len(errors)) + self.code_weight * code
        figures = {"loss": float(loss.detach()), "code": float(code.detach())}
        for rate, error in zip(RATES, errors, strict=True):
            figures[f"psnr@{rate}"] = float(10 * torch.log10(255**2 / error.detach()))
        return loss, figures


def whole(values: Tensor, unit: int, dtype: type[np.int16 | np.int32]) -> NDArray[np.generic]:
    """Return the nearest multiples of 1 / unit as integers; ValueError if they do not fit the type."""
    rounded = torch.round(values.detach().double() * unit).numpy()
    limits = np.iinfo(dtype)
    if rounded.size and not limits.min <= rounded.min() <= rounded.max() <= limits.max:
        raise ValueError(f"values up to {np.abs(rounded).max() / unit} do not fit {limits.dtype} in 1/{unit}")
    return rounded.astype(dtype)


def decoder_arrays(network: PaperNetwork) -> Arrays:
    """Return all arrays of the decoder file, which `PaperDecoder.from_tensors` lists."""
    quantiser = network.quantiser
    pairs = [(rate, mode) for rate in range(len(RATES)) for mode in range(MODES)]
    used = max(quantiser.stored(rate, mode) for rate, mode in pairs)
    levels = [
        quantiser.table(rate, mode)[component, : 2**width]
        for rate, mode in pairs
        for component, width in enumerate(quantiser.widths[rate, mode].tolist())
        if width
    ]
    domain = quantiser.domain_levels.sort().values.clamp(-MAX_DOMAIN, MAX_DOMAIN)
    return {
        "atoms": whole(network.dictionary(), ATOM_UNIT, np.int16),
        "domain_levels": whole(domain, DOMAIN_UNIT, np.int32),
        "mixing": whole(quantiser.synthesis[:used], MIX_UNIT, np.int16),
        "mean": whole(quantiser.mean, SAMPLE_UNIT, np.int32),
        "widths": quantiser.widths[..., :used].numpy().astype(np.int32),
        "levels": whole(torch.cat(levels), SAMPLE_UNIT, np.int32),
        "iterations": np.array([ITERATIONS], np.int32),
    }


def encoder_arrays(network: PaperNetwork) -> Arrays:
    """Return all arrays of the encoder file: linear parts float32, the convolutional part float16."""
    state = network.state_dict()
    return {
        name: value.to(torch.float16 if name.startswith("hypernetwork.") else torch.float32).numpy()
        for name, value in state.items()
        if name.startswith(ENCODER_PARTS)
    }


@torch.no_grad()
def export(network: PaperNetwork, folder: Path) -> str:
    """Write the decoder and encoder files of a model and return the fingerprint.

    Encoder files of earlier versions are deleted. Raises ValueError if a value does not fit its integer type.
    """
    network = network.cpu().eval()
    arrays = decoder_arrays(network)
    PaperDecoder.from_tensors(arrays, "")
    return write_model(folder, arrays, encoder_arrays(network))
