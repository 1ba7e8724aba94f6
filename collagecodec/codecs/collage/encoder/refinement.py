"""Refinement: lowers rate and distortion of a picture by changing its codes (effort 2 and above).

First, gradient descent moves the codes as real numbers while their rounding is annealed from random to
certain: stochastic Gumbel annealing (Yang, Bamler & Mandt 2020, "Improving Inference for Neural Image
Compression", section 3.2). Then single rounded codes change by a quantiser step where this is estimated to
lower J, as in rate-distortion optimised quantisation. Decoders need no change.
"""

from __future__ import annotations

import copy
from collections.abc import Callable
from dataclasses import replace

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from collagecodec.codecs.collage.encoder.objective import Objective, Rate, Region
from collagecodec.codecs.collage.encoder.window import Window
from collagecodec.codecs.collage.model import DecoderModel

SHARE = 0.5
"""Share of the proposed changes that a round applies: each is estimated as if its neighbours did not change."""
LEAST_GAIN = 0.02
"""Smallest decrease of J, in bits, for which a change is proposed."""
HOT, COLD = 0.5, 0.1
"""First and last temperature of the annealing."""
PACE, PACE_UPDATES = 0.02, 60
"""Learning rate (quantiser steps per update) for up to 60 updates; more updates divide it by the square root
of their ratio to 60."""
EDGE = 1e-4
"""Distance from integers at which the logits of the annealing are clipped."""

Progress = Callable[[float], None]


class Refiner:
    """Refines windows of a picture at a step code. `active` (C,) says which channels are coded."""

    def __init__(self, decoder: DecoderModel, step_code: int, active: NDArray[np.bool_]) -> None:
        self.objective = Objective(decoder, step_code, active)
        self.curvature = self.objective.curvature()

    def refine(self, window: Window, updates: int, rounds: int, progress: Progress) -> NDArray[np.int32]:
        """Return integer codes (r, s, C) int32 of the tile after annealing and rounds of single changes.

        `updates` and `rounds` are the numbers of both, and `progress` receives the share that is done. J of
        the result is never above J of the rounded input.
        """
        if window.offsets is not None:
            return self._mapped(window.offsets).refine(replace(window, offsets=None), updates, rounds, progress)
        codes = torch.from_numpy(window.codes).permute(2, 0, 1)[None].contiguous()
        target = torch.from_numpy(np.ascontiguousarray(window.target)).permute(2, 0, 1)[None]
        region = Region((slice(None), slice(None), *window.own), target)
        whole, total = torch.round(codes), updates + rounds + 1
        draw = torch.Generator().manual_seed(0)
        best, lowest = whole[region.own].clone(), float("inf")
        if updates:
            lowest = self._proposal(whole, region)[0]
            start = codes[region.own].clone()
            whole[region.own] = self._annealed(whole, start, region, updates, draw, lambda n: progress(n / total))
        for number in range(rounds + 1):
            cost, proposal = self._proposal(whole, region)
            if cost < lowest:
                best, lowest = whole[region.own].clone(), cost
            if number < rounds:
                whole[region.own] += proposal * (torch.rand(proposal.shape, generator=draw) < SHARE)
            progress((updates + number + 1) / total)
        return best[0].permute(1, 2, 0).numpy().astype(np.int32)

    def _mapped(self, offsets: NDArray[np.integer]) -> Refiner:
        """Return the refiner of a window with a quantiser map (R, S)."""
        other = copy.copy(self)
        other.objective = self.objective.mapped(offsets)
        other.curvature = other.objective.curvature()
        return other

    def _annealed(
        self,
        codes: Tensor,
        start: Tensor,
        region: Region,
        updates: int,
        draw: torch.Generator,
        progress: Progress,
    ) -> Tensor:
        """Return the tile's codes after annealing from `start`, rounded; the codes around it do not change."""
        moving = (start * self.objective.active).requires_grad_()
        rate = PACE * min(1.0, (PACE_UPDATES / updates) ** 0.5)
        optimiser = torch.optim.Adam([moving], lr=rate)
        codes = codes.clone()
        for number in range(updates):
            soft = soft_rounded(moving, HOT * (COLD / HOT) ** (number / updates), draw) * self.objective.active
            codes[region.own] = soft.detach()
            _, slope = self.objective.derivative(codes, region)
            optimiser.zero_grad()
            soft.backward(slope)  # type: ignore[no-untyped-call]
            optimiser.step()
            progress(number + 1)
        return torch.round(moving.detach())

    def _proposal(self, codes: Tensor, region: Region) -> tuple[float, Tensor]:
        """Return J of integer codes and the proposed change, -1, 0 or +1, of every code of the tile.

        The estimate of a change has four terms: the bits of the symbol, exactly; the bits of the symbols whose
        tables and predictions depend on it, to first order; the error, to first order; and its curvature.
        """
        error, by_error = self.objective.distortion(codes, region.target)
        rate = Rate(self.objective, codes, region)
        curvature = self.curvature[region.own] if self.curvature.shape[-1] > 1 else self.curvature
        slope = by_error[region.own] + rate.by_code
        gain, proposal = torch.full_like(slope, -LEAST_GAIN), torch.zeros_like(slope)
        for change in (-1.0, 1.0):
            estimate = rate.difference(change) + slope * change + 0.5 * curvature
            better = (estimate < gain) & self.objective.active
            gain = torch.where(better, estimate, gain)
            proposal = torch.where(better, change, proposal)
        return rate.total + error, proposal


def soft_rounded(values: Tensor, temperature: float, draw: torch.Generator) -> Tensor:
    """Draw a value between the integers below and above each of `values`; low temperatures give near-integers.

    The weights of both integers are a Gumbel softmax of -atanh(distance) / temperature (Yang et al.,
    equation 5).
    """
    below = torch.floor(values.detach())
    share = (values - below).clamp(EDGE, 1 - EDGE)
    logits = torch.stack([-torch.atanh(share), -torch.atanh(1 - share)]) / temperature
    noise = torch.rand(logits.shape, generator=draw).clamp(1e-9, 1 - 1e-7)
    gumbel = -torch.log(-torch.log(noise))
    return below + torch.softmax((logits + gumbel) / temperature, 0)[1]
