"""Pictures larger than memory, read and written in bands of rows.

sources          arrays and Pillow images as sources of rows
opening          any picture as a source: arrays, images, files
conversion       pages, colours and depths that are converted on request
rasters          pictures with a place on Earth, read by rasterio
filling          smooth colours under a mask
raw              PPM, PAM and NumPy files, which need no decoding
vips             files that Pillow would have to hold in memory as a whole
picture          which arrays and images can be stored, their channels and metadata
pillow_metadata  Pillow images that save their metadata
saving           decoded pictures into files of any format
sinks            picture files, written band by band
raster_sinks     rasters with a place on Earth, written by rasterio
png              PNG files, written without a library for the sake of speed
files            `.clg` files by path, and files that are complete or absent
limits           the largest picture
"""

from collagecodec.io.opening import as_source, open_source
from collagecodec.io.sinks import save_bands
from collagecodec.io.sources import ArraySource, PillowSource, Source

__all__ = ["ArraySource", "PillowSource", "Source", "as_source", "open_source", "save_bands"]
