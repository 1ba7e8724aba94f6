"""The Pillow plugin: `Image.open("x.clg")`, `image.save("x.clg", quality=60)`, quick thumbnails.

Importing `collagecodec` registers it. Opening reads the header and the metadata; the pixels are decoded when they
are needed, at a reduced scale after `draft` or `thumbnail`. `info` holds 'icc_profile', 'exif' and 'xmp'. `save`
takes the arguments of `collagecodec.encode` and the settings of the codec as keywords; others are warned about.
"""

from __future__ import annotations

import warnings
from dataclasses import fields
from typing import IO, Any

from PIL import Image, ImageFile, UnidentifiedImageError

from bitstream.chunks import probe
from bitstream.container import Header, Reader
from collagecodec.errors import CollageError
from collagecodec.io.limits import DEFAULT_LIMITS, Limits
from collagecodec.io.picture import MODES, metadata_of
from collagecodec.io.pillow_metadata import info_of

FORMAT = "CLG"
SUFFIX = ".clg"
MIME = "image/vnd.collage"

_DRAFT_SCALES = (16, 8, 4, 2)
_ARGUMENTS = ("quality", "bpp", "psnr", "max_bytes", "effort", "model", "codec")
_METADATA = {"icc": "icc_profile", "exif": "exif", "xmp": "xmp"}
_IGNORED = ("optimize", "progressive", "dpi")
"""Keywords that programs pass for any format; they do not change what is stored here."""


