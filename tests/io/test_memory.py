"""Large pictures are streamed in little memory, and small ones without the libraries for large ones."""

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from collagecodec.io import open_source, save_bands

# A picture of 69 MiB: a strip that is repeated downwards.
WIDTH, HEIGHT, STRIP = 1500, 16000, 50


def picture() -> np.ndarray:
    y, x = np.mgrid[:STRIP, :WIDTH]
    strip = np.stack([(x * (3 + c) + y * (7 - c)) // 5 % 251 for c in range(3)], axis=2).astype(np.uint8)
    repeated = np.broadcast_to(strip, (HEIGHT // STRIP, STRIP, WIDTH, 3))
    return repeated.reshape(HEIGHT, WIDTH, 3)


_STREAM = """
import sys
import numpy as np
from collagecodec.io import open_source, save_bands

def peak():
    line = next(line for line in open("/proc/self/status") if line.startswith("VmHWM"))
    return int(line.split()[1]) / 1024

source = open_source(sys.argv[1], large=10**6)
source.rows(0, 1)
size = {"width": 9, "height": 9, "channels": 3}
save_bands(sys.argv[2] + ".warm", [np.zeros((9, 9, 3), np.uint8)], **size, format=sys.argv[3], large=0)
before = peak()
rows = (source.rows(y, min(y + 256, source.height)) for y in range(0, source.height, 256))
size = {"width": source.width, "height": source.height, "channels": 3}
save_bands(sys.argv[2], rows, **size, format=sys.argv[3], large=10**6)
print(peak() - before)
"""


@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="reads VmHWM")
@pytest.mark.parametrize(("source", "target"), [("npy", "png"), ("npy", "tif"), ("png", "npy"), ("tif", "png")])
def test_memory_follows_the_band(tmp_path: Path, source: str, target: str) -> None:
    array, path = picture(), tmp_path / f"in.{source}"
    save_bands(path, [array], width=WIDTH, height=HEIGHT, channels=3, large=10**6)
    command = [sys.executable, "-c", _STREAM, str(path), str(tmp_path / "out"), target]
    growth = float(subprocess.run(command, check=True, capture_output=True, text=True).stdout)
    assert growth < 40, "MiB, for a picture of 69"
    np.testing.assert_array_equal(open_source(tmp_path / "out").rows(0, HEIGHT), array)


def test_small_pictures_do_without_libvips(tmp_path: Path) -> None:
    save_bands(tmp_path / "p.png", [picture()[:9]], width=WIDTH, height=9, channels=3)
    program = (
        "import sys; from collagecodec.io import open_source, save_bands; s = open_source(sys.argv[1]);"
        "save_bands(sys.argv[2], [s.rows(0, s.height)], width=s.width, height=s.height, channels=s.channels);"
        "print([m for m in ('pyvips', 'torch', 'scipy') if m in sys.modules])"
    )
    command = [sys.executable, "-c", program, str(tmp_path / "p.png"), str(tmp_path / "q.tif")]
    assert subprocess.run(command, check=True, capture_output=True, text=True).stdout == "[]\n"
