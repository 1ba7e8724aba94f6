"""The geographic reference of a picture: the metadata of kind 'geo', a JSON object (FORMAT.md, 2.4.1).

JSON holds what GDAL's data model holds (GeoTIFF's keys do not), needs no library to read, and compresses well.
"""

from __future__ import annotations

import dataclasses
import json
import math
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, field, fields
from typing import Any

from collagecodec.errors import FormatError

Transform = tuple[float, float, float, float, float, float]
"""a, b, c, d, e, f: column x and row y of a pixel's corner lie at (a x + b y + c, d x + e y + f)."""

_RPC_OFFSETS = {"line_off": 1, "samp_off": 0}
_RPC_SCALES = {"line_scale": 1, "samp_scale": 0}


@dataclass(frozen=True)
class Band:
    """What GDAL knows of a band: its description, its colour ('red', 'nir', 'undefined', ...), and its values.

    A sample `v` stands for `scale * v + offset` of `unit`. Statistics are not kept: they hold for the original.
    """

    description: str = ""
    colour: str = ""
    scale: float = 1.0
    offset: float = 0.0
    unit: str = ""
    tags: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class ControlPoint:
    """A ground control point: column and row in pixels, and the place `x`, `y`, `z` in the points' CRS."""

    column: float
    row: float
    x: float
    y: float
    z: float = 0.0
    id: str = ""
    info: str = ""


@dataclass(frozen=True)
class GeoReference:
    """A place on Earth, the meaning of the bands, and tags.

    crs            coordinate reference system as WKT2 (ISO 19162), '' if unknown
    transform      see `Transform`; None if unknown
    nodata         the value of samples that hold no data; None if there is none
    bands          the bands, without a mask
    tags           GDAL's tags of the picture
    namespaces     GDAL's tags of other namespaces
    points         ground control points, in the system `points_crs`
    rpcs           rational polynomial coefficients, by the names of rasterio's `RPC`
    alpha_band     alpha was a band of the raster, not a mask or a nodata value
    """

    crs: str = ""
    transform: Transform | None = None
    nodata: float | None = None
    bands: tuple[Band, ...] = ()
    tags: Mapping[str, str] = field(default_factory=dict)
    namespaces: Mapping[str, Mapping[str, str]] = field(default_factory=dict)
    points: tuple[ControlPoint, ...] = ()
    points_crs: str = ""
    rpcs: Mapping[str, Any] = field(default_factory=dict)
    alpha_band: bool = False

    def to_bytes(self) -> bytes:
        """Return the metadata: compact JSON in UTF-8, without what has its default value."""
        return json.dumps(_sparse(self), ensure_ascii=False, separators=(",", ":"), sort_keys=True).encode()

    @classmethod
    def from_bytes(cls, data: bytes) -> GeoReference:
        """Read metadata. Members that this version does not know are ignored; FormatError if it is not valid."""
        try:
            members = json.loads(data.decode())
            transform = members.get("transform")
            reference = cls(
                **_known(cls, members, "transform", "nodata", "bands", "points"),
                transform=None if transform is None else _transform(transform),
                nodata=None if members.get("nodata") is None else float(members["nodata"]),
                bands=tuple(Band(**_known(Band, band)) for band in members.get("bands", ())),
                points=tuple(ControlPoint(**_known(ControlPoint, point)) for point in members.get("points", ())),
            )
        except (ValueError, TypeError, AttributeError, KeyError) as error:
            raise FormatError(f"the geographic reference of the file is not valid ({error})") from error
        return reference

    def windowed(self, region: tuple[int, int, int, int], size: tuple[int, int]) -> GeoReference:
        """Return the reference of `region` (x, y, width, height) of the picture, resampled to `size`."""
        x, y, width, height = region
        factors = size[0] / width, size[1] / height
        transform = None
        if self.transform is not None:
            a, b, c, d, e, f = self.transform
            right, down = width / size[0], height / size[1]
            transform = (a * right, b * down, a * x + b * y + c, d * right, e * down, d * x + e * y + f)
        points = tuple(
            dataclasses.replace(point, column=(point.column - x) * factors[0], row=(point.row - y) * factors[1])
            for point in self.points
        )
        rpcs = dict(self.rpcs)
        for name, axis in _RPC_OFFSETS.items():
            if name in rpcs:
                # These coordinates count from the centre of the first pixel.
                rpcs[name] = (rpcs[name] + 0.5 - (x, y)[axis]) * factors[axis] - 0.5
        for name, axis in _RPC_SCALES.items():
            if name in rpcs:
                rpcs[name] *= factors[axis]
        return dataclasses.replace(self, transform=transform, points=points, rpcs=rpcs)


def adjusted(
    metadata: Mapping[str, bytes], region: tuple[int, int, int, int], size: tuple[int, int]
) -> dict[str, bytes]:
    """Return metadata whose geographic reference, if there is one, is that of `region` resampled to `size`.

    A reference that cannot be read stays as it is.
    """
    changed = dict(metadata)
    if "geo" in metadata:
        with suppress(FormatError):
            changed["geo"] = GeoReference.from_bytes(metadata["geo"]).windowed(region, size).to_bytes()
    return changed


def _known(cls: type, members: Mapping[str, Any], *without: str) -> dict[str, Any]:
    names = {entry.name for entry in fields(cls)} - set(without)
    return {name: value for name, value in members.items() if name in names}


def _transform(values: Any) -> Transform:
    a, b, c, d, e, f = (float(value) for value in values)
    if not all(map(math.isfinite, (a, b, c, d, e, f))):
        raise ValueError("a transform has six finite numbers")
    return a, b, c, d, e, f


def _sparse(value: Any) -> Any:
    """Return a dataclass as JSON values, without fields that have their default value."""
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        plain = {}
        for entry in fields(value):
            member = getattr(value, entry.name)
            default = entry.default_factory() if callable(entry.default_factory) else entry.default
            if member != default:
                plain[entry.name] = _sparse(member)
        return plain
    if isinstance(value, tuple | list):
        return [_sparse(item) for item in value]
    if isinstance(value, Mapping):
        return {str(key): _sparse(item) for key, item in value.items()}
    if isinstance(value, float) and not math.isfinite(value):
        return str(value)
    return value
