"""`coin`: a network per picture, from coordinates to colours, whose weights are the file.

Dupont et al. 2021, "COIN: Compression with Implicit Neural Representations", arXiv 2103.03123. The network is a
SIREN (`codecs.coin.siren`) that the encoder fits to the picture. The decoder evaluates it in integer arithmetic,
at any resolution, and returns the same pixels on every machine. The weights have two codings: `half` stores 16
bits each, as published; `entropy` quantises them for this picture and entropy codes them.

Coordinates are those of pixel centres, with the edges of the longer side at -1 and 1, so that scaling does not
shift the picture; the authors' code puts the first and last pixel of a column at -1 and 1. A reduction evaluates
the network at fewer points and does not average.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar, Literal

from bitstream.container import Header, Reader, write
from collagecodec.codecs.base import Codec, Progress, whole_picture
from collagecodec.codecs.coin import entropy, half
from collagecodec.codecs.coin.siren import BLOCK, MAX_WIDTH, Shape, Siren, coordinates
from collagecodec.errors import FormatError, LimitError
from collagecodec.io.picture import squeeze
from collagecodec.sampling.rendering import Rendering
from collagecodec.sampling.request import Image8, Request
from collagecodec.sampling.threads import thread_count

if TYPE_CHECKING:
    from collagecodec.codecs.coin.encoder.fitting import Checkpoint, Plan
    from collagecodec.codecs.coin.encoder.gradients import Floats, Pixels
    from collagecodec.io.sources import Source

NETS = ("5x20", "5x30", "10x28", "10x40", "13x49")
"""The networks of the paper, its appendix A: layers x width."""
STEPS = 50_000
MAX_FIT_PIXELS = 2**25
BAND_PIXELS = 2**20
"""Approximate number of pixels that are evaluated at a time."""
FOLDER_VARIABLE = "COLLAGE_CHECKPOINTS"
"""Environment variable: the folder for the checkpoints of codecs whose `checkpoint` is empty."""
_CODINGS = {"half": half, "entropy": entropy}
_FIT_SHARE = 0.9
"""Share of the progress bar that belongs to the fit when quantisation follows it."""
_FITS = ("annealed", "published")


@dataclass(frozen=True)
class CoinCodec(Codec):
    """`net` is layers x width and decides the rate; the paper uses 5x20, 5x30, 10x28, 10x40 and 13x49. `coding`
    is entropy (weights quantised for the picture) or half (16 bits per weight, as published). `steps` is the
    maximum number of Adam steps; the fit stops early when 5,000 steps gain less than `plateau` dB on average.
    `fit` is annealed (a few thousand pixels per step, decaying learning rate) or published (all pixels in every
    step, constant learning rate; takes hours). `checkpoint` is the file from which an interrupted fit continues,
    or a folder for such files."""

    net: str = "5x30"
    coding: Literal["entropy", "half"] = "entropy"
    steps: int = STEPS
    fit: Literal["annealed", "published"] = "annealed"
    plateau: float = 0.01
    seed: int = 0
    checkpoint: str = ""

    name: ClassVar[str] = "coin"
    number: ClassVar[int] = 5

    def __post_init__(self) -> None:
        """Raise ValueError for a setting out of range."""
        if self.coding not in _CODINGS:
            raise ValueError(f"codings are {' and '.join(_CODINGS)}, not {self.coding!r}")
        if self.fit not in _FITS:
            raise ValueError(f"fits are {' and '.join(_FITS)}, not {self.fit!r}")
        if self.steps < 1 or self.seed < 0 or not 0 <= self.plateau < float("inf"):
            raise ValueError(
                f"steps {self.steps}, seed {self.seed}, plateau {self.plateau}: a number is too small"
            )
        self._shape(3)

    def encode_source(
        self, source: Source, metadata: Mapping[str, bytes], progress: Progress | None = None
    ) -> bytes:
        """See `Codec.encode_source`. An interrupted fit keeps its checkpoint, if it has one."""
        from collagecodec.codecs.coin.encoder.fitting import Fitter, FittingError

        if source.width * source.height > MAX_FIT_PIXELS:
            raise LimitError(f"coin fits pictures of up to {MAX_FIT_PIXELS} pixels: cut or reduce the picture")
        image = whole_picture(source)
        shape = self._shape(source.channels)
        report = progress or (lambda share, note: None)
        share = _FIT_SHARE if self.coding == "entropy" else 1.0
        fitter = Fitter(
            image, shape, self._plan(), lambda done, note: report(share * done, note), self.checkpoint_of(image)
        )
        weights = fitter.run().best
        params = bytes((shape.layers, shape.width, list(_CODINGS).index(self.coding)))
        if self.coding == "half":
            payload = half.pack(weights)
        else:
            payload = self._quantised(shape, fitter.pixels, weights, report)
        data = write(self.header_for(source, params), [payload], metadata)
        try:
            network_of(Reader(data))
        except FormatError as error:
            raise FittingError(
                "the fit ended with weights that are too large to store: try another seed"
            ) from error
        return data

    def _quantised(self, shape: Shape, pixels: Pixels, weights: Floats, report: Progress) -> bytes:
        """Return the payload of the coding `entropy`, fine-tuned for a tenth of the fit's steps."""
        from collagecodec.codecs.coin.encoder.gradients import Gradients
        from collagecodec.codecs.coin.encoder.weights import Quantiser

        def report_share(done: float) -> None:
            report(_FIT_SHARE + (1 - _FIT_SHARE) * done, "quantising")

        with Gradients(shape, pixels) as gradients:
            coder = entropy.Coder(shape)
            quantised = Quantiser(gradients, weights, coder, max(1, self.steps // 10), report_share).run()
        return entropy.pack(quantised.symbols, quantised.codes, shape)

    @classmethod
    def open(
        cls, reader: Reader, request: Request, *, fast: bool = False, tolerate_damage: bool = False
    ) -> Rendering:
        """See `Codec.open`. The network is evaluated only at the requested pixels."""
        header = reader.header
        network = network_of(reader)
        (x, y, w, h), (width, height) = request.resolve(header.width, header.height)
        longest = max(header.width, header.height)
        columns = coordinates(x, w, width, header.width, longest)
        step = max(1, BAND_PIXELS // width)

        def bands() -> Iterator[Image8]:
            rows = coordinates(y, h, height, header.height, longest)
            for first in range(0, height, step):
                yield squeeze(network.render(rows[first : first + step], columns))

        return Rendering(width, height, header.channels, bands())

    @classmethod
    def working_bytes(cls, header: Header, request: Request, *, fast: bool = False) -> int:
        """See `Codec.working_bytes`: a band of pixels, the coordinates, and the layers of blocks of pixels."""
        width, height = request.resolve(header.width, header.height)[1]
        layers = 12 * 8 * BLOCK * (MAX_WIDTH + 1) * thread_count()
        return 4 * header.channels * max(BAND_PIXELS, width) + 4 * (width + height) + layers + 2**24

    @classmethod
    def decoded_pixels(cls, header: Header, request: Request) -> int:
        """See `Codec.decoded_pixels`. The network is evaluated at the pixels of the output only."""
        width, height = request.resolve(header.width, header.height)[1]
        return width * height

    def _shape(self, outputs: int) -> Shape:
        """Return the network shape for grey (1) or colour (3) output; ValueError if `net` is malformed."""
        match = re.fullmatch(r"([0-9]{1,4})x([0-9]{1,4})", self.net)
        if not match:
            raise ValueError(f"a net is layers x width, such as {', '.join(NETS)}, not {self.net!r}")
        return Shape(int(match[1]), int(match[2]), outputs)

    def _plan(self) -> Plan:
        from collagecodec.codecs.coin.encoder.fitting import Plan

        plan = Plan.published if self.fit == "published" else Plan.annealed
        return plan(self.steps, self.plateau, self.seed)

    def checkpoint_of(self, image: Image8) -> Checkpoint | None:
        """Return the checkpoint for the fit of a picture, or None. It does not depend on the coding."""
        from collagecodec.codecs.coin.encoder.fitting import Checkpoint, key_of

        location = self.checkpoint or os.environ.get(FOLDER_VARIABLE, "")
        if not location:
            return None
        key = key_of(image, self._shape(3 if image.ndim == 3 else 1), self._plan())
        path = Path(location)
        return Checkpoint(path / f"coin-{self.net}-{key[:16]}.fit" if path.is_dir() else path, key)


def network_of(reader: Reader) -> Siren:
    """Read the network of a file; FormatError if it is damaged, LimitError if it is too large."""
    header = reader.header
    if len(header.params) != 3 or header.tile_count != 1:
        raise FormatError("the header does not belong to a picture of the codec 'coin': it is damaged")
    layers, width, coding = header.params
    if coding >= len(_CODINGS):
        raise FormatError(f"coding {coding} of 'coin' is unknown: the file is damaged, or upgrade collagecodec")
    try:
        shape = Shape(layers, width, header.channels)
    except ValueError as error:
        raise FormatError(f"{error}: the file is damaged") from error
    return Siren(list(_CODINGS.values())[coding].unpack(bytes(reader.tile(0)), shape))
