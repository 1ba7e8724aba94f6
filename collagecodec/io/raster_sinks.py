"""Rasters with a place on Earth, written by rasterio from bands of rows: GeoTIFF, COG, GDAL's other formats."""

from __future__ import annotations

import os
import warnings
from collections.abc import Iterable, Mapping
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
from numpy.typing import NDArray

from collagecodec.errors import UnsupportedImageError
from collagecodec.geo.reference import GeoReference
from collagecodec.io.files import atomic
from collagecodec.io.rasters import import_rasterio

GDAL_PREFIX = "gdal:"
"""Before the name of a driver of GDAL, as in 'gdal:JP2OpenJPEG'."""
_BLOCK = 512
_SIDECAR = ".aux.xml"
_PROFILE = {"compress": "deflate", "bigtiff": "IF_SAFER", "interleave": "pixel"}


def save_raster(
    path: str | os.PathLike[str],
    bands: Iterable[NDArray[Any]],
    *,
    width: int,
    height: int,
    channels: int,
    alpha: bool,
    reference: GeoReference,
    xmp: bytes = b"",
    driver: str = "GTiff",
    options: Mapping[str, Any] | None = None,
    force: bool = False,
) -> int:
    """Write a raster with its reference to `path`; return the number of bytes.

    `bands` are uint8, uint16 or int16 of shape (rows, width, channels) or (rows, width), top to bottom; with
    `alpha` the last channel is alpha. It is written as a band if it was one; otherwise samples become
    `reference.nodata` where it is 0, or without such a value it is the mask of the raster. Everything but GeoTIFF
    is copied from a temporary GeoTIFF beside `path`. `options` are GDAL's creation options.

    The file is complete or absent. Raises OutputExistsError unless `force`, UnsupportedImageError for what the
    driver cannot write, MissingLibraryError, OSError.
    """
    rasterio = import_rasterio()
    from rasterio.shutil import copy

    description = (width, height, channels, alpha)
    with atomic(path, force=force) as partial, warnings.catch_warnings():
        warnings.simplefilter("ignore", rasterio.errors.NotGeoreferencedWarning)
        try:
            if driver == "GTiff":
                _write_geotiff(partial, bands, description, reference, xmp, options or {})
            else:
                with TemporaryDirectory(dir=partial.parent, prefix=".collage-") as folder:
                    plain = Path(folder) / "plain.tif"
                    _write_geotiff(plain, bands, description, reference, xmp, {})
                    made = Path(folder) / "made" / "raster"
                    made.parent.mkdir()
                    copy(plain, made, driver=driver, **(options or {}))
                    _place(made, partial, Path(path), driver)
        except (rasterio.errors.RasterioError, rasterio.errors.RasterioIOError) as error:
            raise UnsupportedImageError(f"{driver} cannot write this picture ({error}); write .tif") from error
        return partial.stat().st_size


def _place(made: Path, partial: Path, final: Path, driver: str) -> None:
    """Move a raster to `partial`, and what GDAL keeps in `made`.aux.xml beside `final`.

    Raises UnsupportedImageError if the driver wrote other files, which would be lost.
    """
    sidecar = made.with_name(made.name + _SIDECAR)
    if others := sorted(file.suffix for file in made.parent.iterdir() if file not in (made, sidecar)):
        raise UnsupportedImageError(
            f"{driver} writes several files ({', '.join(others)} beside the picture), which cannot be kept "
            f"together: write .tif and convert it with gdal_translate -of {driver}"
        )
    if sidecar.exists():
        sidecar.replace(final.with_name(final.name + _SIDECAR))
    made.replace(partial)


def _write_geotiff(
    path: Path,
    bands: Iterable[NDArray[Any]],
    description: tuple[int, int, int, bool],
    reference: GeoReference,
    xmp: bytes,
    options: Mapping[str, Any],
) -> None:
    rasterio = import_rasterio()
    width, height, channels, alpha = description
    count = channels - (alpha and not reference.alpha_band)
    tiled = {"tiled": True, "blockxsize": _BLOCK, "blockysize": _BLOCK} if min(width, height) >= _BLOCK else {}
    dataset, row = None, 0
    writing = _Rows(height, _BLOCK)
    with rasterio.Env(GDAL_TIFF_INTERNAL_MASK=True):
        try:
            for rows in writing.cut(bands, width, channels):
                if dataset is None:
                    profile = {
                        "driver": "GTiff", "width": width, "height": height, "count": count, "dtype": rows.dtype,
                        **_PROFILE, "predictor": 2, **tiled, **options,
                    }  # fmt: skip
                    dataset = rasterio.open(path, "w", **profile)
                    _describe(dataset, reference, xmp)
                _write_rows(dataset, rows, row, alpha, reference)
                row += len(rows)
        finally:
            if dataset is not None:
                dataset.close()


