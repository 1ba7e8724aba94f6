"""GeoTIFF in, GeoTIFF out: what is kept, what follows a window, and what stands under a mask."""

from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from tiny_model import scene

import collagecodec
from collagecodec.cli.main import run
from collagecodec.geo.reference import Band, ControlPoint, GeoReference
from collagecodec.io.filling import CELL, Filler
from collagecodec.io.opening import open_source
from collagecodec.io.raster_sinks import with_nodata

rasterio = pytest.importorskip("rasterio", reason="the extra geo is not installed")

TRANSFORM = (0.25, 0.0, 400_000.0, 0.0, -0.25, 5_800_000.0)
Y, X = np.mgrid[:130, :170]
VALID = (np.abs(X * 0.9 + Y * 0.3 - 90) < 60) & (Y > 10)
ENCODE = ("encode", "--codec", "dct")


@pytest.fixture(autouse=True)
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


def write(
    name: str, samples: NDArray[np.generic], mask: NDArray[np.bool_] | None = None, **profile: object
) -> None:
    """A GeoTIFF of samples (rows, width, bands) with everything that a raster can say about itself."""
    height, width, count = samples.shape
    settings = {"crs": "EPSG:32633", "transform": rasterio.Affine(*TRANSFORM)} | profile
    with (
        rasterio.Env(GDAL_TIFF_INTERNAL_MASK=True),
        rasterio.open(
            name, "w", driver="GTiff", width=width, height=height, count=count, dtype=samples.dtype, **settings
        ) as file,
    ):
        file.write(samples.transpose(2, 0, 1))
        if mask is not None:
            file.write_mask(mask)
        file.descriptions = tuple(f"band {index}" for index in range(count))
        file.scales, file.offsets, file.units = (0.1,) * count, (2.0,) * count, ("m",) * count
        file.update_tags(MISSION="one", AREA_OR_POINT="Point")
        file.update_tags(1, wavelength="650", STATISTICS_MEAN="3")
        file.update_tags(ns="OTHER", key="value")


def picture() -> NDArray[np.uint8]:
    return np.where(VALID[..., None], np.maximum(scene(130, 170), 1), 0).astype(np.uint8)


def test_nothing_is_lost() -> None:
    write("scene.tif", picture(), nodata=0)
    assert run([*ENCODE, "--codec", "collage", "--effort", "0", "scene.tif"]) == 0
    assert run(["decode", "-o", "back.tif", "scene.clg"]) == 0
    with rasterio.open("scene.tif") as before, rasterio.open("back.tif") as after:
        for name in ("crs", "transform", "nodata", "descriptions", "scales", "offsets", "units", "colorinterp"):
            assert getattr(after, name) == getattr(before, name), name
        assert after.dtypes == before.dtypes
        assert after.tags()["MISSION"] == "one"
        assert after.tags()["AREA_OR_POINT"] == "Point"
        assert after.tags(1) == {"wavelength": "650"}
        assert after.tags(ns="OTHER") == {"key": "value"}
        np.testing.assert_array_equal(after.dataset_mask(), before.dataset_mask())
        error = (after.read().astype(int) - before.read())[:, VALID]
    assert np.abs(error).mean() < 5


def test_a_mask_without_nodata_is_a_mask_again() -> None:
    write("scene.tif", scene(130, 170), VALID)
    assert run([*ENCODE, "--set", "step=8", "scene.tif"]) == 1  # dct has no alpha
    assert run(["encode", "--effort", "0", "scene.tif"]) == 0
    assert run(["decode", "-o", "back.tif", "scene.clg"]) == 0
    with rasterio.open("back.tif") as after:
        assert (after.count, after.nodata) == (3, None)
        np.testing.assert_array_equal(after.dataset_mask() > 0, VALID)


