"""The compiled forms of the embedding and of the rendering (native.cpp).

They are compiled on first use by the C++ compiler of the machine, for its processor (`build`). Without a compiler
`available` returns that as the reason, and PyTorch does the same work several times slower.
"""

from __future__ import annotations

import ctypes
import shutil
import subprocess
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import cache
from typing import Any

import torch
from torch import Tensor

from collagecodec.errors import MissingLibraryError
from collagecodec.fractals.learning import build
from collagecodec.fractals.learning.parameters import SPAN

_SMALLEST = 0.25
"""Least tau in square pixels that the tables of native.cpp are fine enough."""
_REACH = {1.3: 1, 5.3: 2, 21.0: 4}
"""Largest tau for which a window of so many times 8 pixels holds all but 1e-5 of the peak."""


def window(tau: float) -> int | None:
    """Return the window for `tau`, in units of 8 pixels; None where there is none."""
    return next((size for bound, size in _REACH.items() if _SMALLEST <= tau <= bound), None)


def available(tau: float = 1.0) -> str | None:
    """Return None if the compiled forms can be used with `tau`, else the reason why not."""
    if window(tau) is None:
        return f"tau is {tau}, not from {_SMALLEST} to {max(_REACH)}"
    try:
        _library()
    except MissingLibraryError as error:
        return str(error)
    return None


def embed(A: Tensor, b: Tensor, indices: Tensor, begin: Tensor) -> Tensor:
    """See `embedding.embed`."""
    maps = torch.cat([A.flatten(-2), b], -1)
    return _Embedding.apply(maps, indices, begin)  # type: ignore[no-untyped-call]


def render(points: Tensor, height: int, width: int, tau: float) -> Tensor:
    """See `rendering.separable`; a Gaussian ends where it is below 1e-5."""
    flat = _Rendering.apply(points.flatten(0, -3), height, width, tau)  # type: ignore[no-untyped-call]
    return flat.reshape(*points.shape[:-2], height, width)


def errors(
    A: Tensor, b: Tensor, indices: Tensor, begin: Tensor, targets: Tensor, tau: float, clamp: bool
) -> Tensor:
    """Return the mean squared errors (M, B) of the renderings of sequences against `targets` (M, H, W).

    The others as in `embed`; `clamp`: cut the renderings at 1. Neither points nor renderings are kept.
    """
    maps = torch.cat([A.flatten(-2), b], -1)
    return _Errors.apply(maps, indices, begin, targets, tau, clamp)  # type: ignore[no-untyped-call]


def sample(bounds: Tensor, uniform: Tensor) -> Tensor:
    """Return how many of the first N - 1 of `bounds` (M, N), rising, each of `uniform` (B, T) reaches: (M, B,
    T).
    """
    bounds, uniform = bounds.contiguous(), uniform.contiguous()
    indices = torch.empty(len(bounds), *uniform.shape, dtype=torch.uint8)
    sizes = _longs(*bounds.shape, uniform.numel())
    _library().collage_sample(*_at(0, uniform, bounds), *sizes, *_at(0, indices))
    return indices


class _Embedding(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, maps: Tensor, indices: Tensor, begin: Tensor) -> Tensor:
        maps, indices, begin = maps.contiguous(), indices.contiguous(), begin.contiguous()
        systems, count, _ = maps.shape
        points = torch.empty(*indices.shape, 2)

        def run(low: int, high: int) -> None:
            sizes = (high - low, count, *indices.shape[1:])
            _library().collage_embed(*_at(low, maps, indices, begin), *_longs(*sizes), *_at(low, points))

        _spread(run, systems)
        ctx.save_for_backward(maps, indices, begin, points)
        return points

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor, None, None]:
        maps, indices, begin, points = ctx.saved_tensors
        gradient, out = gradients[0].contiguous(), torch.zeros_like(maps)

        def run(low: int, high: int) -> None:
            sizes = (high - low, maps.shape[1], *indices.shape[1:])
            given = _at(low, maps, indices, begin, points, gradient)
            _library().collage_embed_backward(*given, *_longs(*sizes), *_at(low, out))

        _spread(run, len(maps))
        return out, None, None


