"""Rasters with a place on Earth, read by rasterio: GeoTIFF, VRT and what else GDAL knows.

Pixels without data (nodata, a mask) become an alpha channel, and the colours under it are filled smoothly.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from threading import Lock
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from collagecodec.errors import MissingLibraryError, UnsupportedImageError
from collagecodec.geo.reference import Band, ControlPoint, GeoReference
from collagecodec.io.conversion import opaque
from collagecodec.io.filling import CELL, Filler
from collagecodec.io.limits import check_size

if TYPE_CHECKING:
    from rasterio import DatasetReader

STRIP = 8 * CELL
"""Rows that are read and filled at a time."""

SUFFIXES = frozenset([".tif", ".tiff", ".gtiff", ".vrt", ".jp2", ".img"])
"""Suffixes of files that rasterio is asked about first."""
_SIDECARS = (".aux.xml", ".ovr.xml")
_WORLD_FILES = (".wld", ".tfw", ".pgw", ".jgw", ".pngw", ".jpgw", ".tifw")
_GEO_TAGS = frozenset((33550, 33922, 34264, 34735, 42112, 42113, 50844))
"""Tags of a GeoTIFF: pixel scale, tie points, transformation, keys, GDAL's metadata and nodata, RPC."""
_OTHER_NAMESPACES = frozenset(("IMAGE_STRUCTURE", "DERIVED_SUBDATASETS", "SUBDATASETS", "RPC", "xml:XMP", "EXIF"))
_STATISTICS = "STATISTICS_"
REMEDY = "pip install 'collagecodec[geo]'"


def import_rasterio() -> Any:
    """Return the module rasterio; MissingLibraryError says how to install it."""
    try:
        import rasterio
    except ImportError as error:
        raise MissingLibraryError(f"geographic pictures need rasterio ({error}): {REMEDY}") from error
    return rasterio


def has_rasterio() -> bool:
    """Return whether rasterio can be imported."""
    try:
        import_rasterio()
    except MissingLibraryError:
        return False
    return True


def may_be_raster(path: Path) -> bool:
    """Return whether rasterio may know more of a file than Pillow does, judged by names alone."""
    if path.suffix.lower() in SUFFIXES:
        return True
    return any(path.with_name(path.name + suffix).exists() for suffix in _SIDECARS) or any(
        path.with_suffix(suffix).exists() for suffix in _WORLD_FILES
    )


def has_geo_tags(tags: Mapping[int, Any]) -> bool:
    """Return whether the tags of a TIFF file (Pillow's `tag_v2`) say where it lies on Earth or lacks data."""
    return bool(_GEO_TAGS & set(tags))


def open_raster(path: Path, page: int | None = None, *, any_type: bool = False) -> RasterSource | None:
    """Return a source for a raster; None if rasterio cannot read it or knows nothing that Pillow does not.

    With `any_type` the samples may be of any type, floating point included.

    Raises UnsupportedImageError for a raster that cannot be stored, MissingLibraryError, LimitError.
    """
    rasterio = import_rasterio()
    name = f"GTIFF_DIR:{page}:{path}" if page is not None else str(path)
    import warnings

    with warnings.catch_warnings():
        warnings.simplefilter("ignore", rasterio.errors.NotGeoreferencedWarning)
        try:
            dataset = rasterio.open(name)
        except rasterio.errors.RasterioIOError:
            return None
        if not dataset.count or not _says_more(dataset):
            dataset.close()
            return None
        if page is None and dataset.subdatasets:
            count = len(dataset.subdatasets)
            dataset.close()
            raise UnsupportedImageError(
                f"the raster holds {count} pictures: choose one with page=1 (--page 1), or by its name in GDAL"
            )
        return RasterSource(dataset, any_type=any_type)