def test_soft_alpha_stays_a_band() -> None:
    picture = np.concatenate([scene(130, 170), (X + Y).astype(np.uint8)[..., None]], axis=2)
    write("scene.tif", picture, photometric="RGB", alpha="YES")
    assert run(["encode", "--effort", "0", "scene.tif"]) == 0
    assert run(["decode", "-o", "back.tif", "scene.clg"]) == 0
    with rasterio.open("back.tif") as after:
        assert after.colorinterp[3] == rasterio.enums.ColorInterp.alpha
        np.testing.assert_array_equal(after.read(4), picture[..., 3])


def test_the_mask_is_said(capsys: pytest.CaptureFixture[str]) -> None:
    write("scene.tif", picture()[..., :1], nodata=0)
    assert run(["encode", "--effort", "0", "scene.tif"]) == 0
    assert "note: nodata 0 is stored as alpha, exactly" in capsys.readouterr().err
    assert collagecodec.info("scene.clg").mode == "LA"


def test_a_nodata_value_that_no_pixel_has_costs_nothing() -> None:
    write("scene.tif", np.maximum(scene(130, 170), 1), nodata=0)
    source = open_source("scene.tif")
    assert source.channels == 3
    assert GeoReference.from_bytes(source.metadata["geo"]).nodata == 0


def test_windows_move_the_transform(capsys: pytest.CaptureFixture[str]) -> None:
    write("scene.tif", scene(130, 170))
    assert run([*ENCODE, "scene.tif"]) == 0
    assert run(["decode", "--region", "40,20,80,60", "--scale", "1/2", "-o", "part.tif", "scene.clg"]) == 0
    with rasterio.open("part.tif") as part:
        assert part.shape == (30, 40)
        assert tuple(part.transform)[:6] == (0.5, 0.0, 400_010.0, 0.0, -0.5, 5_799_995.0)
    capsys.readouterr()
    assert run(["decode", "-o", "part.png", "scene.clg"]) == 0
    assert "note: without its place on Earth" in capsys.readouterr().err


def test_other_formats_of_gdal(capsys: pytest.CaptureFixture[str]) -> None:
    write("scene.tif", scene(600, 700))
    assert run([*ENCODE, "scene.tif"]) == 0
    assert run(["decode", "--format", "cog", "-o", "copy.tif", "scene.clg"]) == 0
    with rasterio.open("copy.tif") as copy:
        assert copy.crs == rasterio.CRS.from_epsg(32633)
        np.testing.assert_array_equal(copy.read().transpose(1, 2, 0), collagecodec.read("scene.clg"))
        assert copy.tags(ns="IMAGE_STRUCTURE")["LAYOUT"] == "COG"
    assert run(["decode", "--format", "gdal:JP2OpenJPEG", "-o", "copy.jp2", "scene.clg"]) == 0
    with rasterio.open("copy.jp2") as copy:
        assert tuple(copy.transform)[:6] == TRANSFORM
    assert run(["decode", "--format", "gdal:ENVI", "-o", "copy.img", "scene.clg"]) == 1
    assert "ENVI writes several files" in capsys.readouterr().err
    assert not Path("copy.img").exists()


