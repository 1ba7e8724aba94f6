"""What a number depends on beside the code: versions of libraries, and the machine without its name."""

from __future__ import annotations

import importlib.metadata
import os
import platform
from pathlib import Path
from typing import Any

from collagecodec._version import __version__
from collagecodec.codecs.base import Codec

_LIBRARIES = ("numpy", "pillow", "constriction", "scikit-image", "torch", "torchmetrics", "bjontegaard")


def backend_of(codec: Codec) -> str:
    """Return the library and version behind `codec`; for ours this package's, and the model's fingerprint."""
    backend = getattr(codec, "backend", None)
    if isinstance(backend, str):
        return backend
    return f"collagecodec {__version__} {codec.fingerprint[:16]}".strip()


def cores() -> int:
    """Return how many cores this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def machine() -> dict[str, Any]:
    """Return processor, cores, memory in GiB, system and Python; no host name and no path."""
    facts: dict[str, Any] = {
        "processor": _processor(),
        "cores": cores(),
        "system": platform.system(),
        "architecture": platform.machine(),
        "python": platform.python_version(),
    }
    if hasattr(os, "sysconf") and "SC_PHYS_PAGES" in os.sysconf_names:
        facts["memory_gib"] = round(os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE") / 2**30, 1)
    return facts


def versions() -> dict[str, str]:
    """Return the versions of the libraries that measuring uses, those that are installed."""
    found = {"collagecodec": __version__}
    for library in _LIBRARIES:
        try:
            found[library] = importlib.metadata.version(library)
        except importlib.metadata.PackageNotFoundError:
            continue
    return found


def _processor() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    except OSError:
        return platform.processor()
    named = (line.partition(":")[2].strip() for line in lines if line.startswith("model name"))
    return next(named, platform.processor())