def _says_more(dataset: DatasetReader) -> bool:
    """Return whether a raster has a place on Earth, nodata, or bands that Pillow cannot hold."""
    from rasterio.enums import ColorInterp

    colours = [kind for kind in dataset.colorinterp if kind != ColorInterp.alpha]
    if len(colours) not in (1, 3) or dataset.dtypes[0] in ("uint16", "int16"):
        return True
    if len(colours) == 3 and colours[0] == ColorInterp.gray:
        return True
    described = any(dataset.descriptions) or any(value is not None for value in dataset.nodatavals)
    placed = dataset.crs is not None or not dataset.transform.is_identity or dataset.gcps[0] or dataset.rpcs
    return bool(placed or described or dataset.driver == "VRT")


class RasterSource:
    """A raster that rasterio opened, with the types that a file can hold: uint8, uint16 and int16.

    The last channel is alpha if the raster has an alpha band, a mask or a nodata value, and any pixel is without
    data: `alpha` says so, and `converted` says in words what was done. A pixel is without data if every band is.
    Raises UnsupportedImageError, LimitError.
    """

    def __init__(self, dataset: DatasetReader, *, any_type: bool = False) -> None:
        from rasterio.enums import ColorInterp

        self._dataset, self._lock = dataset, Lock()
        self.width, self.height = dataset.width, dataset.height
        check_size(self.width, self.height)
        self._colours: NDArray[np.uint8] | None = None
        self._bands = [
            index for index, kind in zip(dataset.indexes, dataset.colorinterp, strict=True)
            if kind != ColorInterp.alpha
        ]  # fmt: skip
        if dataset.count == 1 and dataset.colorinterp[0] == ColorInterp.palette:
            self._colours = _palette(dataset.colormap(1))
        self.dtype = _sample_type(dataset, self._colours is not None, any_type)
        alphas = [index for index in dataset.indexes if index not in self._bands]
        self._alpha_band = alphas[0] if alphas else None
        self._strips: dict[int, NDArray[Any]] = {}
        self._filler: Filler | None = None
        self.converted = ""
        count = 3 if self._colours is not None else len(self._bands)
        if self._has_mask():
            self._filler = Filler(self._read, self.width, self.height, count)
        masked = self._filler is not None and not self._filler.fully_valid
        self.alpha = masked or self._alpha_band is not None
        self.channels = count + self.alpha
        if masked and self._alpha_band is None:
            self.converted = f"{self._mask_name()} stored as alpha, exactly"
        self.metadata: Mapping[str, bytes] = _metadata_of(dataset, self._bands)

    def _has_mask(self) -> bool:
        from rasterio.enums import MaskFlags

        return any(MaskFlags.all_valid not in flags for flags in self._dataset.mask_flag_enums)

    def _mask_name(self) -> str:
        nodata = self._dataset.nodata
        return "its mask is" if nodata is None else f"nodata {nodata:g} is"

    def _read(self, start: int, stop: int) -> tuple[NDArray[Any], NDArray[np.bool_]]:
        """Return rows of the bands (rows, width, bands) and whether each pixel has data (rows, width)."""
        from rasterio.errors import RasterioIOError
        from rasterio.windows import Window

        window = Window(0, start, self.width, stop - start)
        try:
            with self._lock:
                samples = self._dataset.read(self._bands, window=window)
                mask = self._dataset.dataset_mask(window=window)
        except RasterioIOError as error:
            raise UnsupportedImageError(
                f"the raster cannot be read ({error}): it is damaged or cut off; copy it again"
            ) from error
        pixels = samples.transpose(1, 2, 0)
        if self._colours is not None:
            pixels = self._colours[pixels[..., 0]]
        return pixels, mask > 0

    def rows(self, start: int, stop: int) -> NDArray[Any]:
        """See `collagecodec.io.sources.Source.rows`."""
        first, last = start // STRIP, (stop - 1) // STRIP
        for number in [number for number in self._strips if number < first]:
            del self._strips[number]
        strips = [self._strip(number) for number in range(first, last + 1)]
        rows = strips[0] if len(strips) == 1 else np.concatenate(strips)
        return rows[start - first * STRIP : stop - first * STRIP]

    def _alpha(self, valid: NDArray[np.bool_], start: int) -> NDArray[Any]:
        if self._alpha_band is None:
            return np.where(valid, opaque(self.dtype), 0).astype(self.dtype)
        from rasterio.windows import Window

        with self._lock:
            window = Window(0, start, self.width, len(valid))
            band: NDArray[Any] = self._dataset.read(self._alpha_band, window=window)
        return band

    def _strip(self, number: int) -> NDArray[Any]:
        if number not in self._strips:
            start = number * STRIP
            samples, valid = self._read(start, min(self.height, start + STRIP))
            if self.alpha and self._filler is not None:
                filled = self._filler.fill(samples, valid, start)
                alpha = self._alpha(valid, start)
                samples = np.concatenate([filled, alpha[..., None]], axis=2)
            strip = np.ascontiguousarray(samples)
            strip.flags.writeable = False
            self._strips[number] = strip
        return self._strips[number]


