"""The compiled library is loaded only from where nobody but the user can have put it."""

import os
import shutil
import stat
from pathlib import Path

import pytest

pytest.importorskip("torch")
from collagecodec.fractals.learning import build

COMPILER = "a compiler"
pytestmark = pytest.mark.skipif(not hasattr(os, "getuid"), reason="rights of files mean something else here")


@pytest.fixture
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder that holds the library, which does not exist yet."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    return tmp_path / "collagecodec"


@pytest.fixture
def calls(monkeypatch: pytest.MonkeyPatch) -> list[Path]:
    """Files that were compiled; each holds its number."""
    made: list[Path] = []

    def compiled(compiler: str, library: Path) -> Path:
        made.append(library)
        library.write_bytes(str(len(made)).encode())
        library.chmod(0o700)
        return library

    monkeypatch.setattr(build, "compiled", compiled)
    return made


def mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


def test_the_cache_is_private_and_used_again(cache: Path, calls: list[Path]) -> None:
    previous = os.umask(0o002)
    try:
        library = build.cached(COMPILER)
    finally:
        os.umask(previous)
    assert library is not None
    assert library.parent == cache
    assert (mode(cache), mode(library)) == (0o700, 0o700)
    assert build.cached(COMPILER) == library
    assert len(calls) == 1
    assert list(cache.iterdir()) == [library]


def test_another_compiler_has_a_library_of_its_own(cache: Path, calls: list[Path]) -> None:
    assert build.cached(COMPILER) != build.cached("another compiler")
    assert len(calls) == 2


@pytest.mark.parametrize("rights", [0o770, 0o707, 0o777])
def test_a_folder_that_others_can_write_is_refused(cache: Path, calls: list[Path], rights: int) -> None:
    library = build.cached(COMPILER)
    cache.chmod(rights)
    with pytest.warns(build.UntrustedCacheWarning, match="can be written by others"):
        assert build.cached(COMPILER) is None
    cache.chmod(0o755)
    assert build.cached(COMPILER) == library


def test_a_folder_of_someone_else_is_refused(
    cache: Path, calls: list[Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    build.cached(COMPILER)
    own = os.getuid()
    monkeypatch.setattr(os, "getuid", lambda: own + 1)
    with pytest.warns(build.UntrustedCacheWarning, match="belongs to someone else"):
        assert build.cached(COMPILER) is None


@pytest.mark.parametrize("rights", [0o770, 0o702])
def test_a_file_that_others_can_write_is_replaced(cache: Path, calls: list[Path], rights: int) -> None:
    library = build.cached(COMPILER)
    assert library is not None
    library.write_bytes(b"changed by others")
    library.chmod(rights)
    assert build.cached(COMPILER) == library
    assert library.read_bytes() == b"2"
    assert mode(library) == 0o700


def test_a_link_is_replaced(cache: Path, calls: list[Path], tmp_path: Path) -> None:
    library = build.cached(COMPILER)
    assert library is not None
    elsewhere = tmp_path / "elsewhere.so"
    library.rename(elsewhere)
    library.symlink_to(elsewhere)
    assert build.cached(COMPILER) == library
    assert not library.is_symlink()
    assert library.read_bytes() == b"2"


def test_no_folder_is_no_error(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, calls: list[Path]) -> None:
    (tmp_path / "file").touch()
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "file"))
    assert build.cached(COMPILER) is None
    assert calls == []


@pytest.mark.skipif(shutil.which("c++") is None, reason="no C++ compiler")
def test_without_a_cache_the_library_is_compiled_in_private(cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """It works, nothing is loaded from the cache, and nothing is left behind."""
    cache.mkdir()
    cache.chmod(0o777)
    folders, compiled = [], build.compiled

    def watched(compiler: str, library: Path) -> Path:
        folders.append((library.parent, mode(library.parent)))
        return compiled(compiler, library)

    monkeypatch.setattr(build, "compiled", watched)
    monkeypatch.setattr(build, "_FLAGS", ("-O0", "-std=c++17", "-shared", "-fPIC"))
    planted = cache / f"fractals-{build._key('c++')}.so"
    planted.write_bytes(b"no library")
    with pytest.warns(build.UntrustedCacheWarning):
        assert build.load("c++").collage_sample
    ((folder, rights),) = folders
    assert rights == 0o700
    assert not folder.exists()
    assert list(cache.iterdir()) == [planted]
