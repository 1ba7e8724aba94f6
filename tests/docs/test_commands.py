"""Every command and every Python block of README.md and docs/ runs, in order, in a clean folder for each page."""

import os
import re
import shlex
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
import skimage.data
from PIL import Image

from collagecodec.cli import main

ROOT = Path(__file__).parents[2]
# The example of this page has a test of its own, in tests/eval/test_documentation.py.
PAGES = [ROOT / "README.md", *sorted(set((ROOT / "docs").glob("*.md")) - {ROOT / "docs" / "adding-a-codec.md"})]
_AERIAL = "models/aerial/config.toml"
_CODECS = "collage;jpeg;webp;jpeg2000-psnr;avif-420-s4;avif-444-s4"
NOT_RUN = {
    ("README.md", "installs software", "pip install collagecodec-0.1.0-py3-none-manylinux_2_17_x86_64.whl"),
    ("quickstart.md", "installs software", "git clone https://github.com/collagecodec/collagecodec"),
    ("collections.md", "installs software", "pip install 'collagecodec[archive,geo]'"),
    ("collections.md", "needs a bucket",
     "collage archive --quality 60 --storage endpoint=http://127.0.0.1:9000 --storage allow_http=true "
     "s3://scans/2026 s3://archive/2026"),
    ("collections.md", "needs a cluster", "dask scheduler &"),
    ("zarr.md", "installs software", "pip install 'collagecodec[geo,zarr,xarray]'"),
    ("zarr.md", "starts a server", "import uvicorn"),
    ("training.md", "installs software", 'pip install -c constraints.txt ".[train]"'),
    ("training.md", "needs data and hours",
     f"collage train {_AERIAL} --data FOLDER --data FOLDER --out runs/aerial --export models/aerial"),
    ("training.md", "needs data and hours",
     "collage train models/aerial-next/config.toml --from models/aerial-next --data FOLDER --data FOLDER "
     "--out runs/mine --export models/mine"),
    ("training.md", "needs data and hours",
     "python -m eval curves --log runs/aerial/log.jsonl --out training.svg"),
    ("training.md", "needs data", "python -m eval ladder --model models/aerial --limit 3"),
    ("research.md", "needs data",
     f'python -m eval rd --data dota-val --psnr-only --codecs "{_CODECS}" --out results-dota'),
    ("coin.md", "runs for minutes",
     "collage encode --codec coin --steps 50000 --checkpoint photo.fit -o long.clg photo.png"),
    ("trust.md", "runs for an hour", "make fuzz HOURS=8"),
    ("paper.md", "needs data", "python -m eval table1 --out results-table1"),
}  # fmt: skip
"""Page, reason and first line of the blocks that are marked as not run."""
PROGRAMS = {"collage": [sys.executable, "-m", "collagecodec.cli.main"], "python": [sys.executable]}
_BLOCK = re.compile(
    r"^(?:<!-- not run: ([^\n]+) -->\n)?```(console|python)\n(.*?)^```$", re.MULTILINE | re.DOTALL
)


@dataclass(frozen=True)
class Block:
    """A block of code: its language, its text, and the reason why it is not run ('' if it is)."""

    language: str
    text: str
    reason: str

    @property
    def commands(self) -> list[str]:
        """The lines of a console block that somebody types."""
        return [line[2:] for line in self.text.splitlines() if line.startswith("$ ")]


def blocks(page: Path) -> Iterator[Block]:
    for reason, language, text in _BLOCK.findall(page.read_text(encoding="utf-8")):
        yield Block(language, text, reason)


def write_raster(path: Path, pixels: np.ndarray) -> None:
    """A GeoTIFF with a corner without data."""
    import rasterio

    pixels = np.maximum(pixels, 1)
    pixels[:30, :50] = 0
    place = {"crs": "EPSG:32633", "transform": rasterio.Affine(0.5, 0, 4e5, 0, -0.5, 5.8e6), "nodata": 0}
    shape = {"height": pixels.shape[0], "width": pixels.shape[1], "count": pixels.shape[2]}
    with rasterio.open(path, "w", driver="GTiff", dtype="uint8", **shape, **place) as file:
        file.write(pixels.transpose(2, 0, 1))


@pytest.fixture
def pictures(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with the pictures that the pages name, and the working directory."""
    astronaut = skimage.data.astronaut()
    Image.fromarray(astronaut[:96, 180:276]).save(tmp_path / "photo.png")
    Image.fromarray(astronaut[200:328, 100:260]).save(tmp_path / "scene.tif")
    write_raster(tmp_path / "ortho.tif", astronaut[100:228, 100:260])
    drawing = np.zeros((64, 64), np.uint8)
    drawing[16:48, 16:48] = 255
    Image.fromarray(drawing).save(tmp_path / "drawing.png")
    (tmp_path / "pictures" / "2026").mkdir(parents=True)
    Image.fromarray(astronaut[:64, 180:244]).save(tmp_path / "pictures" / "one.png")
    Image.fromarray(astronaut[60:124, 180:244]).save(tmp_path / "pictures" / "2026" / "two.jpg")
    monkeypatch.chdir(tmp_path)
    return tmp_path


# webdataset leaves the files that it reads to the garbage collector.
@pytest.mark.filterwarnings("ignore:.*shard.tar:pytest.PytestUnraisableExceptionWarning")
@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_the_page_does_what_it_says(page: Path, pictures: Path) -> None:
    originals = {path: path.read_bytes() for path in pictures.rglob("*.*") if path.is_file()}
    names: dict[str, object] = {"__name__": page.stem}
    for block in blocks(page):
        if block.reason:
            continue
        if block.language == "python":
            exec(compile(block.text, str(page), "exec"), names)
            continue
        assert block.commands
        for command in block.commands:
            # A process each for the first page that people read; the others save the time to start them.
            run(command, pictures, in_process=page.name != "README.md")
    assert originals == {path: path.read_bytes() for path in originals}


def run(command: str, folder: Path, *, in_process: bool) -> None:
    program, *arguments = shlex.split(command, comments=True)
    assert program in PROGRAMS, f"mark the block that holds {command!r} as not run, with the reason"
    if program == "collage" and in_process:
        assert main.run(arguments) == 0, command
        return
    done = subprocess.run(
        [*PROGRAMS[program], *arguments],
        cwd=folder,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, f"{command}\n{done.stdout}{done.stderr}"


def test_what_is_not_run_is_listed() -> None:
    marked = {
        (page.name, block.reason, (block.commands or block.text.splitlines())[0])
        for page in PAGES
        for block in blocks(page)
        if block.reason
    }
    assert marked == NOT_RUN


def test_every_block_is_found() -> None:
    fences = sum(len(re.findall(r"^```\w", page.read_text(encoding="utf-8"), re.MULTILINE)) for page in PAGES)
    assert fences == sum(len(list(blocks(page))) for page in PAGES)
