"""What measured numbers depend on besides the code: library versions and the machine, without its name."""

from __future__ import annotations

import importlib.metadata
import os
import platform
from pathlib import Path
from typing import Any

from collagecodec._version import __version__
from collagecodec.cli.workers import cores
from collagecodec.codecs.base import ArrayCodec

_LIBRARIES = ("numpy", "pillow", "constriction", "scikit-image", "opencv-python-headless", "torch", "bjontegaard")


def backend_of(codec: ArrayCodec) -> str:
    """Return library and version behind `codec`; for our codecs the package version and model fingerprint."""
    backend = getattr(codec, "backend", None)
    if isinstance(backend, str):
        return backend
    return f"collagecodec {__version__} {codec.fingerprint[:16]}".strip()


def machine() -> dict[str, Any]:
    """Return processor, cores, memory in GiB, system and Python version, without host name or paths."""
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


def environment() -> dict[str, Any]:
    """Return the machine and the library versions, as they are recorded with results."""
    return {"machine": machine(), "versions": versions()}


def versions() -> dict[str, str]:
    """Return the versions of the installed libraries that affect measurements."""
    installed = {"collagecodec": __version__}
    for library in _LIBRARIES:
        try:
            installed[library] = importlib.metadata.version(library)
        except importlib.metadata.PackageNotFoundError:
            continue
    return installed


def _processor() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    except OSError:
        return platform.processor()
    named = (line.partition(":")[2].strip() for line in lines if line.startswith("model name"))
    return next(named, platform.processor())