class _Rendering(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, points: Tensor, height: int, width: int, tau: float) -> Tensor:
        points = points.contiguous()
        ctx.save_for_backward(points)
        ctx.size = height, width, tau
        out = torch.empty(len(points), height, width)

        def run(low: int, high: int) -> None:
            sizes = (high - low, points.shape[1], height, width)
            _library().collage_render(*_at(low, points), *_longs(*sizes), *_frame(*ctx.size), *_at(low, out))

        _spread(run, len(points))
        return out

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor, None, None, None]:
        (points,) = ctx.saved_tensors
        gradient, out = gradients[0].contiguous(), torch.empty_like(points)

        def run(low: int, high: int) -> None:
            sizes = (high - low, points.shape[1], *ctx.size[:2])
            given = (*_at(low, points, gradient), *_longs(*sizes), *_frame(*ctx.size))
            _library().collage_render_backward(*given, *_at(low, out))

        _spread(run, len(points))
        return out, None, None, None


class _Errors(torch.autograd.Function):
    """The gradient of the maps is computed together with the errors, for every sequence."""

    @staticmethod
    def forward(
        ctx: Any, maps: Tensor, indices: Tensor, begin: Tensor, targets: Tensor, tau: float, clamp: bool
    ) -> Tensor:
        inputs = [tensor.contiguous() for tensor in (maps, indices, begin, targets)]
        height, width = targets.shape[1:]
        losses, gradient = torch.empty(indices.shape[:2]), torch.zeros(*indices.shape[:2], *maps.shape[1:])

        def run(low: int, high: int) -> None:
            sizes = _longs(high - low, maps.shape[1], *indices.shape[1:], height, width)
            frame = (*_frame(height, width, tau), ctypes.c_int(clamp))
            _library().collage_errors(*_at(low, *inputs), *sizes, *frame, *_at(low, losses, gradient))

        _spread(run, len(maps))
        ctx.save_for_backward(gradient)
        return losses

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor, None, None, None, None, None]:
        (gradient,) = ctx.saved_tensors
        return (gradient * gradients[0][..., None, None]).sum(1), None, None, None, None, None


def _frame(height: int, width: int, tau: float) -> tuple[Any, ...]:
    numbers = (width / SPAN, height / SPAN, 0.5, tau)
    return (*(ctypes.c_float(number) for number in numbers), ctypes.c_int(window(tau) or 0))


def _longs(*sizes: int) -> Sequence[ctypes.c_int64]:
    return [ctypes.c_int64(size) for size in sizes]


def _at(row: int, *tensors: Tensor) -> Sequence[ctypes.c_void_p]:
    """Return the address of row `row` of each tensor, which is contiguous."""
    return [
        ctypes.c_void_p(tensor.data_ptr() + row * tensor[0].numel() * tensor.element_size() if len(tensor) else 0)
        for tensor in tensors
    ]


def _spread(run: Callable[[int, int], None], rows: int) -> None:
    """Call `run` on ranges that cover `rows`, on as many threads as PyTorch uses. Foreign calls free the lock."""
    threads = min(torch.get_num_threads(), rows)
    if threads < 2:
        run(0, rows)
        return
    bounds = [rows * number // threads for number in range(threads + 1)]
    list(_pool(threads).map(run, bounds[:-1], bounds[1:]))


@cache
def _pool(threads: int) -> ThreadPoolExecutor:
    return ThreadPoolExecutor(threads, thread_name_prefix="fractals")


@cache
def _library() -> ctypes.CDLL:
    """Return the compiled library; MissingLibraryError where it cannot be made."""
    compiler = next(filter(None, map(shutil.which, ("c++", "g++", "clang++"))), None)
    if compiler is None:
        raise MissingLibraryError("there is no C++ compiler: install one, or use engine='torch'")
    try:
        return build.load(compiler)
    except (OSError, subprocess.SubprocessError) as error:
        lines = (getattr(error, "stderr", "") or str(error)).strip().splitlines()
        reason = lines[0] if lines else type(error).__name__
        raise MissingLibraryError(f"native.cpp could not be compiled ({reason}): use engine='torch'") from error
