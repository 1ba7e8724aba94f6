"""Pictures to measure on, made here so that no data set is needed."""

import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import skimage.data
from click.testing import CliRunner, Result
from PIL import Image
from scenes import scene
from selenium import webdriver
from selenium.webdriver.remote.webdriver import WebDriver

from eval.cli import main
from eval.harness.datasets import Picture, open_set

CHROMIUM = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
DRIVER = shutil.which("chromedriver")
FLAGS = (
    "--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-sync",
    "--disable-background-networking", "--disable-component-update", "--window-size=1200,2400",
    # Smooth scrolling would move buttons away from under the click.
    "--force-prefers-reduced-motion",
    # Nothing may be fetched: every name resolves to nowhere.
    "--host-resolver-rules=MAP * ~NOTFOUND",
)  # fmt: skip

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


@pytest.fixture
def browser(tmp_path: Path) -> Iterator[WebDriver]:
    """A headless Chromium without a network."""
    if not (CHROMIUM and DRIVER):
        pytest.skip("no chromium with chromedriver on this machine")
    options = webdriver.ChromeOptions()
    options.binary_location = str(CHROMIUM)
    for flag in (*FLAGS, f"--user-data-dir={tmp_path / 'profile'}"):
        options.add_argument(flag)
    options.set_capability("goog:loggingPrefs", {"browser": "ALL"})
    driver = webdriver.Chrome(options, webdriver.ChromeService(DRIVER))
    yield driver
    driver.quit()
