"""The registry of codecs by name and number.

Both are stable: files of results contain the name, every `.clg` file contains the number. A codec is imported
only when it is requested, so listing the names is cheap and a codec with missing libraries does not affect the
others.

Another package registers a codec with an entry point of the group `collagecodec.codecs`, whose name is the
codec's name and whose value is the class. Such codecs have private numbers (240 .. 255); since their files
contain the name too, several packages may use the same number.
"""

from __future__ import annotations

import importlib
from collections.abc import Mapping
from dataclasses import dataclass, fields
from importlib.metadata import EntryPoint, entry_points
from types import MappingProxyType
from typing import Any

from bitstream.header import PRIVATE_NUMBERS, Header, private_name
from collagecodec.codecs.base import ArrayCodec, Codec
from collagecodec.errors import CollageError, FormatError

GROUP = "collagecodec.codecs"
"""The entry point group that registers codecs of other packages."""


class UnknownCodecError(CollageError, LookupError):
    """No codec has this name."""


class CodecUnavailableError(CollageError, ImportError):
    """The codec exists but a library that it imports is missing; the message says what to install."""


@dataclass(frozen=True)
class Entry:
    """The location of a codec of this package: its number, module and class, and the `extra` that it needs."""

    number: int
    module: str
    attribute: str
    extra: str = ""

    @property
    def remedy(self) -> str:
        """The command that installs the libraries of the codec."""
        return f"pip install 'collagecodec[{self.extra}]'" if self.extra else "pip install collagecodec"


ENTRIES: Mapping[str, Entry] = MappingProxyType(
    {
        "collage": Entry(1, "collagecodec.codecs.collage.codec", "CollageCodec"),
        "collage-paper": Entry(2, "collagecodec.codecs.paper.codec", "PaperCollageCodec", extra="train"),
        "dct": Entry(3, "collagecodec.codecs.dct.codec", "DctCodec"),
        "pifs": Entry(4, "collagecodec.codecs.pifs.codec", "PifsCodec"),
        "coin": Entry(5, "collagecodec.codecs.coin.codec", "CoinCodec"),
        "ifs": Entry(6, "collagecodec.codecs.ifs.codec", "IfsCodec", extra="train"),
        "layers": Entry(7, "collagecodec.codecs.layers.codec", "LayeredCodec"),
    }
)
_NAMES = MappingProxyType({entry.number: name for name, entry in ENTRIES.items()})


def _entry_points() -> dict[str, EntryPoint]:
    """Return entry points by name, without those named like a codec of this package."""
    return {point.name: point for point in entry_points(group=GROUP) if point.name not in ENTRIES}


def names() -> tuple[str, ...]:
    """Return the names of all codecs, those of other packages included, sorted."""
    return tuple(sorted({*ENTRIES, *_entry_points()}))


def codec_class(name: str) -> type[Codec]:
    """Import and return the codec class `name`.

    Raises `UnknownCodecError` for an unknown name, `CodecUnavailableError` for a codec that cannot be imported,
    and TypeError for an entry point that is not a valid codec.
    """
    if entry := ENTRIES.get(name):
        try:
            codec: type[Codec] = getattr(importlib.import_module(entry.module), entry.attribute)
        except ImportError as error:
            raise CodecUnavailableError(f"codec {name!r} cannot be loaded ({error}): {entry.remedy}") from error
        return codec
    point = _entry_points().get(name)
    if point is None:
        raise UnknownCodecError(f"there is no codec named {name!r}; known names: {', '.join(names())}")
    try:
        loaded = point.load()
    except (ImportError, AttributeError) as error:
        raise CodecUnavailableError(
            f"codec {name!r} cannot be loaded from {point.value} ({error}): install or repair that package"
        ) from error
    return _checked(name, loaded)


def _checked(name: str, loaded: Any) -> type[Codec]:
    """Return the class that an entry point loaded as `name`; TypeError if it does not meet the contract."""
    if not (isinstance(loaded, type) and issubclass(loaded, Codec)):
        raise TypeError(f"the entry point {name!r} of {GROUP} is not a codec class")
    if getattr(loaded, "name", None) != name or getattr(loaded, "number", None) not in PRIVATE_NUMBERS:
        raise TypeError(
            f"the codec {name!r} of another package needs name = {name!r} and a number of "
            f"{PRIVATE_NUMBERS.start} to {PRIVATE_NUMBERS.stop - 1}"
        )
    return loaded


def name_of(header: Header) -> str:
    """Return the name of the codec of a file; FormatError if this version does not know its number."""
    name = private_name(header) or _NAMES.get(header.codec)
    if name is None:
        raise FormatError(
            f"the file was written by codec {header.codec}, which this version does not know: "
            "upgrade collagecodec"
        )
    return name


def class_of(header: Header) -> type[Codec]:
    """Return the codec of a file; FormatError for an unknown number or a missing private codec."""
    name = name_of(header)
    try:
        return codec_class(name)
    except UnknownCodecError as error:
        raise FormatError(
            f"the file was written by the codec {name!r} of another package, which is not installed: install it"
        ) from error


def get(name: str, **settings: Any) -> Codec:
    """Return the codec `name` with `settings` in place of its defaults.

    Raises TypeError for an unknown setting, and the errors of `codec_class`.
    """
    return with_settings(codec_class(name), settings)


def with_settings(codec: type[Codec], settings: Mapping[str, Any]) -> Codec:
    """Return an instance of a codec class; TypeError for an unknown setting."""
    known = {field.name for field in fields(codec)}
    if unknown := sorted(set(settings) - known):
        raise TypeError(
            f"codec {codec.name!r} has no setting {', '.join(unknown)}; it has {', '.join(sorted(known))}"
        )
    return codec(**settings)


def from_config(config: Mapping[str, Any]) -> ArrayCodec:
    """Return the codec with a given `config`; ValueError if the configuration has no name."""
    settings = dict(config)
    name = settings.pop("name", None)
    if not isinstance(name, str):
        raise ValueError("a codec's configuration needs its 'name'")
    return get(name, **settings)
