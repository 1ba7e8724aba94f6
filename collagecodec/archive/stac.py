"""A STAC item (version 1.0.0) for each picture, as JSON beside its file."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import Any

from collagecodec.geo.reference import GeoReference
from collagecodec.io.rasters import has_rasterio
from collagecodec.io.sources import Source

MEDIA_TYPE = "image/vnd.collage"
_PROJECTION = "https://stac-extensions.github.io/projection/v2.0.0/schema.json"


def item(path: str, target: str, source: Source, data: bytes) -> bytes:
    """Return the item of a picture; without a reference system that rasterio knows it has no geometry."""
    reference = GeoReference.from_bytes(source.metadata["geo"]) if "geo" in source.metadata else GeoReference()
    box = _box(reference, source.width, source.height)
    properties: dict[str, Any] = {"datetime": _datetime(reference)}
    extensions = []
    if reference.transform is not None:
        extensions.append(_PROJECTION)
        properties |= {
            "proj:wkt2": reference.crs or None,
            "proj:shape": [source.height, source.width],
            "proj:transform": list(reference.transform),
        }
    content: dict[str, Any] = {
        "type": "Feature",
        "stac_version": "1.0.0",
        "stac_extensions": extensions,
        "id": target.rpartition("/")[2].removesuffix(".clg"),
        "geometry": _polygon(*box) if box else None,
        "properties": properties,
        "links": [{"rel": "derived_from", "href": path}],
        "assets": {
            "data": {
                "href": f"./{target.rpartition('/')[2]}",
                "type": MEDIA_TYPE,
                "roles": ["data"],
                "file:size": len(data),
            }
        },
    }
    if box:
        content["bbox"] = list(box)
    return json.dumps(content, ensure_ascii=False, indent=1).encode()


def _datetime(reference: GeoReference) -> str:
    """Return the time of the picture as its tags give it, else that of today."""
    text = reference.tags.get("TIFFTAG_DATETIME", "")
    try:
        moment = datetime.strptime(text, "%Y:%m:%d %H:%M:%S").replace(tzinfo=UTC)
    except ValueError:
        moment = datetime.now(UTC).replace(microsecond=0)
    return moment.isoformat().replace("+00:00", "Z")


def _box(reference: GeoReference, width: int, height: int) -> tuple[float, float, float, float] | None:
    """Return west, south, east, north in degrees."""
    if reference.transform is None or not reference.crs or not has_rasterio():
        return None
    from rasterio.crs import CRS
    from rasterio.errors import CRSError
    from rasterio.warp import transform_bounds

    a, b, c, d, e, f = reference.transform
    corners = [(a * x + b * y + c, d * x + e * y + f) for x in (0, width) for y in (0, height)]
    columns, rows = zip(*corners, strict=True)
    try:
        system = CRS.from_wkt(reference.crs)
        west, south, east, north = transform_bounds(
            system, CRS.from_epsg(4326), min(columns), min(rows), max(columns), max(rows)
        )
    except CRSError:
        return None
    return float(west), float(south), float(east), float(north)


def _polygon(west: float, south: float, east: float, north: float) -> dict[str, Any]:
    ring = [[west, south], [east, south], [east, north], [west, north], [west, south]]
    return {"type": "Polygon", "coordinates": [ring]}
