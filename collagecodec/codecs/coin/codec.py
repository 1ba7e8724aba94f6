"""`coin`: a network per picture, from coordinates to colours, whose weights are the file.

Dupont et al. 2021, "COIN: Compression with Implicit Neural Representations", arXiv 2103.03123. The network is a
SIREN (`collage.siren`), fitted to the picture while encoding; decoding evaluates it in whole numbers, at any
resolution, with the same pixels on every machine. Two codings of the weights: `half`, 16 bits each, as published,
and `entropy`, quantised for this picture and entropy coded.

Coordinates are those of pixel centres, with the edges of the longer side at -1 and 1, so that a picture stays
where it is at every scale; COIN's own code has the first and last pixel of a column at -1 and 1. A reduction
evaluates the network at fewer places and does not average.
"""

from __future__ import annotations

import os
import re
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar, Literal

import numpy as np

from bitstream.container import CODEC_IDS, Header, Reader, write
from collagecodec.codecs.base import Codec, Progress
from collagecodec.codecs.coin import entropy, half
from collagecodec.codecs.coin.siren import Shape, Siren, coordinates
from collagecodec.errors import FormatError, LimitError, UnsupportedImageError
from collagecodec.sampling.request import Image8, Region, Request

if TYPE_CHECKING:
    from collagecodec.codecs.coin.encoder.fitting import Checkpoint, Plan
    from collagecodec.codecs.coin.encoder.gradients import Floats, Pixels

NETS = ("5x20", "5x30", "10x28", "10x40", "13x49")
"""The networks of the paper, its appendix A: layers x width."""
STEPS = 50_000
MAX_PIXELS = 2**25
FOLDER_VARIABLE = "COLLAGE_CHECKPOINTS"
"""Names the folder in which fits without a `checkpoint` of their own keep theirs."""
_CODINGS = {"half": half, "entropy": entropy}
_FIT_SHARE = 0.9
"""Part of the progress that the fit is, where the weights are quantised after it."""
_FITS = ("annealed", "published")


