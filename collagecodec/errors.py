"""The exceptions of the project, for users; the tree is drawn in `bitstream.errors`, where they are defined."""

from bitstream.errors import (
    CollageError,
    DamagedTileError,
    FormatError,
    LimitError,
    MissingLibraryError,
    ModelMismatchError,
    RoundingModeError,
    UnsupportedImageError,
)

__all__ = [
    "CollageError",
    "DamagedTileError",
    "FormatError",
    "LimitError",
    "MissingLibraryError",
    "ModelMismatchError",
    "RoundingModeError",
    "UnsupportedImageError",
]
