"""Pictures larger than memory, read and written in bands of rows.

sources          arrays, Pillow images and files as sources of rows
raw              PPM, PAM and NumPy files, which need no decoding
vips             files that Pillow would have to hold in memory as a whole
picture          which arrays and images can be stored, their channels and metadata
pillow_metadata  Pillow images that save their metadata
sinks            picture files, written band by band
png              PNG files, written without a library for the sake of speed
files            `.clg` files by path, and files that are complete or absent
limits           the largest picture
"""

from collagecodec.io.sinks import save_bands
from collagecodec.io.sources import ArraySource, PillowSource, Source, as_source, open_source

__all__ = ["ArraySource", "PillowSource", "Source", "as_source", "open_source", "save_bands"]
