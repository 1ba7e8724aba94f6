"""Names and numbers to codecs. Both are stable ids: a name stands in files of results, a number in every file.

Nothing is imported before a codec is asked for, so that listing the names costs nothing and a codec whose
libraries are missing does not disturb the others.

A codec of another package is announced by an entry point of the group `collagecodec.codecs`: its name is the
codec's name, its value the class. It has a private number (240 .. 255); files name the codec, so that the same
number may be used by any number of packages.
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
"""Group of the entry points that announce codecs of other packages."""


class UnknownCodecError(CollageError, LookupError):
    """No codec has this name."""


class CodecUnavailableError(CollageError, ImportError):
    """The codec exists, but something that it imports is not installed; the message says what to install."""


@dataclass(frozen=True)
class Entry:
    """Where a codec of this package lives: its `number`, module, class, and the `extra` that it needs."""

    number: int
    module: str
    attribute: str
    extra: str = ""

    @property
    def remedy(self) -> str:
        """The command that installs what the codec needs."""
        return f"pip install 'collagecodec[{self.extra}]'" if self.extra else "pip install collagecodec"


ENTRIES: Mapping[str, Entry] = MappingProxyType(
    {
        "collage": Entry(1, "collagecodec.codecs.collage.codec", "CollageCodec"),
        "collage-paper": Entry(2, "collagecodec.codecs.paper.codec", "PaperCollageCodec", extra="train"),
        "dct": Entry(3, "collagecodec.codecs.dct.codec", "DctCodec"),
        "pifs": Entry(4, "collagecodec.codecs.pifs.codec", "PifsCodec"),
        "coin": Entry(5, "collagecodec.codecs.coin.codec", "CoinCodec"),
        "ifs": Entry(6, "collagecodec.codecs.ifs.codec", "IfsCodec", extra="train"),
    }
)
_NAMES = MappingProxyType({entry.number: name for name, entry in ENTRIES.items()})


def _announced() -> dict[str, EntryPoint]:
    """Entry points by name, without those that carry the name of a codec of this package."""
    return {point.name: point for point in entry_points(group=GROUP) if point.name not in ENTRIES}


def names() -> tuple[str, ...]:
    """Return the names of all codecs, those of other packages included, sorted."""
    return tuple(sorted({*ENTRIES, *_announced()}))


def codec_class(name: str) -> type[Codec]:
    """Return the class called `name`, importing it now.

    Raises `UnknownCodecError` for a name that is not listed, `CodecUnavailableError`, which says what to
    install, for a codec that cannot be imported, TypeError for an entry point that names no valid codec.
    """
    if entry := ENTRIES.get(name):
        try:
            made: type[Codec] = getattr(importlib.import_module(entry.module), entry.attribute)
        except ImportError as error:
            raise CodecUnavailableError(f"codec {name!r} cannot be loaded ({error}): {entry.remedy}") from error
        return made
    point = _announced().get(name)
    if point is None:
        raise UnknownCodecError(f"there is no codec named {name!r}; known names: {', '.join(names())}")
    try:
        loaded = point.load()
    except (ImportError, AttributeError) as error:
        raise CodecUnavailableError(
            f"codec {name!r} cannot be loaded from {point.value} ({error}): install or mend that package"
        ) from error
    return _checked(name, loaded)


def _checked(name: str, loaded: Any) -> type[Codec]:
    """A class that another package announced as `name`; TypeError if it does not meet the contract."""
    if not (isinstance(loaded, type) and issubclass(loaded, Codec)):
        raise TypeError(f"the entry point {name!r} of {GROUP} is no codec class")
    if getattr(loaded, "name", None) != name or getattr(loaded, "number", None) not in PRIVATE_NUMBERS:
        raise TypeError(
            f"the codec {name!r} of another package needs name = {name!r} and a number of "
            f"{PRIVATE_NUMBERS.start} to {PRIVATE_NUMBERS.stop - 1}"
        )
    return loaded


def name_of(header: Header) -> str:
    """The name of the codec of a file; FormatError if this version does not know its number."""
    name = private_name(header) or _NAMES.get(header.codec)
    if name is None:
        raise FormatError(
            f"the file was written by codec {header.codec}, which this version does not know: "
            "upgrade collagecodec"
        )
    return name


def class_of(header: Header) -> type[Codec]:
    """The codec of a file; FormatError for an unknown number or a private codec that is not installed."""
    name = name_of(header)
    try:
        return codec_class(name)
    except UnknownCodecError as error:
        raise FormatError(
            f"the file was written by the codec {name!r} of another package, which is not installed: install it"
        ) from error


def get(name: str, **settings: Any) -> Codec:
    """Return the codec `name` with `settings` in place of its defaults.

    Raises `TypeError` for a setting that the codec does not have, beside the errors of `codec_class`.
    """
    return with_settings(codec_class(name), settings)


def with_settings(made: type[Codec], settings: Mapping[str, Any]) -> Codec:
    """Return a codec of a class; TypeError for a setting that it does not have."""
    known = {field.name for field in fields(made)}
    if strange := sorted(set(settings) - known):
        raise TypeError(
            f"codec {made.name!r} has no setting {', '.join(strange)}; it has {', '.join(sorted(known))}"
        )
    return made(**settings)


def from_config(config: Mapping[str, Any]) -> ArrayCodec:
    """Return the codec whose `config` is given; raises `ValueError` if no name is given in it."""
    settings = dict(config)
    name = settings.pop("name", None)
    if not isinstance(name, str):
        raise ValueError("a codec's configuration needs its 'name'")
    return get(name, **settings)
