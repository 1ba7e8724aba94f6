"""Images stored as the parameters of a contractive map.

    import collagecodec
    data = collagecodec.encode(image, quality=60)          # numpy array or Pillow image to bytes
    pixels = collagecodec.decode(data, scale=2)            # to a numpy array at any resolution
    collagecodec.write("photo.clg", image, bpp=0.5)
    pixels = collagecodec.read("photo.clg", region=(0, 0, 512, 512))

Importing it registers the Pillow plugin: `Image.open("x.clg")` and `image.save("x.clg", quality=60)` work.
"""

from collagecodec._version import __version__
from collagecodec.api import Decoded, Info, collages, decode, decode_bands, encode, info, read, write
from collagecodec.errors import (
    CollageError,
    DamagedTileError,
    FormatError,
    LimitError,
    MissingLibraryError,
    ModelMismatchError,
    UnsupportedImageError,
)
from collagecodec.io.files import OutputExistsError
from collagecodec.io.limits import Limits
from collagecodec.plugins import pillow as _pillow

_pillow.register()

__all__ = [
    "CollageError",
    "DamagedTileError",
    "Decoded",
    "FormatError",
    "Info",
    "LimitError",
    "Limits",
    "MissingLibraryError",
    "ModelMismatchError",
    "OutputExistsError",
    "UnsupportedImageError",
    "__version__",
    "collages",
    "decode",
    "decode_bands",
    "encode",
    "info",
    "read",
    "write",
]
