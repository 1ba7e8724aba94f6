"""Compiles the C core into the wheel, or into the checkout for an editable installation.

$COLLAGE_TARGET names another platform than this one, as in `collagecodec.kernels.build.TARGETS`. Where nothing
can be compiled, the wheel is a pure one.
"""

from __future__ import annotations

import importlib.util
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

from hatchling.builders.hooks.plugin.interface import BuildHookInterface


class CoreHook(BuildHookInterface):
    """The hook of `[tool.hatch.build.targets.wheel.hooks.custom]`."""

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:
        """Compile, and give the wheel the tag of its platform."""
        build = _build(Path(self.root))
        name = os.environ.get("COLLAGE_TARGET")
        target = next((t for t in build.TARGETS if t.wheel == name), None) if name else build.this_target()
        if name and (target is None or build.zig() is None):
            raise SystemExit(
                f"$COLLAGE_TARGET {name} needs ziglang and is one of {[t.wheel for t in build.TARGETS]}"
            )
        command = build.zig() if target else None
        if command is None:
            command, target = build.compiler(), None
        library = (
            Path(self.root) / "build" / (name or "here") / f"_core{target.suffix if target else build.suffix()}"
        )
        if version == "editable":
            library = build.FOLDER / library.name
        library.parent.mkdir(parents=True, exist_ok=True)
        try:
            if command is None:
                raise OSError("there is no C compiler")
            build.compile_core(library, command, target)
        except (OSError, subprocess.SubprocessError) as error:
            if name:
                raise
            self.app.display_warning(
                f"without the C core, decoding is several times slower: {build.reason(error)}"
            )
            return
        if version == "editable":
            return
        build_data["force_include"][str(library)] = f"collagecodec/kernels/{library.name}"
        build_data["pure_python"] = False
        build_data["tag"] = f"py3-none-{target.wheel}" if target else _own_tag()


def _own_tag() -> str:
    """Return the tag for this very machine, whose compiler may use its newest libraries."""
    from packaging.tags import platform_tags

    return f"py3-none-{next(iter(platform_tags()))}"


def _build(root: Path) -> Any:
    """Return the module `collagecodec.kernels.build` without importing the package."""
    spec = importlib.util.spec_from_file_location("_build", root / "collagecodec" / "kernels" / "build.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules["_build"] = module
    spec.loader.exec_module(module)
    return module
