"""The engine of xarray: lazy windows, coordinates, and what rioxarray and rio-tiler make of them."""

from __future__ import annotations

import subprocess
import sys
import urllib.parse
import urllib.request
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from tiny_model import scene

import collagecodec

xarray = pytest.importorskip("xarray", reason="the extra xarray is not installed")
rasterio = pytest.importorskip("rasterio", reason="the extra geo is not installed")


pytestmark = [
    pytest.mark.filterwarnings("ignore:Use `@` matmul:PendingDeprecationWarning"),
    pytest.mark.filterwarnings("ignore:Dataset has no geotransform"),
]


@pytest.fixture
def file(tmp_path: Path) -> Path:
    """A raster of 200 x 160 metres in UTM zone 33, its left part without data."""
    picture = np.maximum(scene(160, 200), 1)
    picture[:, :50] = 0
    profile = {"crs": "EPSG:32633", "transform": rasterio.Affine(1, 0, 4e5, 0, -1, 5.8e6), "nodata": 0}
    with rasterio.open(
        tmp_path / "scene.tif", "w", driver="GTiff", width=200, height=160, count=3, dtype="uint8", **profile
    ) as raster:
        raster.write(picture.transpose(2, 0, 1))
        raster.descriptions = ("r", "g", "b")
    collagecodec.write(tmp_path / "scene.clg", tmp_path / "scene.tif", effort=0)
    return tmp_path / "scene.clg"


def test_a_window_is_decoded_when_it_is_used(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    regions: list[Any] = []
    decode = collagecodec.api.decode
    monkeypatch.setattr(
        "collagecodec.api.decode",
        lambda data, **options: regions.append(options["region"]) or decode(data, **options),
    )
    image = xarray.open_dataset(file, engine="clg").image
    assert (image.dims, image.shape, image.dtype) == (("band", "y", "x"), (4, 160, 200), np.uint8)
    window = image.isel(y=slice(20, 30), x=slice(60, 140, 2), band=[0, 2])
    assert regions == []
    expected = decode(file)[20:30, 60:140:2][..., [0, 2]].transpose(2, 0, 1)
    np.testing.assert_array_equal(window.values, expected)
    assert regions == [(60, 20, 79, 10)] or regions == [(60, 20, 80, 10)]
    np.testing.assert_array_equal(image.isel(y=5, x=100).values, decode(file)[5, 100])
    assert image.isel(x=slice(0, 0)).values.shape == (4, 160, 0)


def test_the_suffix_leads_to_the_engine(file: Path) -> None:
    dataset = xarray.open_dataset(file)
    assert dataset.image.attrs["long_name"] == ("r", "g", "b", "alpha")
    assert xarray.open_dataset(file.read_bytes(), engine="clg").sizes == dataset.sizes
    assert "spatial_ref" not in xarray.open_dataset(file, drop_variables="spatial_ref")


def test_rioxarray_knows_the_place(file: Path) -> None:
    pytest.importorskip("rioxarray")
    image = xarray.open_dataset(file, engine="clg").image
    assert image.rio.crs == rasterio.CRS.from_epsg(32633)
    assert tuple(image.rio.transform())[:6] == (1, 0, 4e5, 0, -1, 5.8e6)
    part = image.rio.clip_box(400_100, 5_799_900, 400_150, 5_799_950)
    assert part.shape == (4, 50, 50)
    np.testing.assert_array_equal(part.values, collagecodec.decode(file)[50:100, 100:150].transpose(2, 0, 1))


SERVER = """
import socket, sys, uvicorn
from fastapi import FastAPI
from titiler.core.factory import TilerFactory
from collagecodec.plugins.rio_tiler import ClgReader
app = FastAPI()
app.include_router(TilerFactory(reader=ClgReader).router)
listener = socket.create_server(("127.0.0.1", 0))
print(listener.getsockname()[1], flush=True)
uvicorn.Server(uvicorn.Config(app, log_level="critical")).run(sockets=[listener])
"""


def test_a_running_titiler_serves_tiles(file: Path) -> None:
    pytest.importorskip("titiler.core.factory")
    pytest.importorskip("uvicorn")
    from collagecodec.plugins.rio_tiler import ClgReader

    with ClgReader(str(file)) as reader:
        west, south, east, north = reader.get_geographic_bounds("EPSG:4326")
        tile = reader.tms.tile((west + east) / 2, (south + north) / 2, 18)
        expected = reader.tile(tile.x, tile.y, 18, indexes=(1, 2, 3)).data
    server = subprocess.Popen([sys.executable, "-W", "ignore", "-c", SERVER], stdout=subprocess.PIPE, text=True)
    try:
        assert server.stdout is not None
        port = int(server.stdout.readline())
        query = urllib.parse.urlencode([("url", str(file)), *(("bidx", band) for band in (1, 2, 3))])
        address = f"http://127.0.0.1:{port}/tiles/WebMercatorQuad/18/{tile.x}/{tile.y}.png?{query}"
        with urllib.request.urlopen(address, timeout=60) as answer:
            assert answer.headers["content-type"] == "image/png"
            content = answer.read()
    finally:
        server.terminate()
        server.wait()
        if server.stdout is not None:
            server.stdout.close()
    with rasterio.MemoryFile(content) as memory, memory.open() as png:
        pixels = png.read()
    assert pixels.shape[1:] == (256, 256)
    np.testing.assert_array_equal(pixels[:3], expected)
    assert pixels[:3].std() > 5


def test_a_picture_without_a_place_has_no_tiles(tmp_path: Path) -> None:
    pytest.importorskip("rio_tiler")
    from collagecodec.plugins.rio_tiler import ClgReader

    collagecodec.write(tmp_path / "plain.clg", scene(20, 20), codec="dct")
    with pytest.raises(collagecodec.UnsupportedImageError, match="no place on Earth"):
        ClgReader(str(tmp_path / "plain.clg"))
