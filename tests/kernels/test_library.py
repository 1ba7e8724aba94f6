"""Where the C core comes from, and what happens without it."""

from __future__ import annotations

import subprocess
import sys
import warnings
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

import collagecodec
from collagecodec.kernels import build, library

_core = library.core()
CORE = Path(_core.path) if _core else Path()
PICTURE = np.random.default_rng(1).integers(0, 256, (40, 50, 3), np.uint8)


@pytest.fixture(autouse=True)
def fresh(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[None]:
    """Nothing is loaded or kept, and nothing came with the package."""
    monkeypatch.delenv(library.VARIABLE, raising=False)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setattr(build, "FOLDER", tmp_path)
    library._loaded.cache_clear()
    yield
    library._loaded.cache_clear()


@pytest.mark.skipif(_core is None, reason="there is no C core here")
def test_without_a_compiler_numpy_decodes_the_same_pixels_after_one_warning(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(build, "compiler", lambda: None)

    def both() -> tuple[bytes, np.ndarray]:
        coded = collagecodec.encode(PICTURE, codec="collage", quality=30)
        return coded, collagecodec.decode(coded)

    with pytest.warns(library.KernelsMissingWarning, match="pip install ziglang") as caught:
        data, found = both()
    assert len(caught) == 1
    library._loaded.cache_clear()
    monkeypatch.undo()
    assert np.array_equal(collagecodec.decode(data), found)


@pytest.mark.skipif(_core is None, reason="there is no C core here")
def test_a_core_of_another_version_or_a_broken_one_is_refused(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(build, "compiler", lambda: None)
    path = tmp_path / f"_core{build.suffix()}"
    path.write_bytes(b"no library")
    with pytest.warns(library.KernelsMissingWarning, match="_core"):
        assert library.core() is None
    library._loaded.cache_clear()
    path.unlink()
    path.write_bytes(CORE.read_bytes().replace(build.version().encode(), b"0123456789abcdef"))
    with pytest.warns(library.KernelsMissingWarning, match="of version 0123456789abcdef"):
        assert library.core() is None


def test_a_compiler_that_fails_is_reported(monkeypatch: pytest.MonkeyPatch) -> None:
    failing = [sys.executable, "-c", "import sys; sys.exit('no such flag')"]
    monkeypatch.setattr(build, "compiler", lambda: failing)
    with pytest.warns(library.KernelsMissingWarning):
        assert library.core() is None


def test_numpy_can_be_chosen(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(library.VARIABLE, "off")
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert library.core() is None


def test_the_build_needs_nothing_of_the_package(tmp_path: Path) -> None:
    program = (
        f"import runpy; runpy.run_path({build.__file__!r}); import sys; assert 'collagecodec' not in sys.modules"
    )
    subprocess.run([sys.executable, "-I", "-c", program], check=True, cwd=tmp_path)
