"""A wheel holds everything that it needs, and runs where there is no checkout and no PyTorch."""

import os
import subprocess
import sys
import zipfile
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

ROOT = Path(__file__).parents[2]
_GUARDED = (
    "import sys; sys.modules['torch'] = None\n"  # from now on an import of it fails
    "import collagecodec; from collagecodec.cli import main\n"
    "assert collagecodec.__file__.startswith(sys.argv[1]), collagecodec.__file__\n"
    "sys.exit(main.run(sys.argv[2:]))"
)


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The wheel of this checkout."""
    pytest.importorskip("hatchling")
    folder = tmp_path_factory.mktemp("wheel")
    pip = [sys.executable, "-m", "pip", "--disable-pip-version-check", "--quiet"]
    done = subprocess.run(
        [*pip, "wheel", "--no-deps", "--no-build-isolation", "--wheel-dir", str(folder), str(ROOT)],
        cwd=folder, capture_output=True, text=True,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr
    (built,) = folder.glob("*.whl")
    return built


@pytest.fixture(scope="module")
def installed(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the wheel and nothing else. Dependencies come from the environment that runs the tests."""
    target = tmp_path_factory.mktemp("installed")
    pip = [sys.executable, "-m", "pip", "--disable-pip-version-check", "--quiet"]
    subprocess.run(
        [*pip, "install", "--no-deps", "--no-index", "--target", str(target), str(wheel)], check=True, cwd=target
    )
    return target


def collage(installed: Path, folder: Path, *arguments: str) -> str:
    """Run the command from the installed wheel, without PyTorch; return what it writes to standard output."""
    done = subprocess.run(
        [sys.executable, "-P", "-c", _GUARDED, str(installed), *arguments],
        cwd=folder, env={**os.environ, "PYTHONPATH": str(installed)}, capture_output=True, text=True,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def files(root: Path, folder: str, suffixes: tuple[str, ...]) -> Iterator[str]:
    for path in sorted((root / folder).rglob("*")):
        if path.suffix in suffixes and "__pycache__" not in path.parts:
            yield path.relative_to(root).as_posix()


def test_it_holds_modules_models_and_the_format(wheel: Path) -> None:
    with zipfile.ZipFile(wheel) as archive:
        names = set(archive.namelist())
        (metadata,) = (name for name in names if name.endswith(".dist-info/METADATA"))
        text = archive.read(metadata).decode()
    expected = {*files(ROOT, "collagecodec", (".py",)), *files(ROOT, "bitstream", (".py",))}
    expected |= {f"collagecodec/_{name}" for name in files(ROOT, "models", (".safetensors", ".toml"))}
    expected |= {"collagecodec/py.typed", "bitstream/py.typed", "bitstream/FORMAT.md"}
    assert expected <= names
    assert not [name for name in names if name.startswith(("eval/", "tests/", "docs/"))]
    for line in (
        "Project-URL: Repository, https://",
        "Project-URL: Changelog, https://",
        "Requires-Python: >=3.11",
    ):
        assert line in text
    assert "Provides-Extra: train" in text


def test_it_encodes_and_decodes_without_checkout_and_pytorch(installed: Path, tmp_path: Path) -> None:
    across = np.linspace(0, 255, 70)
    picture = np.stack(
        [np.tile(across, (40, 1)), np.full((40, 70), 90.0), np.tile(across[::-1], (40, 1))], axis=2
    )
    Image.fromarray(picture.astype(np.uint8)).save(tmp_path / "photo.png")
    collage(installed, tmp_path, "encode", "photo.png")
    assert "aerial" in collage(installed, tmp_path, "info", "photo.clg")
    collage(installed, tmp_path, "decode", "photo.clg", "-o", "decoded.png")
    decoded = np.asarray(Image.open(tmp_path / "decoded.png"), np.float64)
    assert decoded.shape == picture.shape
    assert np.abs(decoded - picture).mean() < 3


def test_the_module_of_the_command_runs(installed: Path, tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-P", "-m", "collagecodec.cli.main", "--version"],
        cwd=tmp_path, env={**os.environ, "PYTHONPATH": str(installed)}, check=True,
        capture_output=True, text=True,
    )  # fmt: skip
    assert done.stdout.strip().startswith("collage")


def test_python_finds_it_by_import_alone(installed: Path, tmp_path: Path) -> None:
    program = (
        "import collagecodec, numpy, sys\n"
        f"assert collagecodec.__file__.startswith({str(installed)!r})\n"
        "data = collagecodec.encode(numpy.full((20, 30), 128, numpy.uint8), quality=30)\n"
        "assert collagecodec.decode(data).shape == (20, 30)\n"
        "assert 'torch' not in sys.modules\n"
    )
    subprocess.run(
        [sys.executable, "-P", "-c", program], cwd=tmp_path, check=True,
        env={**os.environ, "PYTHONPATH": str(installed)},
    )  # fmt: skip
