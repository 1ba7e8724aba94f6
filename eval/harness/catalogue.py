"""The sweeps that can be measured: ours, those of `eval.baselines`, and those of user files."""

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

from collagecodec.codecs.base import ArrayCodec
from collagecodec.codecs.registry import UnknownCodecError
from collagecodec.errors import CollageError
from eval import baselines
from eval.harness import ours
from eval.harness.facts import backend_of
from eval.sweep import Sweep

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
    "avif-444-s4-psnr",
    "jxl",
    "heic",
)
"""The sweeps that `--codecs default` measures."""


class NoSuchSweepError(LookupError):
    """A name given to `--codecs` matches no sweep."""


@lru_cache(maxsize=1)
def known() -> dict[str, Sweep]:
    """Return all built-in sweeps by label, ours first."""
    sweeps = list(ours.SWEEPS)
    for module in pkgutil.iter_modules(baselines.__path__):
        sweeps += getattr(importlib.import_module(f"{baselines.__name__}.{module.name}"), "SWEEPS", ())
    return {sweep.label: sweep for sweep in sweeps}


@lru_cache(maxsize=64)
def resolve(spec: str) -> tuple[Sweep, ...]:
    """Return the sweeps that `spec` selects.

    `spec` is a label, a pattern ('avif-*'), 'default', 'all' (except slow sweeps), a label with overridden
    settings ('collage@effort=5,quality=20/40/60'), or the path of a Python file that defines `SWEEPS`.
    Raises `NoSuchSweepError` if nothing matches and `ValueError` if the settings cannot be parsed.
    """
    if spec == "default":
        return tuple(known()[label] for label in DEFAULT)
    if spec == "all":
        return tuple(sweep for sweep in known().values() if not sweep.slow)
    label, at, settings = spec.partition("@")
    if label.endswith(".py"):
        sweeps = tuple(_load(Path(label)).SWEEPS)
    else:
        sweeps = tuple(sweep for sweep in known().values() if fnmatchcase(sweep.label, label))
    if not sweeps:
        raise NoSuchSweepError(f"no sweep matches {spec!r}; known are {', '.join(known())}")
    return tuple(sweep.changed(settings) for sweep in sweeps) if at else sweeps


def problem(sweep: Sweep) -> str:
    """Return the reason why `sweep` cannot be measured here, or '' if it can."""
    try:
        codec = sweep.codec(sweep.values[0])
        backend_of(codec)
    except UnknownCodecError:
        return "not part of this version"
    except (CollageError, ImportError, TypeError, ValueError) as error:
        return str(error)
    return ""


def choose(specs: Iterable[str]) -> tuple[list[tuple[str, Sweep]], dict[str, str]]:
    """Return the distinct (spec, sweep) pairs that can be measured, and for other labels the reason why not."""
    chosen: dict[str, tuple[str, Sweep]] = {}
    left_out: dict[str, str] = {}
    for spec in specs:
        for sweep in resolve(spec):
            if sweep.label in chosen or sweep.label in left_out:
                continue
            if reason := problem(sweep):
                left_out[sweep.label] = reason
            else:
                chosen[sweep.label] = (spec, sweep)
    return list(chosen.values()), left_out


def sweep_of(spec: str, label: str) -> Sweep:
    """Return the sweep named `label` among those of `spec`."""
    return next(sweep for sweep in resolve(spec) if sweep.label == label)


def codec_of(spec: str, label: str, value: float) -> ArrayCodec:
    """Return the codec of that sweep with its parameter set to `value`."""
    return sweep_of(spec, label).codec(value)


def _load(path: Path) -> ModuleType:
    """Import a file by path. The module is registered in `sys.modules`, which its dataclasses require."""
    name = f"eval_sweeps_{path.stem}"
    spec = importlib.util.spec_from_file_location(name, path)
    if not path.is_file() or spec is None or spec.loader is None:
        raise NoSuchSweepError(f"there is no file {path}")
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    spec.loader.exec_module(module)
    if not isinstance(getattr(module, "SWEEPS", None), Sequence):
        raise NoSuchSweepError(f"{path} must define SWEEPS, a tuple of eval.sweep.Sweep")
    return module
