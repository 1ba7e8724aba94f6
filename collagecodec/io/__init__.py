"""Pictures larger than memory, read and written in bands of rows.

sources   what is read: arrays, Pillow images, files
raw       PPM and NumPy files, which need no decoding
vips      files that Pillow would have to hold in memory as a whole
sinks     what is written: picture files, band by band
png       PNG, written here so that it is fast and needs no library
"""

from collagecodec.io.sinks import save_bands
from collagecodec.io.sources import ArraySource, PillowSource, Source, as_source, open_source

__all__ = ["ArraySource", "PillowSource", "Source", "as_source", "open_source", "save_bands"]
