"""Compiles the C core: `python -m collagecodec.kernels.build` for this machine, with a target for another one.

The compiler is zig's (`pip install ziglang`), which needs nothing else on the machine and compiles for every
platform, or a C compiler that the machine has. This file runs without the rest of the package, as it does in the
build of a wheel.
"""

from __future__ import annotations

import hashlib
import importlib.util
import platform
import shutil
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path

FOLDER = Path(__file__).parent
SOURCES = FOLDER / "src"
PLAIN = ("core.c", "pack.c", "rans.c")
"""Files that are the same for every instruction set."""
FLAGS = (
    "-O3",
    "-std=c11",
    "-fvisibility=hidden",
    "-ffp-contract=off",
    "-Wall",
    "-Wextra",
    "-Wno-unused-function",
)
TIMEOUT = 600
"""Seconds that a compiler may take."""


@dataclass(frozen=True)
class Variant:
    """The kernels for an instruction set: its number in core.h, its name, and the flags that allow it."""

    number: int
    name: str
    flags: tuple[str, ...] = ()


SCALAR = Variant(0, "scalar")
VARIANTS = {
    "x86_64": (SCALAR, Variant(1, "avx2", ("-mavx2",))),
    "aarch64": (SCALAR, Variant(2, "neon"), Variant(3, "dot", ("-mcpu=generic+dotprod",))),
}
"""The instruction sets of a processor; every other has the scalar form alone."""


@dataclass(frozen=True)
class Target:
    """A platform: zig's name for it, that of its wheels, and the end of a library's name."""

    zig: str
    wheel: str
    suffix: str = ".so"

    @property
    def processor(self) -> str:
        """x86_64 or aarch64."""
        return self.zig.split("-", maxsplit=1)[0]


TARGETS = (
    Target("x86_64-linux-gnu.2.17", "manylinux_2_17_x86_64"),
    Target("aarch64-linux-gnu.2.17", "manylinux_2_17_aarch64"),
    Target("x86_64-macos.11.0", "macosx_11_0_x86_64", ".dylib"),
    Target("aarch64-macos.11.0", "macosx_11_0_arm64", ".dylib"),
    Target("x86_64-windows-gnu", "win_amd64", ".dll"),
    Target("aarch64-windows-gnu", "win_arm64", ".dll"),
)
_PROCESSORS = {"amd64": "x86_64", "x86_64": "x86_64", "arm64": "aarch64", "aarch64": "aarch64"}


def this_target() -> Target | None:
    """Return the target for this machine, None where there is none in `TARGETS`."""
    processor = _PROCESSORS.get(platform.machine().lower())
    system = {"darwin": "macos", "win32": "windows"}.get(sys.platform, sys.platform)
    return next((t for t in TARGETS if t.processor == processor and t.zig.split("-")[1].startswith(system)), None)


def suffix() -> str:
    """Return the end of a library's name on this machine."""
    return {"darwin": ".dylib", "win32": ".dll"}.get(sys.platform, ".so")


def version() -> str:
    """Return what names these sources: 16 hexadecimal digits."""
    digest = hashlib.sha256()
    for path in sorted(SOURCES.iterdir()):
        digest.update(path.name.encode() + b"\0" + path.read_bytes())
    return digest.hexdigest()[:16]


def zig() -> list[str] | None:
    """Return the command of zig's C compiler, None where it is not installed."""
    return [sys.executable, "-m", "ziglang", "cc"] if importlib.util.find_spec("ziglang") else None


def compiler() -> list[str] | None:
    """Return the command of a C compiler, None without any: zig's first, whose convolutions are the fastest."""
    own = next(filter(None, map(shutil.which, ("clang", "cc", "gcc"))), None)
    return zig() or ([own] if own else None)


def compile_core(library: Path, command: list[str], target: Target | None = None) -> Path:
    """Compile the core into the file `library` and return that path.

    `target` is for zig alone; without it, the library is for this machine. Raises OSError or
    subprocess.SubprocessError.
    """
    if "ziglang" in command and target is None:
        target = this_target()  # without a target it would compile for this very processor
    processor = target.processor if target else _PROCESSORS.get(platform.machine().lower(), "")
    common = [*command, *(("-target", target.zig) if target else ()), *FLAGS]
    if "ziglang" in command:
        common.append("-fno-sanitize=undefined")
    if not (target and "windows" in target.zig) and sys.platform != "win32":
        common.append("-fPIC")
    with tempfile.TemporaryDirectory() as folder:
        objects = []
        for variant in VARIANTS.get(processor, (SCALAR,)):
            objects.append(str(Path(folder) / f"{variant.name}.o"))
            names = (f"-DCOLLAGE_ISA={variant.number}", f"-DCOLLAGE_TABLE=collage_{variant.name}")
            _run([*common, *variant.flags, *names, "-c", str(SOURCES / "kernels.c"), "-o", objects[-1]])
        made = Path(folder) / library.name
        plain = [str(SOURCES / name) for name in PLAIN]
        _run([*common, f'-DCOLLAGE_VERSION="{version()}"', "-shared", *plain, *objects, "-o", str(made)])
        shutil.copyfile(made, library)
    # The umask may let a group write to new files.
    library.chmod(0o700)
    return library


def _run(command: list[str]) -> None:
    subprocess.run(command, check=True, capture_output=True, text=True, timeout=TIMEOUT)


def reason(error: Exception) -> str:
    """Return the first line of what a compiler wrote, or of the error."""
    lines = (getattr(error, "stderr", "") or str(error)).strip().splitlines()
    return lines[0] if lines else type(error).__name__


def main() -> None:
    """Compile the core for this machine into the package, where it is found first."""
    command, target = zig(), this_target()
    if command is None:
        command, target = compiler(), None
    if command is None:
        raise SystemExit("there is no C compiler: pip install ziglang")
    print(compile_core(FOLDER / f"_core{suffix()}", command, target))


if __name__ == "__main__":
    main()