class _Rows:
    """Cuts bands of any height into bands of `step` rows, so that every block of a raster is written once."""

    def __init__(self, height: int, step: int) -> None:
        self._height, self._step = height, step

    def cut(self, bands: Iterable[NDArray[Any]], width: int, channels: int) -> Iterable[NDArray[Any]]:
        waiting: list[NDArray[Any]] = []
        count = done = 0
        for band in bands:
            if not len(band):
                continue
            waiting.append(band.reshape(len(band), width, channels))
            count += len(band)
            while count >= self._step:
                rows = np.concatenate(waiting) if len(waiting) > 1 else waiting[0]
                yield rows[: self._step]
                done += self._step
                waiting, count = [rows[self._step :]], count - self._step
        if count:
            yield np.concatenate(waiting) if len(waiting) > 1 else waiting[0]
        if done + count != self._height:
            raise ValueError(f"the bands end after {done + count} of {self._height} rows")


def _write_rows(dataset: Any, rows: NDArray[Any], row: int, alpha: bool, reference: GeoReference) -> None:
    from rasterio.windows import Window

    window = Window(0, row, dataset.width, len(rows))
    samples, nodata = rows[..., :-1] if alpha else rows, reference.nodata
    if nodata is not None:
        samples = with_nodata(samples, rows[..., -1] > 0 if alpha else None, nodata)
    if alpha and reference.alpha_band:
        dataset.write(np.ascontiguousarray(rows[..., -1:].transpose(2, 0, 1)), [dataset.count], window=window)
        dataset.write(np.ascontiguousarray(samples.transpose(2, 0, 1)), dataset.indexes[:-1], window=window)
        return
    dataset.write(np.ascontiguousarray(samples.transpose(2, 0, 1)), window=window)
    if alpha and nodata is None:
        dataset.write_mask(np.ascontiguousarray(rows[..., -1] > 0), window=window)


def with_nodata(samples: NDArray[Any], valid: NDArray[np.bool_] | None, nodata: float) -> NDArray[Any]:
    """Return samples (..., bands) with `nodata` where `valid` (...) is False, and nowhere else.

    A valid sample that came out as `nodata` moves by one, towards the middle of the range of its type. `valid`
    None means all. If the type cannot hold the value, the samples are returned as they are.
    """
    limits = np.iinfo(samples.dtype)
    if nodata != int(nodata) or not limits.min <= nodata <= limits.max:
        return samples
    value = samples.dtype.type(nodata)
    neighbour = samples.dtype.type(int(nodata) + (1 if nodata < (int(limits.min) + int(limits.max)) / 2 else -1))
    kept: NDArray[Any] = np.where(samples == value, neighbour, samples)
    return kept if valid is None else np.where(valid[..., None], kept, value)


def _describe(dataset: Any, reference: GeoReference, xmp: bytes) -> None:
    """Write CRS, transform, nodata, bands and tags to an open dataset."""
    from rasterio.control import GroundControlPoint
    from rasterio.crs import CRS
    from rasterio.rpc import RPC
    from rasterio.transform import Affine

    if reference.crs:
        dataset.crs = CRS.from_wkt(reference.crs)
    if reference.transform is not None:
        dataset.transform = Affine(*reference.transform)
    if reference.points:
        points = [
            GroundControlPoint(
                point.row, point.column, point.x, point.y, point.z, point.id or None, point.info or None
            )
            for point in reference.points
        ]
        system = reference.points_crs or reference.crs
        dataset.gcps = points, CRS.from_wkt(system) if system else CRS()
    if reference.rpcs:
        dataset.rpcs = RPC(**reference.rpcs)
    if reference.nodata is not None:
        dataset.nodata = reference.nodata
    dataset.update_tags(**reference.tags)
    for name, tags in reference.namespaces.items():
        dataset.update_tags(ns=name, **tags)
    if xmp:
        dataset.update_tags(ns="xml:XMP", **{"xml:XMP": xmp.decode("utf-8", "replace")})
    if len(reference.bands) == dataset.count - reference.alpha_band:
        _describe_bands(dataset, reference)


def _describe_bands(dataset: Any, reference: GeoReference) -> None:
    from rasterio.enums import ColorInterp

    colours = [ColorInterp.__members__.get(band.colour, ColorInterp.undefined) for band in reference.bands]
    if ColorInterp.palette not in colours:
        dataset.colorinterp = colours + [ColorInterp.alpha] * reference.alpha_band
    dataset.scales = [*(band.scale for band in reference.bands), *[1.0] * reference.alpha_band]
    dataset.offsets = [*(band.offset for band in reference.bands), *[0.0] * reference.alpha_band]
    for index, band in enumerate(reference.bands, 1):
        if band.description:
            dataset.set_band_description(index, band.description)
        if band.unit:
            dataset.set_band_unit(index, band.unit)
        if band.tags:
            dataset.update_tags(index, **band.tags)
