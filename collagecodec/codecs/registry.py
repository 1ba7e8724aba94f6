"""Names to codecs. A name is a stable id: it stands in files of results and is never given to another codec.

Nothing is imported before a codec is asked for, so that listing the names costs nothing and a codec whose
libraries are missing does not disturb the others.
"""

from __future__ import annotations

import importlib
from collections.abc import Mapping
from dataclasses import dataclass, fields
from types import MappingProxyType
from typing import Any

from collagecodec.codecs.base import Codec
from collagecodec.errors import CollageError


class UnknownCodecError(CollageError, LookupError):
    """No codec has this name."""


class CodecUnavailableError(CollageError, ImportError):
    """The codec exists, but something that it imports is not installed; the message says what to install."""


@dataclass(frozen=True)
class Entry:
    """Where a codec lives (`module`, class `attribute`) and which `extra` of the distribution it needs."""

    module: str
    attribute: str
    extra: str = ""

    @property
    def remedy(self) -> str:
        """The command that installs what the codec needs."""
        return f"pip install 'collagecodec[{self.extra}]'" if self.extra else "pip install collagecodec"


ENTRIES: Mapping[str, Entry] = MappingProxyType(
    {
        "collage": Entry("collagecodec.codecs.collage.codec", "CollageCodec"),
        "collage-paper": Entry("collagecodec.codecs.paper.codec", "PaperCollageCodec", extra="train"),
        "coin": Entry("collagecodec.codecs.coin.codec", "CoinCodec"),
        "dct": Entry("collagecodec.codecs.dct.codec", "DctCodec"),
        "pifs": Entry("collagecodec.codecs.pifs.codec", "PifsCodec"),
        "ifs": Entry("collagecodec.codecs.ifs.codec", "IfsCodec", extra="train"),
    }
)


def names() -> tuple[str, ...]:
    """Return the names of all codecs, sorted."""
    return tuple(sorted(ENTRIES))


def codec_class(name: str) -> type[Codec]:
    """Return the class called `name`, importing it now.

    Raises `UnknownCodecError` for a name that is not listed and `CodecUnavailableError`, which says what to
    install, for a codec that cannot be imported.
    """
    entry = ENTRIES.get(name)
    if entry is None:
        raise UnknownCodecError(f"there is no codec named {name!r}; known names: {', '.join(names())}")
    try:
        found = getattr(importlib.import_module(entry.module), entry.attribute)
    except ImportError as error:
        raise CodecUnavailableError(f"codec {name!r} cannot be loaded ({error}): {entry.remedy}") from error
    if not (isinstance(found, type) and issubclass(found, Codec)):
        raise TypeError(f"{entry.module}.{entry.attribute} is not a codec class")
    return found


def get(name: str, **settings: Any) -> Codec:
    """Return the codec `name` with `settings` in place of its defaults.

    Raises `TypeError` for a setting that the codec does not have, beside the errors of `codec_class`.
    """
    made = codec_class(name)
    known = {field.name for field in fields(made)}
    if strange := sorted(set(settings) - known):
        raise TypeError(f"codec {name!r} has no setting {', '.join(strange)}; it has {', '.join(sorted(known))}")
    return made(**settings)


def from_config(config: Mapping[str, Any]) -> Codec:
    """Return the codec whose `Codec.config` is `config`; raises `ValueError` if no name is given in it."""
    settings = dict(config)
    name = settings.pop("name", None)
    if not isinstance(name, str):
        raise ValueError("a codec's configuration needs its 'name'")
    return get(name, **settings)
