"""Which series there are: ours, the baselines' (found in `eval.baselines`), and those of a file."""

from __future__ import annotations

import importlib
import importlib.util
import pkgutil
import sys
from collections.abc import Iterable, Sequence
from fnmatch import fnmatchcase
from functools import lru_cache
from pathlib import Path
from types import ModuleType

from collagecodec.codecs.base import Codec
from collagecodec.codecs.registry import UnknownCodecError
from collagecodec.errors import CollageError
from eval import baselines
from eval.harness import ours
from eval.harness.facts import backend_of
from eval.harness.sweep import Series

DEFAULT = (
    "collage",
    "jpeg",
    "webp",
    "jpeg2000-rate",
    "jpeg2000-psnr",
    "avif-420-s6",
    "avif-420-s4",
    "avif-444-s4",
    "avif-420-s2",
    "avif-444-s2",
    "avif-420-s4-psnr",
    "jxl",
    "heic",
)
"""What `--codecs default` measures."""


class NoSuchSeriesError(LookupError):
    """A name given to `--codecs` fits nothing."""


@lru_cache(maxsize=1)
def known() -> dict[str, Series]:
    """Return all built-in series by label, ours first."""
    found = list(ours.SERIES)
    for module in pkgutil.iter_modules(baselines.__path__):
        found += getattr(importlib.import_module(f"{baselines.__name__}.{module.name}"), "SERIES", ())
    return {series.label: series for series in found}


@lru_cache(maxsize=64)
def resolve(spec: str) -> tuple[Series, ...]:
    """Return the series that `spec` names.

    `spec` is a label, a pattern ('avif-*'), 'default', 'all' (without the slow ones), a label with changed
    settings ('collage@effort=5,quality=20/40/60'), or the path of a Python file with a `SERIES`.
    Raises `NoSuchSeriesError` if it fits nothing and `ValueError` if its settings cannot be read.
    """
    if spec == "default":
        return tuple(known()[label] for label in DEFAULT)
    if spec == "all":
        return tuple(series for series in known().values() if not series.slow)
    label, at, settings = spec.partition("@")
    if label.endswith(".py"):
        found = tuple(_load(Path(label)).SERIES)
    else:
        found = tuple(series for series in known().values() if fnmatchcase(series.label, label))
    if not found:
        raise NoSuchSeriesError(f"no series fits {spec!r}; there are {', '.join(known())}")
    return tuple(series.changed(settings) for series in found) if at else found


def problem(series: Series) -> str:
    """Return why `series` cannot be measured here, or '' if it can."""
    try:
        codec = series.codec(series.values[0])
        backend_of(codec)
    except UnknownCodecError:
        return "not part of this version"
    except (CollageError, ImportError, TypeError, ValueError) as error:
        return str(error)
    return ""


def choose(specs: Iterable[str]) -> tuple[list[tuple[str, Series]], dict[str, str]]:
    """Return what can be measured, as (spec, series) without repeats, and why the others cannot, by label."""
    chosen: dict[str, tuple[str, Series]] = {}
    left_out: dict[str, str] = {}
    for spec in specs:
        for series in resolve(spec):
            if series.label in chosen or series.label in left_out:
                continue
            if reason := problem(series):
                left_out[series.label] = reason
            else:
                chosen[series.label] = (spec, series)
    return list(chosen.values()), left_out


def series_of(spec: str, label: str) -> Series:
    """Return the one series called `label` among those of `spec`."""
    return next(series for series in resolve(spec) if series.label == label)


def codec_of(spec: str, label: str, value: float) -> Codec:
    """Return the codec of that series with its knob at `value`."""
    return series_of(spec, label).codec(value)


def _load(path: Path) -> ModuleType:
    """Import a file by its path. Its module is registered, or its dataclasses could not be made."""
    name = f"eval_series_{path.stem}"
    spec = importlib.util.spec_from_file_location(name, path)
    if not path.is_file() or spec is None or spec.loader is None:
        raise NoSuchSeriesError(f"there is no file {path}")
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    spec.loader.exec_module(module)
    if not isinstance(getattr(module, "SERIES", None), Sequence):
        raise NoSuchSeriesError(f"{path} has no SERIES, a tuple of eval.harness.sweep.Series")
    return module
