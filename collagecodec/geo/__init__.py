"""Where a picture lies on Earth, and what its bands mean; rasterio comes in with `collagecodec.io` only."""

from collagecodec.geo.reference import Band, ControlPoint, GeoReference, adjusted

__all__ = ["Band", "ControlPoint", "GeoReference", "adjusted"]
