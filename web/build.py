"""Builds the browser package into web/dist: `python web/build.py`, after `npm install` in web.

The kernels are compiled to WebAssembly twice, with SIMD128 and with relaxed SIMD; the TypeScript is compiled by
tsc.
"""

from __future__ import annotations

import runpy
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

WEB = Path(__file__).resolve().parent
BUILD = runpy.run_path(str(WEB.parent / "collagecodec" / "kernels" / "build.py"), run_name="build")
KINDS = {"simd128": (4, ("-msimd128",)), "relaxed": (5, ("-msimd128", "-mrelaxed-simd"))}
FLAGS = ("-target", "wasm32-wasi", "-mbulk-memory", "-O3", "-std=c11", "-fvisibility=hidden", "-ffp-contract=off")
LARGEST = 60_000
"""Bytes that a module may have."""


def module(kind: str, to: Path) -> None:
    """Compile the kernels of one kind into the file `to`."""
    number, flags = KINDS[kind]
    command = [*BUILD["zig"](), *FLAGS, *flags, "-fno-sanitize=undefined"]
    names = [f"-DCOLLAGE_ISA={number}", f"-DCOLLAGE_TABLE=collage_{kind}"]
    names.append(f'-DCOLLAGE_VERSION="{BUILD["version"]()}"')
    sources = [BUILD["SOURCES"] / name for name in ("kernels.c", *BUILD["PLAIN"])]
    with tempfile.TemporaryDirectory() as folder:
        objects = []
        for source in [*sources, WEB / "wasm" / "memory.c"]:
            objects.append(str(Path(folder) / f"{source.stem}.o"))
            subprocess.run([*command, *names, "-c", str(source), "-o", objects[-1]], check=True)
        link = [
            "-nostdlib",
            "-Wl,--no-entry",
            "-Wl,--export-dynamic",
            "-Wl,--strip-all",
            "-Wl,-z,stack-size=1048576",
        ]
        subprocess.run([*command, *link, *objects, "-o", str(to)], check=True)
    if to.stat().st_size > LARGEST:
        raise SystemExit(f"{to.name} has {to.stat().st_size} bytes, more than {LARGEST}")


def main() -> None:
    """Build everything."""
    if BUILD["zig"]() is None:
        raise SystemExit("pip install ziglang")
    dist = WEB / "dist"
    shutil.rmtree(dist, ignore_errors=True)
    dist.mkdir()
    for kind in KINDS:
        module(kind, dist / f"kernels-{kind}.wasm")
    node = shutil.which("node") or sys.exit("node is not installed")
    compiler = WEB / "node_modules" / "typescript" / "bin" / "tsc"
    subprocess.run([node, str(compiler), "-p", str(WEB)], check=True)


if __name__ == "__main__":
    main()
