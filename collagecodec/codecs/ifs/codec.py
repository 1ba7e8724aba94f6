"""`ifs`: a picture as an iterated function system, learned by gradient (Tu et al. 2023), drawn by a chaos game.

A file holds a few affine maps, 30 to 300 bytes whatever the size of the picture, and reproduces a likeness rather
than a copy. The decoder uses integer arithmetic and renders any size; larger pictures get more points, so that
edges stay fine. Pictures are grey: colour pictures are converted with a warning.
"""

from __future__ import annotations

import warnings
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

import numpy as np

from bitstream.container import Header, Reader
from collagecodec.codecs.base import Codec, Progress, whole_picture
from collagecodec.codecs.ifs.decoder import drawn, points, working_bytes
from collagecodec.codecs.ifs.format import NUMBER, packed
from collagecodec.codecs.ifs.settings import IfsSettings
from collagecodec.errors import LimitError, MissingLibraryError, UnsupportedImageError
from collagecodec.fractals.chaos_game import MAX_SIDE
from collagecodec.sampling.rendering import Rendering
from collagecodec.sampling.request import Image8, Request

if TYPE_CHECKING:
    from collagecodec.io.sources import Source


class ColourDroppedWarning(UserWarning):
    """A colour picture was converted to grey."""


class FitRestartedWarning(UserWarning):
    """A fit diverged and began again; the message names both seeds."""


@dataclass(frozen=True)
class IfsCodec(IfsSettings, Codec):
    """`maps` is the number of maps. `steps`, `method` (points or distance) and `seed` belong to the fit. `bits`
    is the number of fractional bits of a coefficient, 4 to 12, or 0 to choose it by the size of the picture.
    `side` is the longer side of the reduced picture that is fitted. `threshold` 1 to 255 makes the picture
    binary first; 0 leaves it grey. `refine` is the number of passes over the quantised coefficients. With
    `fine`, enlargements show the bare attractor in ever finer detail; otherwise strokes keep their thickness
    relative to the picture.

    The border of the picture decides whether its background is dark or light.
    """

    name: ClassVar[str] = "ifs"
    number: ClassVar[int] = NUMBER

    def encode_source(
        self, source: Source, metadata: Mapping[str, bytes], progress: Progress | None = None
    ) -> bytes:
        """See `Codec.encode_source`. Raises UnsupportedImageError for a picture without a shape."""
        try:
            from collagecodec.codecs.ifs.encoder import learn
        except ImportError as error:
            raise MissingLibraryError(
                f"encoding with ifs needs PyTorch ({error}): pip install 'collagecodec[train]'"
            ) from error
        grey = to_grey(whole_picture(source))
        if self.threshold:
            grey = np.where(grey >= self.threshold, 255, 0).astype(np.uint8)

        def warn_of_restart(message: str) -> None:
            warnings.warn(message, FitRestartedWarning, stacklevel=4)

        game, flags = learn(grey, self, progress, on_restart=warn_of_restart)
        return packed(game, flags, source.width, source.height, source.channels, metadata)

    @classmethod
    def open(
        cls, reader: Reader, request: Request, *, fast: bool = False, tolerate_damage: bool = False
    ) -> Rendering:
        """See `Codec.open`. Reductions average whole pixels of a larger drawing."""
        return drawn(reader, request)

    @classmethod
    def decoded_pixels(cls, header: Header, request: Request) -> int:
        """See `Codec.decoded_pixels`. What is outside of the region is drawn too, with its points."""
        return points(header, request) // 2

    @classmethod
    def working_bytes(cls, header: Header, request: Request, *, fast: bool = False) -> int:
        """See `Codec.working_bytes`. What is drawn has a rim as wide as the enlarged kernel."""
        return working_bytes(header, request)


def to_grey(image: Image8) -> Image8:
    """Convert a picture (H, W) or (H, W, 3) to grey (H, W), with a warning if that loses colours.

    Raises UnsupportedImageError for another shape or type, LimitError for a side that is too long.
    """
    fits = image.ndim == 2 or (image.ndim == 3 and image.shape[2] == 3)
    if image.dtype != np.uint8 or image.size == 0 or not fits:
        raise UnsupportedImageError(
            f"ifs takes uint8 pixels, grey (H, W) or RGB (H, W, 3), not {image.dtype} of shape {image.shape}"
        )
    if max(image.shape[:2]) > MAX_SIDE:
        raise LimitError(f"ifs holds pictures of up to {MAX_SIDE} pixels a side: reduce the picture")
    if image.ndim == 2:
        return image
    if not ((image[..., 0] == image[..., 1]) & (image[..., 1] == image[..., 2])).all():
        warnings.warn(
            "ifs stores no colours: the picture was converted to grey", ColourDroppedWarning, stacklevel=3
        )
    red, green, blue = (image[..., channel].astype(np.int64) for channel in range(3))
    return np.asarray((299 * red + 587 * green + 114 * blue + 500) // 1000, np.uint8)
