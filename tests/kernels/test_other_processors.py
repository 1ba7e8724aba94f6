"""The self-check of the core, under sanitizers and in an emulator of arm64: `make check-kernels`."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

import pytest

from collagecodec.kernels import build

CHECK = Path(__file__).with_name("check.c")
pytestmark = pytest.mark.skipif("COLLAGE_CHECK_KERNELS" not in os.environ, reason="slow: make check-kernels")
SANITIZERS = ("-fsanitize=address,undefined", "-fno-sanitize-recover=all", "-g")


def run(folder: Path, command: list[str], variants: tuple[build.Variant, ...], emulator: tuple[str, ...]) -> str:
    """Compile check.c with the core and return what it writes."""
    objects = []
    common = [*command, "-std=c11", f"-I{build.SOURCES}"]
    for variant in variants:
        objects.append(str(folder / f"{variant.name}.o"))
        names = [f"-DCOLLAGE_ISA={variant.number}", f"-DCOLLAGE_TABLE=collage_{variant.name}"]
        kernels = str(build.SOURCES / "kernels.c")
        subprocess.run([*common, *variant.flags, *names, "-c", kernels, "-o", objects[-1]], check=True)
    plain = [str(build.SOURCES / name) for name in build.PLAIN]
    program = str(folder / "check")
    subprocess.run([*common, *plain, *objects, str(CHECK), "-lm", "-o", program], check=True)
    done = subprocess.run([*emulator, program], capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@pytest.mark.skipif(not shutil.which("gcc"), reason="there is no gcc with sanitizers here")
def test_sanitizers_find_nothing(tmp_path: Path) -> None:
    target = build.this_target()
    variants = build.VARIANTS[target.processor] if target and target.processor == "x86_64" else (build.SCALAR,)
    if subprocess.run(
        ["gcc", *SANITIZERS, "-xc", "-", "-o", tmp_path / "t"], input=b"int main(){return 0;}"
    ).returncode:
        pytest.skip("gcc has no sanitizers here")
    assert "equal" in run(tmp_path, ["gcc", "-O1", *SANITIZERS], variants, ())


@pytest.mark.parametrize("processor", ["cortex-a53", "max"])
@pytest.mark.skipif(not shutil.which("qemu-aarch64"), reason="there is no emulator of arm64 here")
def test_arm64(tmp_path: Path, processor: str) -> None:
    command = build.zig()
    if command is None:
        pytest.skip("there is no compiler for arm64 here")
    flags = [*command, "-target", "aarch64-linux-musl", "-O2", "-static"]
    written = run(tmp_path, flags, build.VARIANTS["aarch64"], ("qemu-aarch64", "-cpu", processor))
    assert f"instruction set {3 if processor == 'max' else 2}" in written
