"""The settings of a codec as text: a listing of them, and a parser for values from the command line."""

from __future__ import annotations

import types
import typing
from collections.abc import Iterable
from dataclasses import MISSING, fields
from typing import Any, Literal

from collagecodec.codecs import registry
from collagecodec.codecs.base import Codec

_WORDS: dict[Any, str] = {int: "integer", float: "number", str: "text", bool: "true or false", type(None): "none"}


def listing(codec: type[Codec]) -> list[str]:
    """Return a line for each setting with its name, its default and its accepted values."""
    hints = typing.get_type_hints(codec)
    lines = []
    for field in fields(codec):
        default = field.default
        if default is MISSING and field.default_factory is not MISSING:
            default = field.default_factory()
        text = "" if default is MISSING else _text(default)
        lines.append(f"{field.name}={text}  ({_accepted(hints[field.name])})")
    return lines


def parsed(name: str, texts: Iterable[str]) -> dict[str, Any]:
    """Parse settings of the codec `name` from `texts` of the form 'key=value'.

    The type of a field decides how its value is parsed; 'none' is None where the field may be None. Raises
    ValueError, with a list of the settings, for an unknown setting or an invalid value, and the errors of
    `registry.codec_class`.
    """
    codec = registry.codec_class(name)
    hints = typing.get_type_hints(codec)
    known = {field.name for field in fields(codec)}
    values: dict[str, Any] = {}
    for text in texts:
        key, equals, value = text.partition("=")
        key = key.strip().replace("-", "_")
        if not equals:
            raise ValueError(f"cannot read the setting {text!r}: write KEY=VALUE. {_summary(codec)}")
        if key not in known:
            raise ValueError(f"codec {name!r} has no setting {key!r}. {_summary(codec)}")
        if key in values:
            raise ValueError(f"the setting {key!r} is given twice: give it once")
        try:
            values[key] = _value(hints[key], value.strip())
        except ValueError as error:
            raise ValueError(
                f"{value!r} does not fit the setting {key!r}, {_accepted(hints[key])}. {_summary(codec)}"
            ) from error
    return values


def _summary(codec: type[Codec]) -> str:
    return f"The settings of {codec.name}: {'; '.join(listing(codec)) or 'none'}"


def _alternatives(hint: Any) -> list[Any]:
    """Return the types or literal values that a type hint allows."""
    if typing.get_origin(hint) in (typing.Union, types.UnionType):
        return [part for member in typing.get_args(hint) for part in _alternatives(member)]
    return list(typing.get_args(hint)) if typing.get_origin(hint) is Literal else [hint]


def _accepted(hint: Any) -> str:
    return " or ".join(_WORDS.get(part, _text(part)) for part in _alternatives(hint))


def _text(value: Any) -> str:
    return "none" if value is None else str(value).lower() if isinstance(value, bool) else str(value)


def _value(hint: Any, text: str) -> Any:
    """Parse a value by its type hint; ValueError if it does not fit."""
    from pydantic import TypeAdapter

    for part in _alternatives(hint):
        if part is type(None):
            if text.lower() == "none":
                return None
        elif isinstance(part, type):
            try:
                return TypeAdapter(part).validate_strings(text)
            except ValueError:
                continue
        elif _text(part) == text:
            return part
    raise ValueError(text)
