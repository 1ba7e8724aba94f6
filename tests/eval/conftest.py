"""Pictures to measure on, made here so that no data set is needed."""

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import skimage.data
from click.testing import CliRunner, Result
from PIL import Image
from scenes import scene

from eval.cli import main
from eval.harness.datasets import Picture, open_set

RESULTS = Path(__file__).parents[2] / "eval" / "results"


@pytest.fixture(autouse=True)
def _committed_results_stay_unchanged() -> Iterator[None]:
    """Fail a test that writes into the results of the checkout."""
    before = _state()
    yield
    assert _state() == before


def _state() -> dict[Path, int]:
    return {path: path.stat().st_mtime_ns for path in RESULTS.rglob("*")}


@pytest.fixture(scope="session")
def photograph(tmp_path_factory: pytest.TempPathFactory) -> Picture:
    """A photograph of 300x451 pixels that ships with scikit-image."""
    folder = tmp_path_factory.mktemp("photograph")
    Image.fromarray(skimage.data.chelsea()).save(folder / "cat.png")
    return open_set(str(folder)).pictures[0]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A folder of three small pictures: a.png, b.png, c.png."""
    pictures = tmp_path / "pictures"
    pictures.mkdir()
    for seed, name in enumerate("abc"):
        Image.fromarray(scene(seed)).save(pictures / f"{name}.png")
    return pictures


@pytest.fixture
def command() -> Callable[..., Result]:
    """Run `python -m eval` with these words in this process."""

    def run(*words: object) -> Result:
        return CliRunner().invoke(main, [str(word) for word in words])

    return run
