"""The default codec, `collage`: a lapped learned dictionary, a hypernetwork encoder and an integer prior."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from types import MappingProxyType
from typing import TYPE_CHECKING, ClassVar

from bitstream.container import Header, Reader
from collagecodec.codecs.base import Codec, Progress, Trial
from collagecodec.codecs.collage.decoder import Picture
from collagecodec.codecs.collage.memory import working_bytes
from collagecodec.codecs.collage.model import load_decoder
from collagecodec.codecs.collage.quantiser import MAX_STEP, STEP, STEP_UNIT
from collagecodec.codecs.collage.rendering import render
from collagecodec.codecs.models import current
from collagecodec.codecs.rate_control import StepParameter, check_quality
from collagecodec.sampling.rendering import Rendering
from collagecodec.sampling.request import Request

if TYPE_CHECKING:
    from collagecodec.io.sources import Source
    from collagecodec.operator.collage import Collage

DEFAULT_QUALITY = 60.0
DEFAULT_EFFORT, MAX_EFFORT = 1, 9


@dataclass(frozen=True)
class CollageCodec(Codec):
    """The rate is set by `quality`, 0..100 and 60 by default, or by the quantiser `step` in pixel levels, 1/64 to
    1023. `effort` is 0 (linear analysis), 1 (hypernetwork) or 2..9 (refinement with PyTorch). `model` is the
    name of an installed model."""

    quality: float | None = None
    step: float | None = None
    effort: int = DEFAULT_EFFORT
    model: str = "aerial"

    name: ClassVar[str] = "collage"
    number: ClassVar[int] = 1
    channels: ClassVar[tuple[int, ...]] = (1, 2, 3, 4)
    takes_regions: ClassVar[bool] = True
    refused_options: ClassVar[Mapping[str, str]] = MappingProxyType({})

    def __post_init__(self) -> None:
        """Raise ValueError if quality and step are both given or a setting is out of range."""
        check_quality(self.quality)
        if self.quality is not None and self.step is not None:
            raise ValueError("give quality or step, not both")
        if self.step is not None and not 1 <= round(self.step * STEP_UNIT) <= MAX_STEP:
            raise ValueError(
                f"a step is 1/{STEP_UNIT} to {MAX_STEP / STEP_UNIT:.0f} pixel levels, not {self.step}"
            )
        if not 0 <= self.effort <= MAX_EFFORT:
            raise ValueError(f"effort goes from 0 to {MAX_EFFORT}, not {self.effort}")

    @property
    def fingerprint(self) -> str:
        """The fingerprint of the model's newest decoder."""
        return current(self.model)[1]

    @property
    def rate_parameter(self) -> StepParameter:
        """The quantiser step."""
        return STEP

    def at(self, code: int) -> CollageCodec:
        """See `Codec.at`."""
        return replace(self, quality=None, step=STEP.value(code))

    @property
    def draft(self) -> CollageCodec:
        """This codec without refinement, which changes size and PSNR only slightly."""
        return replace(self, effort=min(self.effort, DEFAULT_EFFORT))

    def encode_source(
        self, source: Source, metadata: Mapping[str, bytes], progress: Progress | None = None
    ) -> bytes:
        """See `Codec.encode_source`. `progress` is called after each tile."""
        quality = DEFAULT_QUALITY if self.quality is None else self.quality
        code = STEP.code_of_quality(quality) if self.step is None else round(self.step * STEP_UNIT)
        return self.trials(source, metadata, progress)(code)

    def trials(self, source: Source, metadata: Mapping[str, bytes], progress: Progress | None = None) -> Trial:
        """See `Codec.trials`. A small picture is analysed once for all trials."""
        from collagecodec.codecs.collage.encoder.analysis import load_encoder
        from collagecodec.codecs.collage.encoder.encoding import PictureEncoder, tile_size_of

        model = load_encoder(self.model)
        fingerprint = bytes.fromhex(model.decoder.fingerprint)
        header = self.header_for(source, b"\0\0", tile_size=tile_size_of(source), fingerprint=fingerprint)
        report = None if progress is None else (lambda share: progress(share, ""))
        encoder = PictureEncoder(source, header, model, self.effort, report)
        return lambda code: encoder.encode(code, metadata)

    @classmethod
    def open(
        cls, reader: Reader, request: Request, *, fast: bool = False, tolerate_damage: bool = False
    ) -> Rendering:
        """See `Codec.open`. Raises ModelMismatchError if the model of the file is not installed."""
        return render(_picture(reader, tolerate_damage), request, fast)

    @classmethod
    def reach(cls, header: Header) -> int:
        """See `Codec.reach`. Cells overlap by half an atom, and the restoration reads its neighbourhood."""
        model = load_decoder(header.fingerprint.hex())
        return model.dictionary.cell + (model.restoration.margin if model.restoration else 0)

    @classmethod
    def working_bytes(cls, header: Header, request: Request, *, fast: bool = False) -> int:
        """See `Codec.working_bytes`. Raises ModelMismatchError if the model of the file is not installed."""
        return working_bytes(header, load_decoder(header.fingerprint.hex()), request, fast)

    @classmethod
    def collages(cls, reader: Reader) -> tuple[Collage, ...]:
        """See `Codec.collages`."""
        from collagecodec.codecs.collage.view import collages

        return collages(_picture(reader))

    @classmethod
    def step_of(cls, header: Header) -> float | None:
        """See `Codec.step_of`."""
        return int.from_bytes(header.params, "little") / STEP_UNIT


def _picture(reader: Reader, tolerate_damage: bool = False) -> Picture:
    return Picture(reader, load_decoder(reader.header.fingerprint.hex()), tolerate_damage)