@dataclass(frozen=True)
class CoinCodec(Codec):
    """`net` is layers x width, in the paper 5x20, 5x30, 10x28, 10x40 or 13x49, and decides the rate. `coding` is
    entropy (weights quantised for the picture) or half (16 bits a weight, as published). `steps` of Adam at
    most: the fit ends before if 5,000 steps bring less than `plateau` dB on average. `fit` is
    annealed (a few thousand pixels a step, a rate that falls) or published (all pixels a step, a constant
    rate: hours). `checkpoint` names a file from which an interrupted fit continues, or a folder for them."""

    net: str = "5x30"
    coding: Literal["entropy", "half"] = "entropy"
    steps: int = STEPS
    fit: Literal["annealed", "published"] = "annealed"
    plateau: float = 0.01
    seed: int = 0
    checkpoint: str = ""

    name: ClassVar[str] = "coin"
    rescales: ClassVar[bool] = True

    def __post_init__(self) -> None:
        """ValueError for a setting out of range."""
        if self.coding not in _CODINGS:
            raise ValueError(f"codings are {' and '.join(_CODINGS)}, not {self.coding!r}")
        if self.fit not in _FITS:
            raise ValueError(f"fits are {' and '.join(_FITS)}, not {self.fit!r}")
        if self.steps < 1 or self.seed < 0 or not 0 <= self.plateau < float("inf"):
            raise ValueError(
                f"steps {self.steps}, seed {self.seed}, plateau {self.plateau}: a number is too small"
            )
        self._shape(3)

    def encode(self, image: Image8) -> bytes:
        """See `Codec.encode`; grey (H, W) and RGB (H, W, 3)."""
        return self.encode_with(image, None)

    def encode_with(self, image: Image8, progress: Progress | None) -> bytes:
        """See `Codec.encode_with`. Ctrl-C leaves the checkpoint behind, if there is one."""
        from collagecodec.codecs.coin.encoder.fitting import Fitter, FittingError

        _check_picture(image)
        shape = self._shape(3 if image.ndim == 3 else 1)
        told = progress or (lambda share, note: None)
        share = _FIT_SHARE if self.coding == "entropy" else 1.0
        fitter = Fitter(
            image, shape, self._plan(), lambda done, note: told(share * done, note), self.checkpoint_of(image)
        )
        weights = fitter.run().best
        header = Header(
            codec=CODEC_IDS[self.name],
            width=image.shape[1],
            height=image.shape[0],
            channels=shape.outputs,
            params=bytes((shape.layers, shape.width, list(_CODINGS).index(self.coding))),
        )
        if self.coding == "half":
            payload = half.pack(weights)
        else:
            payload = self._quantised(shape, fitter.pixels, weights, told)
        data = write(header, [payload])
        try:
            network_of(Reader(data))
        except FormatError as error:
            raise FittingError("the fit has run into weights too large to store: try another seed") from error
        return data

    def _quantised(self, shape: Shape, pixels: Pixels, weights: Floats, told: Progress) -> bytes:
        """The payload of coding `entropy`; a tenth of the steps go into it."""
        from collagecodec.codecs.coin.encoder.gradients import Gradients
        from collagecodec.codecs.coin.encoder.weights import Quantiser

        def tell(done: float) -> None:
            told(_FIT_SHARE + (1 - _FIT_SHARE) * done, "quantising")

        with Gradients(shape, pixels) as gradients:
            coder = entropy.Coder(shape)
            found = Quantiser(gradients, weights, coder, max(1, self.steps // 10), tell).run()
        return entropy.pack(found.symbols, found.codes, shape)

    def decode(
        self,
        data: bytes,
        *,
        scale: float = 1,
        size: tuple[int, int] | None = None,
        region: Region | None = None,
    ) -> Image8:
        """See `Codec.decode`; the network is evaluated at the pixels that are asked for and no others."""
        reader = Reader(data)
        network = network_of(reader)
        width, height = reader.header.width, reader.header.height
        request = Request(Fraction(scale).limit_denominator(4096), size, region)
        (x, y, w, h), shown = request.resolve(width, height)
        longest = max(width, height)
        rows = coordinates(y, h, shown[1], height, longest)
        columns = coordinates(x, w, shown[0], width, longest)
        pixels = network.render(rows, columns)
        return pixels if reader.header.channels == 3 else pixels[..., 0]

    def _shape(self, outputs: int) -> Shape:
        """The network for grey (1) or colour (3); ValueError if `net` is none."""
        found = re.fullmatch(r"([0-9]{1,4})x([0-9]{1,4})", self.net)
        if not found:
            raise ValueError(f"a net is layers x width, such as {', '.join(NETS)}, not {self.net!r}")
        return Shape(int(found[1]), int(found[2]), outputs)

    def _plan(self) -> Plan:
        from collagecodec.codecs.coin.encoder.fitting import Plan

        made = Plan.published if self.fit == "published" else Plan.annealed
        return made(self.steps, self.plateau, self.seed)

    def checkpoint_of(self, image: Image8) -> Checkpoint | None:
        """Where the fit of this picture is kept, if anywhere; the coding does not matter to it."""
        from collagecodec.codecs.coin.encoder.fitting import Checkpoint, key_of

        place = self.checkpoint or os.environ.get(FOLDER_VARIABLE, "")
        if not place:
            return None
        key = key_of(image, self._shape(3 if image.ndim == 3 else 1), self._plan())
        path = Path(place)
        return Checkpoint(path / f"coin-{self.net}-{key[:16]}.fit" if path.is_dir() else path, key)


def network_of(reader: Reader) -> Siren:
    """The network of a file; FormatError if it is damaged, LimitError if it is too large."""
    header = reader.header
    if header.codec != CODEC_IDS["coin"] or len(header.params) != 3 or header.channels not in (1, 3):
        raise FormatError("this is not a picture of the codec 'coin', or its header is damaged")
    if header.tile_count != 1:
        raise FormatError(f"a picture of 'coin' has one tile, not {header.tile_count}: the header is damaged")
    layers, width, coding = header.params
    if coding >= len(_CODINGS):
        raise FormatError(f"coding {coding} of 'coin' is unknown: the file is damaged, or upgrade collagecodec")
    try:
        shape = Shape(layers, width, header.channels)
    except ValueError as error:
        raise FormatError(f"{error}: the file is damaged") from error
    return Siren(list(_CODINGS.values())[coding].unpack(bytes(reader.tile(0)), shape))


def _check_picture(image: Image8) -> None:
    """UnsupportedImageError for what is neither grey nor colour, LimitError for too large a picture."""
    grey, colour = image.ndim == 2, image.ndim == 3 and image.shape[2] == 3
    if image.dtype != np.uint8 or image.size == 0 or not (grey or colour):
        raise UnsupportedImageError(
            f"coin stores grey (H, W) and RGB (H, W, 3) pictures of uint8, not {image.dtype} of {image.shape}: "
            "convert the picture"
        )
    if image.shape[0] * image.shape[1] > MAX_PIXELS:
        raise LimitError(f"coin fits pictures of up to {MAX_PIXELS} pixels: cut or reduce the picture")
