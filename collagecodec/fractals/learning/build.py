"""Compiles native.cpp on its first use, and keeps the library where nobody but the user can put one.

Whoever can write to the folder or the file could make us run their code, so both must belong to the user and must
not be writable for anybody else. Where the cache folder is not like that, the library is compiled for this
process alone, in a private temporary folder.
"""

from __future__ import annotations

import ctypes
import hashlib
import platform
import subprocess
import tempfile
from pathlib import Path

from collagecodec.kernels import cache
from collagecodec.kernels.cache import UntrustedCacheWarning

__all__ = ["UntrustedCacheWarning", "cached", "compiled", "load"]

SOURCE = Path(__file__).with_name("native.cpp")
_FLAGS = ("-O3", "-march=native", "-fno-math-errno", "-ffp-contract=fast", "-std=c++17", "-shared", "-fPIC")


def load(compiler: str) -> ctypes.CDLL:
    """Return the library, compiled by `compiler` unless it was kept.

    Raises OSError or subprocess.SubprocessError if it cannot be compiled or loaded.
    """
    kept = cached(compiler)
    if kept is not None:
        return ctypes.CDLL(str(kept))
    # A loaded library stays when its file goes; where the system does not let it go, the file stays.
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as private:
        return ctypes.CDLL(str(compiled(compiler, Path(private) / "native.so")))


def cached(compiler: str) -> Path | None:
    """Return the library in the cache folder, compiled if it is missing; see `collagecodec.kernels.cache`."""
    return cache.cached(f"fractals-{_key(compiler)}.so", lambda library: compiled(compiler, library))


def compiled(compiler: str, library: Path) -> Path:
    """Compile native.cpp into the file `library` for this processor, and return that path."""
    command = [compiler, *_FLAGS, str(SOURCE), "-o", str(library)]
    subprocess.run(command, check=True, capture_output=True, text=True, timeout=120)
    # The umask may let a group write to new files.
    library.chmod(0o700)
    return library


def _key(compiler: str) -> str:
    """Return what changes with the source, the compiler and the processor."""
    digest = hashlib.sha256(SOURCE.read_bytes())
    digest.update(" ".join((compiler, *_FLAGS, platform.machine(), _processor())).encode())
    return digest.hexdigest()[:16]


def _processor() -> str:
    """Return what tells processors apart that `-march=native` compiles for."""
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    except OSError:
        return platform.processor()
    return " ".join(line for line in lines[:64] if line.startswith(("model name", "flags", "Features")))