def test_a_damaged_raster_is_one_line(capsys: pytest.CaptureFixture[str]) -> None:
    write("scene.tif", scene(600, 700), compress="deflate")
    content = Path("scene.tif").read_bytes()
    Path("scene.tif").write_bytes(content[: len(content) // 2])
    assert run([*ENCODE, "scene.tif"]) == 1
    assert "internal error" not in capsys.readouterr().err
    assert not Path("scene.clg").exists()


def test_without_rasterio_nothing_is_lost_in_silence(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    write("scene.tif", scene(130, 170))
    assert run([*ENCODE, "-o", "geo.clg", "scene.tif"]) == 0
    monkeypatch.setitem(__import__("sys").modules, "rasterio", None)
    assert run([*ENCODE, "scene.tif"]) == 1
    assert "pip install 'collagecodec[geo]'" in capsys.readouterr().err
    assert run([*ENCODE, "--no-geo", "scene.tif"]) == 0
    assert "geo" not in collagecodec.info("scene.clg").metadata
    capsys.readouterr()
    assert run(["decode", "-o", "plain.tif", "geo.clg"]) == 0
    assert "note: without its place on Earth, which rasterio would write" in capsys.readouterr().err


def test_scaled_samples_keep_their_meaning() -> None:
    heights = (X * 3.0 + Y - 200).astype(np.float32)[..., None]
    heights[~VALID] = np.nan
    write("heights.tif", heights, nodata=np.nan)
    assert run([*ENCODE, "heights.tif"]) == 1
    assert run(["encode", "--effort", "0", "-q", "90", "--to-8bit", "heights.tif"]) == 0
    assert run(["decode", "-o", "back.tif", "heights.clg"]) == 0
    with rasterio.open("back.tif") as back:
        np.testing.assert_array_equal(back.dataset_mask() > 0, VALID)
        # The original's own scale 0.1 and offset 2 hold for the heights.
        values = back.read(1) * back.scales[0] + back.offsets[0]
    assert np.abs(values - (heights[..., 0] * 0.1 + 2))[VALID].max() < 1.5


def test_references_round_trip_and_ignore_what_they_do_not_know() -> None:
    reference = GeoReference(
        crs="LOCAL", transform=TRANSFORM, nodata=-9999.0, bands=(Band("red", "red", tags={"a": "b"}), Band()),
        tags={"k": "v"}, points=(ControlPoint(1.5, 2.5, 3, 4),), points_crs="P",
        rpcs={"line_off": 10.0, "line_scale": 5.0, "samp_off": 20.0, "samp_scale": 7.0},
    )  # fmt: skip
    data = reference.to_bytes()
    assert GeoReference.from_bytes(data) == reference
    assert GeoReference.from_bytes(data[:-1] + b',"later":1}') == reference
    assert GeoReference.from_bytes(b"{}") == GeoReference()
    part = reference.windowed((2, 4, 8, 6), (16, 3))
    assert part.points[0] == ControlPoint(-1.0, -0.75, 3, 4)
    assert part.rpcs == {"line_off": 2.75, "line_scale": 2.5, "samp_off": 36.5, "samp_scale": 14.0}
    for damaged in (b"[]", b"{", b'{"transform":[1,2]}', b'{"transform":[1,2,3,4,5,1e999]}', b'{"bands":[3]}'):
        with pytest.raises(collagecodec.FormatError):
            GeoReference.from_bytes(damaged)


def test_nodata_stands_for_itself_alone() -> None:
    samples = np.array([[[0, 9]], [[0, 0]]], np.uint8)
    valid = np.array([[True], [False]])
    assert with_nodata(samples, valid, 0).tolist() == [[[1, 9]], [[0, 0]]]
    assert with_nodata(samples, valid, 255).tolist() == [[[0, 9]], [[255, 255]]]
    assert with_nodata(np.full((1, 1, 1), 255, np.uint8), None, 255).tolist() == [[[254]]]
    assert with_nodata(samples, valid, -9999) is samples
    assert with_nodata(samples, valid, 0.5) is samples


def test_filled_colours_continue_those_around_them() -> None:
    ramp = np.stack([X, Y, X + Y], axis=2).astype(np.float64)[:128]
    valid = np.hypot(X[:128] - 80, Y[:128] - 60) > 30
    broken = np.where(valid[..., None], ramp, 0)
    filler = Filler(lambda start, stop: (broken[start:stop], valid[start:stop]), 170, 128, 3)
    filled = np.concatenate(
        [filler.fill(broken[top : top + CELL], valid[top : top + CELL], top) for top in range(0, 128, CELL)]
    )
    np.testing.assert_array_equal(filled[valid], ramp[valid])
    # Nowhere far from the ramp, and no step at the edge of the mask.
    assert np.abs(filled - ramp).max() < 25
    assert np.abs(np.diff(filled, axis=1)).max() < 12
    assert not filler.fully_valid
    nothing = Filler(lambda start, stop: (broken[start:stop], valid[start:stop] & False), 170, 128, 3)
    assert not nothing.fill(broken[:CELL], valid[:CELL] & False, 0).any()
