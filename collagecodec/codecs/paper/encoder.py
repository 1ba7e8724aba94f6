"""Encoder of `collage-paper`: a single pass of the hypernetwork turns blocks into symbols of fixed width."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
import torch
from numpy.typing import NDArray

from collagecodec.codecs.models import current, read_tensors
from collagecodec.codecs.paper.decoder import PaperDecoder, Symbols, load_paper
from collagecodec.codecs.paper.torch.network import PaperNetwork

BATCH = 256
"""Number of blocks that are encoded at a time."""


@dataclass(frozen=True, eq=False)
class PaperEncoder:
    """The encoder of a model."""

    decoder: PaperDecoder
    network: PaperNetwork

    @classmethod
    def from_tensors(cls, decoder: PaperDecoder, tensors: Mapping[str, NDArray[np.generic]]) -> PaperEncoder:
        """Assemble an encoder from the arrays of its file and the domain levels of the decoder."""
        components = len(tensors["quantiser.analysis"])
        with torch.random.fork_rng(devices=[]):
            network = PaperNetwork(len(decoder.auxiliary.atoms), components).eval()
        state = {name: torch.tensor(np.asarray(value, np.float32)) for name, value in tensors.items()}
        state["quantiser.domain_levels"] = torch.tensor(decoder.domain_levels, dtype=torch.float32)
        network.load_state_dict(state, strict=False)
        return cls(decoder, network)

    def symbols(self, blocks: NDArray[np.uint8], rate: int) -> Symbols:
        """Return symbols (B, 1 + 4 + Q) of blocks (B, 3, 40, 40) at a rate; symbols not stored are 0."""
        parts = [self._symbols(blocks[i : i + BATCH], rate) for i in range(0, len(blocks), BATCH)]
        return np.concatenate(parts)

    def _symbols(self, blocks: NDArray[np.uint8], rate: int) -> Symbols:
        outputs = self.network.components(torch.tensor(blocks, dtype=torch.float32))
        domain, values = (output.double().numpy() for output in outputs)
        candidates, errors = [], []
        for mode in self.decoder.rates[rate]:
            chosen = np.zeros(values.shape, np.int64)
            for component, width in enumerate(mode.widths):
                levels = mode.levels[component, : 2**width]
                chosen[:, component] = nearest(values[:, component], levels)
            decoded = np.zeros_like(values)
            decoded[:, : mode.widths.size] = mode.components(chosen[:, : mode.widths.size])
            candidates.append(chosen)
            errors.append(((values - decoded) ** 2).sum(1))
        best = np.argmin(errors, axis=0)
        lead = [best[:, None], nearest(domain, self.decoder.domain_levels)]
        return np.concatenate([*lead, np.stack(candidates)[best, np.arange(len(best))]], axis=1)


def nearest(values: NDArray[np.float64], levels: NDArray[np.float64]) -> NDArray[np.int64]:
    """Return the index of the nearest of ascending levels (L,): int64, in the shape of `values`."""
    return np.searchsorted((levels[1:] + levels[:-1]) / 2, values)


@lru_cache(maxsize=2)
def load_paper_encoder(name: str) -> PaperEncoder:
    """Read the newest version of a model for encoding; ModelMismatchError if it is not installed."""
    folder, fingerprint = current(name)
    tensors = read_tensors(folder / f"encoder-{fingerprint}.safetensors")
    return PaperEncoder.from_tensors(load_paper(fingerprint), tensors)
