"""PNG files: any size and banding, metadata, and as many threads as $COLLAGE_THREADS allows."""

import io
import threading
from collections.abc import Iterator

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray
from PIL import Image

from collagecodec.io import png
from collagecodec.io.png import png_chunks

METADATA = {"exif": b"II*\0\x08\0\0\0\0\0\0\0\0\0", "xmp": b"<x/>"}


def gradient(width: int, height: int) -> NDArray[np.uint8]:
    """A picture (height, width, 3) that is not periodic in a block of rows."""
    y, x = np.mgrid[:height, :width]
    return np.stack([(x * (3 + c) + y * (7 - c)) // 5 % 251 for c in range(3)], axis=2).astype(np.uint8)


def written(
    array: NDArray[np.uint8], rows: int, metadata: dict[str, bytes] | None = None, compression: int = 1
) -> bytes:
    """The PNG file of `array` (H, W, C), written in bands of `rows` rows."""
    height, width, channels = array.shape
    bands: Iterator[NDArray[np.uint8]] = (array[start : start + rows] for start in range(0, height, rows))
    return b"".join(png_chunks(bands, (width, height, channels), metadata or {}, compression))


@given(
    width=st.integers(1, 70),
    height=st.integers(1, 70),
    channels=st.integers(1, 4),
    rows=st.integers(1, 80),
    compression=st.integers(0, 9),
    seed=st.integers(0, 9),
)
def test_any_size_and_banding(
    width: int, height: int, channels: int, rows: int, compression: int, seed: int
) -> None:
    array = np.random.default_rng(seed).integers(0, 256, (height, width, channels), np.uint8)
    with Image.open(io.BytesIO(written(array, rows, compression=compression))) as image:
        assert image.mode == ("L", "LA", "RGB", "RGBA")[channels - 1]
        np.testing.assert_array_equal(np.asarray(image).reshape(array.shape), array)


def test_many_blocks_are_the_same_picture() -> None:
    array = gradient(2000, 1100)
    with Image.open(io.BytesIO(written(array, 77, metadata=METADATA))) as image:
        np.testing.assert_array_equal(np.asarray(image), array)
        assert image.info["exif"] == b"Exif\0\0" + METADATA["exif"]


@pytest.mark.parametrize(("threads", "most"), [(1, 1), (3, 3), (9, 4)])
def test_threads_follow_the_variable(threads: int, most: int, monkeypatch: pytest.MonkeyPatch) -> None:
    names, deflate = set(), png._deflate

    def watched(*arguments: object) -> bytes:
        names.add(threading.current_thread().name)
        return deflate(*arguments)  # type: ignore[arg-type]

    monkeypatch.setenv("COLLAGE_THREADS", str(threads))
    monkeypatch.setattr(png, "_deflate", watched)
    written(gradient(1000, 3000), 100)
    if threads == 1:
        assert names == {threading.current_thread().name}
    else:
        assert threading.current_thread().name not in names
        assert 1 <= len(names) <= most


def test_the_file_does_not_depend_on_the_threads(monkeypatch: pytest.MonkeyPatch) -> None:
    files = set()
    for threads in (1, 2, 5):
        monkeypatch.setenv("COLLAGE_THREADS", str(threads))
        files.add(written(gradient(1000, 1500), 100))
    assert len(files) == 1
