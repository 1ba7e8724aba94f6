"""Which code computes the error and its gradient."""

from __future__ import annotations

from torch import Tensor

from collagecodec.fractals.learning.config import FitConfig
from collagecodec.fractals.learning.objective import Errors, torch_errors


def errors_against(targets: Tensor, config: FitConfig) -> Errors:
    """Return the errors against `targets` (M, H, W) by the engine of `config`."""
    return torch_errors(targets, config.tau, config.clamp)
