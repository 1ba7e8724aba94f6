"""A series: one codec, some settings held fixed, one knob turned. It is what becomes one curve."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from collagecodec.codecs.base import Codec

Knob = int | float


@dataclass(frozen=True)
class Series:
    """A curve to be measured.

    `label` names it in results and legends and is as stable as a codec's name; `make` returns a codec from
    keyword settings (a codec class will do); `values` are the settings of `knob`, from few bits to many.
    """

    label: str
    make: Callable[..., Codec]
    knob: str
    values: tuple[Knob, ...]
    fixed: Mapping[str, Any] = field(default_factory=dict)
    slow: bool = False
    """Whether a picture takes minutes or more: measured only when it is named, not by 'all' or 'table1'."""

    def codec(self, value: Knob) -> Codec:
        """Return the codec with the knob at `value`."""
        return self.make(**{**self.fixed, self.knob: value})

    def changed(self, spec: str) -> Series:
        """Return this series with the settings of `spec` ('key=value,key=value') in place of its own.

        The knob takes its values with slashes between ('quality=20/40/60'). The label becomes 'label@spec'.
        Raises `ValueError` when `spec` does not read so.
        """
        fixed, values = dict(self.fixed), self.values
        for part in spec.split(","):
            key, equals, text = part.partition("=")
            if not (key and equals and text):
                raise ValueError(f"cannot read {part!r}: write key=value,key=value")
            if key == self.knob:
                values = tuple(_knob(key, one) for one in text.split("/"))
            else:
                fixed[key] = _value(text)
        return replace(self, label=f"{self.label}@{spec}", fixed=fixed, values=values)


def _value(text: str) -> Any:
    try:
        return json.loads(text)
    except json.JSONDecodeError:
        return text


def _knob(key: str, text: str) -> Knob:
    value = _value(text)
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise ValueError(f"{key} takes numbers with slashes between, not {text!r}")
    return value