def _sample_type(dataset: DatasetReader, palette: bool, any_type: bool) -> np.dtype[Any]:
    kinds = sorted({dataset.dtypes[index] for index in range(dataset.count)})
    if any_type and not any("complex" in kind for kind in kinds):
        return np.result_type(*map(np.dtype, kinds))
    if palette or kinds == ["uint8"]:
        return np.dtype(np.uint8)
    if kinds in (["uint16"], ["int16"]):
        return np.dtype(kinds[0])
    raise UnsupportedImageError(
        f"bands of type {', '.join(kinds)} cannot be stored as they are: scale them to 8 bits with to_8bit=True "
        "(--to-8bit), or to 16 with gdal_translate -ot UInt16 -scale"
    )


def _palette(colormap: Mapping[int, tuple[int, ...]]) -> NDArray[np.uint8]:
    colours = np.zeros((256, 3), np.uint8)
    for index, colour in colormap.items():
        if index < 256:
            colours[index] = colour[:3]
    return colours


def _metadata_of(dataset: DatasetReader, bands: list[int]) -> dict[str, bytes]:
    metadata = {"geo": reference_of(dataset, bands).to_bytes()}
    xmp = dataset.tags(ns="xml:XMP").get("xml:XMP")
    if xmp:
        metadata["xmp"] = xmp.encode()
    return metadata


def reference_of(dataset: DatasetReader, bands: list[int] | None = None) -> GeoReference:
    """Return the geographic reference of an open raster, of `bands` (from 1 on) alone if they are given."""
    points, points_crs = dataset.gcps
    return GeoReference(
        crs=_wkt(dataset.crs),
        transform=None if dataset.transform.is_identity else tuple(dataset.transform)[:6],
        nodata=dataset.nodata,
        bands=tuple(_band_of(dataset, index) for index in bands or dataset.indexes),
        tags=dataset.tags(),
        namespaces={
            name: dataset.tags(ns=name) for name in dataset.tag_namespaces() if name not in _OTHER_NAMESPACES
        },
        points=tuple(
            ControlPoint(point.col, point.row, point.x, point.y, point.z or 0.0, point.id or "", point.info or "")
            for point in points
        ),
        points_crs=_wkt(points_crs),
        alpha_band=bands is not None and len(bands) < dataset.count,
        rpcs={} if dataset.rpcs is None else dict(dataset.rpcs.to_dict()),
    )


def _wkt(crs: Any) -> str:
    return "" if crs is None else str(crs.to_wkt(version="WKT2_2019"))


def _band_of(dataset: DatasetReader, index: int) -> Band:
    return Band(
        description=dataset.descriptions[index - 1] or "",
        colour=dataset.colorinterp[index - 1].name,
        scale=dataset.scales[index - 1],
        offset=dataset.offsets[index - 1],
        unit=dataset.units[index - 1] or "",
        tags={key: value for key, value in dataset.tags(index).items() if not key.startswith(_STATISTICS)},
    )
