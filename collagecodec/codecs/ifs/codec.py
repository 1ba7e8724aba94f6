"""`ifs`: a picture as an iterated function system, learned by gradient (Tu et al. 2023), drawn by a chaos game.

A file is a handful of affine maps, 30 to 300 bytes whatever the size of the picture; it is a likeness, not a
copy. Decoding is in whole numbers, at any size, with more points for larger pictures, so that edges get finer
and not larger. Grey pictures; the channels of a colour picture are mixed to grey, which a warning says.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable
from dataclasses import dataclass
from fractions import Fraction
from typing import ClassVar, Literal

import numpy as np

from bitstream.container import CODEC_IDS, Header, Reader, write
from collagecodec.codecs.base import Codec, Progress
from collagecodec.codecs.ifs import code
from collagecodec.errors import FormatError, LimitError, MissingLibraryError, UnsupportedImageError
from collagecodec.fractals.chaos_game import KERNELS, MAX_SIDE, Frame, Game, draw
from collagecodec.sampling.request import Image8, Region, Request

Method = Literal["points", "distance"]
_BINARY, _INVERTED, _FINE = 1, 2, 4
_PARAMS = 8


class ColourDroppedWarning(UserWarning):
    """A colour picture was converted to grey."""


class FitRestartedWarning(UserWarning):
    """A fit diverged and began again; the message names both seeds."""


@dataclass(frozen=True)
class IfsCodec(Codec):
    """`maps` N; `steps` of the fit; `method` points or distance; `seed` of the fit; `bits` after the point of a
    coefficient, 4 to 12, 0 for what the picture's size needs; `side` of the reduced picture that is fitted;
    `threshold` 1 to 255 makes a picture binary first, 0 leaves it grey; `refine` passes over the quantised
    numbers; `fine` enlargements show the bare attractor ever finer, others a likeness as thick as the picture.

    Which of the two grounds the picture stands on, dark or light, is read off its border.
    """

    maps: int = 10
    steps: int = 1000
    method: Method = "points"
    seed: int = 0
    bits: int = 0
    side: int = 32
    threshold: int = 0
    refine: int = 1
    fine: bool = False

    name: ClassVar[str] = "ifs"
    rescales: ClassVar[bool] = True

    def __post_init__(self) -> None:
        """ValueError for a setting out of range."""
        if not 2 <= self.maps <= 64:
            raise ValueError(f"maps are 2 to 64, not {self.maps}")
        if self.bits and not code.MIN_BITS <= self.bits <= code.MAX_BITS:
            raise ValueError(f"bits are {code.MIN_BITS} to {code.MAX_BITS}, or 0, not {self.bits}")
        if self.method not in ("points", "distance"):
            raise ValueError(f"methods are points and distance, not {self.method!r}")
        if self.steps < 1 or not 8 <= self.side <= 128 or self.seed < 0:
            raise ValueError("steps must be positive, side 8 to 128, the seed not negative")
        if not 0 <= self.threshold <= 255 or not 0 <= self.refine <= 8:
            raise ValueError("a threshold is 0 to 255, refine 0 to 8")

    def encode(self, image: Image8) -> bytes:
        """See `Codec.encode`."""
        return self.encode_with(image, None)

    def encode_with(self, image: Image8, progress: Progress | None) -> bytes:
        """See `Codec.encode_with`; UnsupportedImageError for a picture without a shape."""
        try:
            from collagecodec.codecs.ifs.encoder import learn
        except ImportError as error:
            raise MissingLibraryError(
                f"encoding with ifs needs PyTorch ({error}): pip install 'collagecodec[train]'"
            ) from error
        grey = to_grey(image)
        channels = 1 if image.ndim == 2 else 3
        if self.threshold:
            grey = np.where(grey >= self.threshold, 255, 0).astype(np.uint8)
        game, flags = learn(
            grey, self, progress, told=lambda text: warnings.warn(text, FitRestartedWarning, stacklevel=4)
        )
        return packed(game, flags, image.shape[1], image.shape[0], channels)

    def decode(
        self,
        data: bytes,
        *,
        scale: float = 1,
        size: tuple[int, int] | None = None,
        region: Region | None = None,
    ) -> Image8:
        """See `Codec.decode`. Reductions are averages over whole pixels of a larger picture."""
        return decoded(data, Request(Fraction(scale).limit_denominator(4096), size, region))


def decoded(data: bytes, request: Request, progress: Progress | None = None) -> Image8:
    """The picture of a file, as `request` wants it; FormatError, LimitError, ValueError."""
    reader = Reader(data)
    header = reader.header
    game, flags = game_of(reader)
    region, size = request.resolve(header.width, header.height)
    told = None if progress is None else (lambda share: progress(share, ""))
    pixels = rendered(game, flags, (header.width, header.height), region, size, told)
    return pixels if header.channels == 1 else np.repeat(pixels[..., None], 3, axis=2)


def rendered(
    game: Game,
    flags: int,
    stored: tuple[int, int],
    region: Region,
    size: tuple[int, int],
    progress: Callable[[float], None] | None = None,
) -> Image8:
    """Pixels, uint8 (H, W), of a region of a picture of `stored` (width, height) at `size` (width, height)."""
    # A reduction draws at the smallest multiple that is no reduction, and takes averages.
    times = max(1, -(-region[2] // size[0]), -(-region[3] // size[1]))
    frame = Frame(*stored, region, (size[0] * times, size[1] * times))
    pixels = finished(draw(game, frame, progress), flags)
    if times == 1:
        return pixels
    cells = pixels.reshape(size[1], times, size[0], times).sum((1, 3), dtype=np.int64)
    return ((2 * cells + times**2) // (2 * times**2)).astype(np.uint8)


def finished(levels: Image8, flags: int) -> Image8:
    """Levels as the file wants them: two levels only if the picture is binary, and the other way round on light
    ground."""
    if flags & _BINARY:
        levels = np.where(levels >= 128, 255, 0).astype(np.uint8)
    return 255 - levels if flags & _INVERTED else levels


def to_grey(image: Image8) -> Image8:
    """A picture (H, W) or (H, W, 3) as grey (H, W); warns if that loses colours. UnsupportedImageError,
    LimitError."""
    fits = image.ndim == 2 or (image.ndim == 3 and image.shape[2] == 3)
    if image.dtype != np.uint8 or image.size == 0 or not fits:
        raise UnsupportedImageError(
            f"ifs stores grey (H, W) and, as grey, RGB (H, W, 3) of uint8, not {image.dtype} of {image.shape}"
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


def packed(game: Game, flags: int, width: int, height: int, channels: int) -> bytes:
    """The complete file."""
    flags |= _FINE * game.fine
    params = bytes((flags, len(game.maps), game.bits, game.kernel)) + game.gain.to_bytes(2, "little")
    header = Header(
        codec=CODEC_IDS["ifs"], width=width, height=height, channels=channels,
        params=params + bytes((game.density, game.seed)),
    )  # fmt: skip
    return write(header, [code.pack(game.maps)])


def game_of(reader: Reader) -> tuple[Game, int]:
    """What a file plays, and its flags; FormatError, LimitError."""
    header = reader.header
    if header.codec != CODEC_IDS["ifs"] or header.channels not in (1, 3) or header.tile_count != 1:
        raise FormatError("this is not a picture of the codec 'ifs', or its header is damaged")
    if len(header.params) != _PARAMS:
        raise FormatError(f"the codec ifs has {_PARAMS} bytes of parameters: the header is damaged")
    flags, count, bits, kernel, low, high, density, seed = header.params
    sound = flags < 2 * _FINE and count and kernel < len(KERNELS) and density
    if not sound or not code.MIN_BITS <= bits <= code.MAX_BITS:
        raise FormatError("a parameter of the codec ifs is out of range: the header is damaged")
    maps = code.unpack(bytes(reader.tile(0)), count, bits)
    return Game(maps, bits, kernel, low + 256 * high, density, seed, bool(flags & _FINE)), flags
