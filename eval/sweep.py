"""A parameter sweep: one codec with one parameter varied and the other settings fixed. Each gives one curve."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from collagecodec.codecs.base import ArrayCodec

ParameterValue = int | float
"""A value of the swept parameter."""


@dataclass(frozen=True)
class Sweep:
    """A rate-distortion curve to measure.

    `label` identifies the sweep in results and legends and must stay stable. `make` builds a codec from keyword
    settings; a codec class works. `values` are the values of `parameter`, ordered from few bits to many.
    """

    label: str
    make: Callable[..., ArrayCodec]
    parameter: str
    values: tuple[ParameterValue, ...]
    fixed: Mapping[str, Any] = field(default_factory=dict)
    slow: bool = False
    """Whether a picture takes minutes or more. A slow sweep runs only when named, not by 'all' or 'table1'."""

    def codec(self, value: ParameterValue) -> ArrayCodec:
        """Return the codec with the parameter set to `value`."""
        return self.make(**{**self.fixed, self.parameter: value})

    def changed(self, spec: str) -> Sweep:
        """Return a copy with the settings in `spec` ('key=value,key=value') overriding those of this sweep.

        The swept parameter takes several values separated by slashes ('quality=20/40/60'). The label becomes
        'label@spec'. Raises `ValueError` if `spec` cannot be parsed.
        """
        fixed, values = dict(self.fixed), self.values
        for part in spec.split(","):
            key, equals, text = part.partition("=")
            if not (key and equals and text):
                raise ValueError(f"cannot parse {part!r}: write key=value,key=value")
            if key == self.parameter:
                values = tuple(_parameter_value(key, item) for item in text.split("/"))
            else:
                fixed[key] = _value(text)
        return replace(self, label=f"{self.label}@{spec}", fixed=fixed, values=values)


def _value(text: str) -> Any:
    try:
        return json.loads(text)
    except json.JSONDecodeError:
        return text


def _parameter_value(key: str, text: str) -> ParameterValue:
    value = _value(text)
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise ValueError(f"{key} takes numbers separated by slashes, not {text!r}")
    return value
