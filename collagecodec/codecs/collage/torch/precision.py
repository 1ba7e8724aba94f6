"""Whether half precision pays on a device."""

from __future__ import annotations

import torch


def half_pays(device: torch.device) -> bool:
    """Return whether bfloat16 convolutions are faster than float32 there.

    CPUs need AVX-512 for that: without it PyTorch emulates bfloat16, at a tenth of the speed of float32.
    """
    if device.type != "cpu":
        return True
    return torch.backends.cpu.get_cpu_capability().startswith("AVX512")
