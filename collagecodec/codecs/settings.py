"""The settings of a codec as text: which there are, and the values that a command line gives them."""

from __future__ import annotations

import types
import typing
from collections.abc import Iterable
from dataclasses import MISSING, fields
from typing import Any, Literal

from collagecodec.codecs import registry
from collagecodec.codecs.base import Codec

_WORDS: dict[Any, str] = {int: "whole number", float: "number", str: "text", bool: "true or false"}
_TRUTH = {"true": True, "yes": True, "1": True, "false": False, "no": False, "0": False}


def listing(made: type[Codec]) -> list[str]:
    """Return one line for every setting: its name, default and what it takes."""
    hints = typing.get_type_hints(made)
    lines = []
    for field in fields(made):
        if field.default is not MISSING:
            default = _shown(field.default)
        else:
            default = "" if field.default_factory is MISSING else _shown(field.default_factory())
        lines.append(f"{field.name}={default}  ({_takes(hints[field.name])})")
    return lines


def parsed(codec: str, texts: Iterable[str]) -> dict[str, Any]:
    """Return the settings of `codec` that the `texts`, each 'key=value', give.

    A value is read by the type of the field; 'none' is None where the field may be None. Raises ValueError,
    with a list of the settings, for one that the codec does not have or that cannot be read, and what
    `registry.codec_class` raises.
    """
    made = registry.codec_class(codec)
    hints = typing.get_type_hints(made)
    known = {field.name for field in fields(made)}
    values: dict[str, Any] = {}
    for text in texts:
        key, equals, value = text.partition("=")
        key = key.strip().replace("-", "_")
        if not equals:
            raise ValueError(f"cannot read the setting {text!r}: write KEY=VALUE. {_all(codec, made)}")
        if key not in known:
            raise ValueError(f"codec {codec!r} has no setting {key!r}. {_all(codec, made)}")
        if key in values:
            raise ValueError(f"the setting {key!r} is given twice; leave one out")
        try:
            values[key] = _value(hints[key], value.strip())
        except ValueError as error:
            raise ValueError(
                f"{value!r} does not fit the setting {key!r}, {_takes(hints[key])}. {_all(codec, made)}"
            ) from error
    return values


def _all(codec: str, made: type[Codec]) -> str:
    lines = listing(made)
    return f"The settings of {codec}: " + ("; ".join(lines) if lines else "none")


def _options(hint: Any) -> list[Any]:
    """The types or literal values that a hint allows."""
    if typing.get_origin(hint) in (typing.Union, types.UnionType):
        return [one for part in typing.get_args(hint) for one in _options(part)]
    return list(typing.get_args(hint)) if typing.get_origin(hint) is Literal else [hint]


def _takes(hint: Any) -> str:
    words = [_WORDS.get(one, "none" if one is type(None) else _shown(one)) for one in _options(hint)]
    return " or ".join(words)


def _shown(value: Any) -> str:
    return "none" if value is None else str(value).lower() if isinstance(value, bool) else str(value)


def _value(hint: Any, text: str) -> Any:
    for option in _options(hint):
        if option is type(None):
            if text.lower() == "none":
                return None
        elif option is bool:
            if text.lower() in _TRUTH:
                return _TRUTH[text.lower()]
        elif option in (int, float, str):
            try:
                return option(text)
            except ValueError:
                continue
        elif _shown(option) == text:
            return option
    raise ValueError(text)
