"""Fused elementwise functions: compiled while training, plain otherwise.

Long chains of elementwise operations dominate training on a CPU; compiling them makes these parts tens of
times faster, at half a minute's cost. `collage train` turns it on where a C++ compiler is installed.
"""

from __future__ import annotations

import functools
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import ParamSpec, TypeVar

import torch

P = ParamSpec("P")
R = TypeVar("R")

_enabled = False


@contextmanager
def fused() -> Iterator[bool]:
    """While it is open, `fusible` functions are compiled; yields False where there is no compiler to do it."""
    global _enabled
    before, _enabled = _enabled, any(shutil.which(name) for name in ("c++", "g++", "clang++"))
    try:
        yield _enabled
    finally:
        _enabled = before


def fusible(function: Callable[P, R]) -> Callable[P, R]:
    """Mark an elementwise tensor function as worth compiling."""
    compiled: Callable[P, R] | None = None

    @functools.wraps(function)
    def call(*args: P.args, **kwargs: P.kwargs) -> R:
        nonlocal compiled
        if not _enabled:
            return function(*args, **kwargs)
        if compiled is None:
            # Late, because the compiler takes seconds to import.
            compiled = torch.compile(function)
        return compiled(*args, **kwargs)

    return call