class CollageImageFile(ImageFile.ImageFile):
    """A `.clg` file that Pillow opened."""

    format = FORMAT
    format_description = "Collage"

    def _open(self) -> None:
        assert self.fp is not None
        self._data = self.fp.read()
        try:
            reader = Reader(self._data, strict=not ImageFile.LOAD_TRUNCATED_IMAGES)
        except CollageError as error:
            # Pillow's callers expect this exception; a SyntaxError would lose the message.
            raise UnidentifiedImageError(str(error)) from error
        self._tolerant = _tolerates_damage(reader.header)
        self._scale = 1
        self._full_size = self._size = (reader.header.width, reader.header.height)
        self._mode = _mode_of(reader)
        self.info.update(info_of(reader.metadata))
        # Pillow takes an image without tiles to be loaded.
        self.tile = [ImageFile._Tile(FORMAT, (0, 0, *self._size), 0, self._mode)]

    def draft(
        self, mode: str | None, size: tuple[int, int] | None
    ) -> tuple[str, tuple[int, int, float, float]] | None:
        """Choose the smallest scale of 1/16 .. 1 that gives at least `size`; `mode` is not changed.

        Returns the mode and the box of the whole picture at that scale, None if nothing changes.
        """
        if not self.tile or self._scale != 1 or size is None:
            return None
        width, height = self._full_size
        ratio = min(width // max(1, int(size[0])), height // max(1, int(size[1])))
        self._scale = next((scale for scale in _DRAFT_SCALES if scale <= ratio), 1)
        if self._scale == 1:
            return None
        self._size = -(-width // self._scale), -(-height // self._scale)
        return self.mode, (0, 0, *map(float, self._size))  # type: ignore[return-value]

    def verify(self) -> None:
        """Check the checksums of all tiles. Raises OSError if one is wrong or the file is truncated."""
        try:
            Reader(self._data).check()
        except CollageError as error:
            raise OSError(str(error)) from error
        super().verify()

    def load(self) -> Any:
        """Decode the picture unless that was done before. Raises OSError if it cannot be decoded.

        With `ImageFile.LOAD_TRUNCATED_IMAGES`, unreadable tiles become grey where the codec has tiles.
        """
        if self.tile:
            from collagecodec import api

            try:
                # Pillow has compared the size with its own limit when it opened the file.
                limits = Limits(pixels=max(DEFAULT_LIMITS.pixels, self._full_size[0] * self._full_size[1]))
                tolerate = ImageFile.LOAD_TRUNCATED_IMAGES and self._tolerant
                size = None if self._scale == 1 else self._size
                pixels = api.decode(self._data, size=size, limits=limits, tolerate_damage=tolerate)
            except CollageError as error:
                raise OSError(str(error)) from error
            self.im = Image.frombytes(self.mode, self._size, pixels.tobytes()).im
            self.tile, self._data = [], b""
            if self._exclusive_fp and self._close_exclusive_fp_after_loading and self.fp:
                self.fp.close()
            self.fp = None
        return Image.Image.load(self)


def _mode_of(reader: Reader) -> str:
    """Return Pillow's mode of a file; UnidentifiedImageError for a picture that Pillow has no mode for."""
    from collagecodec.codecs import registry

    try:
        samples = registry.class_of(reader.header).samples(reader)
    except CollageError as error:
        raise UnidentifiedImageError(str(error)) from error
    if samples.dtype == "uint16" and samples.channels == 1:
        return "I;16"
    if samples.dtype != "uint8" or samples.mode not in MODES:
        raise UnidentifiedImageError(
            f"Pillow has no mode for {samples.mode} of {samples.dtype}: read the file with collagecodec.decode"
        )
    return samples.mode


def _tolerates_damage(header: Header) -> bool:
    from collagecodec.codecs import registry

    try:
        return "tolerate_damage" not in registry.class_of(header).refused_options
    except CollageError:
        return False  # the codec is not known here; decoding will say so


def _save(image: Image.Image, stream: IO[bytes], filename: str | bytes) -> None:
    from collagecodec import api
    from collagecodec.io.sources import PillowSource

    given: dict[str, Any] = image.encoderinfo
    arguments = {name: given[name] for name in _ARGUMENTS if given.get(name) is not None}
    settings = dict(given.get("options") or {})
    others = set(given) - {*_ARGUMENTS, *_METADATA.values(), *_IGNORED, "options"}
    if twice := sorted(others & settings.keys()):
        raise ValueError(f"{', '.join(twice)}: given both as a keyword and in options; leave one out")
    settings |= _settings_among(others, given)
    source = PillowSource(image)
    # Not passed to `encode`, which adds to the metadata of an image and cannot remove any.
    source.metadata = _metadata(image, given)
    stream.write(api.encode(source, **arguments, options=settings))


def _settings_among(names: set[str], given: dict[str, Any]) -> dict[str, Any]:
    """Return the keywords that are settings of the codec; warn about those that are not."""
    from collagecodec.codecs.registry import codec_class

    known = {field.name for field in fields(codec_class(given.get("codec") or "collage"))}
    if unknown := sorted(names - known):
        warnings.warn(
            f"save ignores {', '.join(unknown)}, which .clg files have no use for; the codec knows "
            f"{', '.join(sorted(known))}",
            stacklevel=4,
        )
    return {name: given[name] for name in names & known}


def _refuse_several(image: Image.Image, stream: IO[bytes], filename: str | bytes) -> None:
    raise ValueError("a .clg file holds a single picture: save the frames one by one, without save_all")


def _metadata(image: Image.Image, given: dict[str, Any]) -> dict[str, bytes]:
    """Return the metadata of the image, replaced by what was passed to `save`; None or empty removes a kind."""
    metadata = metadata_of(image)
    carrier = Image.new("1", (1, 1))
    for kind, name in _METADATA.items():
        if name in given:
            value = given[name]
            carrier.info[name] = value.tobytes() if isinstance(value, Image.Exif) else value
            metadata.pop(kind, None)
    return metadata | metadata_of(carrier)


def _accept(prefix: bytes) -> bool:
    return probe(prefix)


def register() -> None:
    """Make Pillow read and write `.clg` files; doing it again changes nothing."""
    Image.register_open(FORMAT, CollageImageFile, _accept)
    Image.register_save(FORMAT, _save)
    Image.register_save_all(FORMAT, _refuse_several)
    Image.register_extension(FORMAT, SUFFIX)
    Image.register_mime(FORMAT, MIME)


__all__ = ["FORMAT", "MIME", "SUFFIX", "CollageImageFile", "register"]
