"""Timing the forms of the fractal embedding layer and of the rendering, each with its gradient."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from functools import partial
from typing import Any

import torch
from torch import Tensor

from collagecodec.fractals.learning import embedding, native, objective, parameters, rendering

MAPS, POINTS, SIDE, TAU = 10, 300, 32, 1.0
SEQUENCES = ((1, 1), (1, 50), (20, 50))
"""Numbers of IFS and of sequences of each."""
KEY = ("part", "form", "systems", "batch")
_PLAIN_AT_MOST = 50
"""Maximum number of sequences for the plain rendering, which needs gigabytes beyond."""


def measured(repeats: int) -> Iterator[dict[str, Any]]:
    """Yield the CPU microseconds per sequence of every part, form and size, as the minimum of `repeats` runs."""
    torch.set_num_threads(1)
    for systems, batch in SEQUENCES:
        for part, form, run in _runs(systems, batch):
            seconds = _fastest(run, repeats) / (systems * batch)
            size = {"systems": systems, "batch": batch, "us_a_sequence": float(f"{seconds * 1e6:.4g}")}
            yield {"part": part, "form": form, **size}


def _runs(systems: int, batch: int) -> Iterator[tuple[str, str, Callable[[], object]]]:
    """Yield part, form and a function that computes the form and its gradient."""
    generator = torch.Generator().manual_seed(0)
    numbers = torch.stack([parameters.initial("rotations", MAPS, generator) for _ in range(systems)])
    numbers.requires_grad_()
    A, b = parameters.FORMS["rotations"].maps(numbers)
    indices = embedding.sample(embedding.bounds(A), torch.rand(batch, POINTS, generator=generator))
    begin = embedding.start(A, b)
    compiled = native.available() is None

    def back(forward: Callable[[], Tensor], of: Tensor) -> object:
        return torch.autograd.grad(forward().sum(), of, retain_graph=True)

    forms: dict[str, Callable[..., Tensor]] = {"loop": embedding.loop, "scan": embedding.scan} | (
        {"native": native.embed} if compiled else {}
    )
    for name, embed in forms.items():
        yield "embedding", name, partial(back, partial(embed, A, b, indices, begin), numbers)
    points = embedding.loop(A, b, indices, begin).detach().requires_grad_()
    drawings: dict[str, Callable[..., Tensor]] = {"separable": rendering.separable} | (
        {"native": native.render} if compiled else {}
    )
    if systems * batch <= _PLAIN_AT_MOST:
        drawings["plain"] = rendering.plain
    for name, draw in drawings.items():
        yield "rendering", name, partial(back, partial(draw, points, SIDE, SIDE, TAU), points)
    targets = torch.rand(systems, SIDE, SIDE, generator=generator)
    for engine in ("torch", "native") if compiled else ("torch",):
        renderer = objective.Renderer(SIDE, SIDE, TAU, engine)
        yield "step", engine, partial(back, partial(renderer.errors, A, b, indices, targets, True), numbers)


def _fastest(run: Callable[[], object], repeats: int) -> float:
    run()
    spent = []
    for _ in range(repeats):
        started = time.process_time()
        run()
        spent.append(time.process_time() - started)
    return min(spent)


def markdown(lines: list[dict[str, Any]]) -> str:
    """Return the rows of `measured` as a Markdown table with a line per form."""
    heads = "".join(f" {systems} x {batch} |" for systems, batch in SEQUENCES)
    text = [f"| microseconds per sequence, IFS x sequences |{heads}", "|---|" + "---|" * len(SEQUENCES)]
    for part, form in dict.fromkeys((line["part"], line["form"]) for line in lines):
        cells = []
        for size in SEQUENCES:
            times = [
                line["us_a_sequence"]
                for line in lines
                if (line["part"], line["form"], line["systems"], line["batch"]) == (part, form, *size)
            ]
            cells.append(f" {times[0]:.4g} |" if times else " |")
        text.append(f"| {part}, {form} |{''.join(cells)}")
    return "\n".join(text) + "\n"
