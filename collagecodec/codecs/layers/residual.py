"""The residual layer: what the lossy layers left of the samples, coded without loss. Specified in FORMAT.md, 6.6.

Residuals of a tile are coded plane after plane on ever finer grids, like an interlaced picture, so that all but
the first samples have decoded neighbours on four sides. A linear prediction from them, and from the plane before,
is subtracted; the spread of the neighbours and the activity of the lossy picture choose the probability table.
Everything is integer arithmetic on whole passes.
"""

from __future__ import annotations

import zlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from bitstream.entropy import Decoder, Tables
from bitstream.entropy import encode as encode_symbols
from collagecodec.codecs import laplace
from collagecodec.errors import FormatError

COARSEST = 8
"""Distance of the samples of the first pass."""
SPREADS = np.array([1, 2, 3, 4, 6, 8, 12, 16, 24, 32, 48, 64, 96, 128, 256], np.int32)
ACTIVITIES = np.array([3, 8, 24], np.int32)
CONTEXTS = (len(SPREADS) + 1) * (len(ACTIVITIES) + 1)
KINDS = 3
"""Kinds of passes: the first, one between four diagonal neighbours, one between four direct neighbours."""
WEIGHTS = 3
WEIGHT_LIMIT = 127
LARGEST = 2**23
_NORMAL_TABLES = 64
_MODEL_BYTES = KINDS * (CONTEXTS + WEIGHTS)

Plane = NDArray[np.int32]


@lru_cache(maxsize=1)
def tables() -> Tables:
    """Return the tables: 0 .. 63 those of `laplace`, 64 .. 127 discretised normal distributions.

    Table 64 + i has the standard deviation 2^((i - 20) / 4). Counts are computed in integers.
    """
    return Tables([np.ones(2, np.int64), *laplace.tables().counts[1:], *map(_normal, range(_NORMAL_TABLES))])


def _normal(index: int) -> NDArray[np.int64]:
    """Return the counts of a normal distribution: p(k + 1) = p(k) r^(2 k + 1) with r = exp(-1 / 2 s^2)."""
    # s^2 = 2^((index - 20) / 2), and the ratio r in units of 2^-30.
    variance = _half_power(index - 20)
    exponent = (1 << 59) // variance
    ratio = _exp_negative(exponent)
    square, power = ratio * ratio >> 30, ratio
    magnitude = [1 << 32]
    while len(magnitude) < 4096 and (following := magnitude[-1] * power >> 30):
        magnitude.append(following)
        power = power * square >> 30
    escape = max(1, (magnitude[0] + 2 * sum(magnitude[1:])) >> 16)
    counts = [*magnitude[:0:-1], *magnitude, escape]
    return np.array([max(1, count >> 6) for count in counts], np.int64)


def _half_power(half_octaves: int) -> int:
    """Return 2^(half_octaves / 2) in units of 2^-30, rounded down."""
    octaves, half = divmod(half_octaves, 2)
    value = 1518500249 if half else 1 << 30
    return value << octaves if octaves >= 0 else value >> -octaves


def _exp_negative(exponent: int) -> int:
    """Return exp(-exponent) in units of 2^-30, rounded down; the argument has the same unit, at least 0.

    The argument is halved until it is at most 1/4, the series of exp(x) inverted, and the result squared again.
    """
    halvings = 0
    while exponent > 1 << 28:
        exponent >>= 1
        halvings += 1
    term = total = 1 << 30
    for order in range(1, 12):
        term = (term * exponent >> 30) // order
        total += term
    result = (1 << 60) // total
    for _ in range(halvings):
        result = result * result >> 30
    return result


@dataclass(frozen=True)
class Pass:
    """The samples `rows` x `columns` (slices) of a plane, of one of the kinds, with neighbours at `distance`."""

    kind: int
    rows: slice
    columns: slice
    distance: int


def passes() -> Iterator[Pass]:
    """Yield the passes of a plane in their order."""
    yield Pass(0, slice(0, None, COARSEST), slice(0, None, COARSEST), 0)
    step = COARSEST
    while step > 1:
        half = step // 2
        yield Pass(1, slice(half, None, step), slice(half, None, step), half)
        yield Pass(2, slice(0, None, step), slice(half, None, step), half)
        yield Pass(2, slice(half, None, step), slice(0, None, step), half)
        step = half


_DIRECTIONS = {
    1: ((-1, -1), (-1, 1), (1, -1), (1, 1)),
    2: ((-1, 0), (0, -1), (0, 1), (1, 0)),
}


def _neighbours(plane: Plane, part: Pass) -> NDArray[np.int32]:
    """Return the four neighbours of the samples of a pass: (4, rows, columns).

    Beyond a border the neighbour on the other side stands in, and beyond both borders the sample's own place,
    which is not decoded yet and holds 0.
    """
    rows, columns = np.arange(plane.shape[0])[part.rows], np.arange(plane.shape[1])[part.columns]
    found = np.empty((4, len(rows), len(columns)), np.int32)
    for index, (down, right) in enumerate(_DIRECTIONS[part.kind]):
        y = _reflected(rows, down * part.distance, plane.shape[0])
        x = _reflected(columns, right * part.distance, plane.shape[1])
        found[index] = plane[np.ix_(y, x)]
    return found


def _reflected(places: NDArray[np.int64], shift: int, size: int) -> NDArray[np.int64]:
    moved, other = places + shift, places - shift
    inside = (moved >= 0) & (moved < size)
    return np.where(inside, moved, np.where((other >= 0) & (other < size), other, places))


def activity(lossy: NDArray[np.integer]) -> Plane:
    """Return the largest difference of every sample (H, W) to its four direct neighbours: int32."""
    values = lossy.astype(np.int32)
    down, right = np.abs(np.diff(values, axis=0)), np.abs(np.diff(values, axis=1))
    result = np.zeros(values.shape, np.int32)
    result[1:] = down
    result[:-1] = np.maximum(result[:-1], down)
    result[:, 1:] = np.maximum(result[:, 1:], right)
    result[:, :-1] = np.maximum(result[:, :-1], right)
    return result


@dataclass(frozen=True)
class Model:
    """The parameters of a plane: `weights` int8 (kinds, 3), and table `indices` uint8 (kinds, contexts)."""

    weights: NDArray[np.int8]
    indices: NDArray[np.uint8]

    def prediction(self, view: View) -> Plane:
        """Return the predicted residuals of a pass."""
        near, before, around = self.weights[view.part.kind].astype(np.int32)
        return (near * view.sum + 4 * before * view.previous + around * view.previous_sum + 128) >> 8

    def table_indices(self, view: View) -> NDArray[np.uint8]:
        """Return the table of every sample of a pass."""
        return self.indices[view.part.kind][view.contexts]


class View:
    """What is known of a pass before it is decoded.

    sum            sum of the four neighbours
    previous       the residual at the same place of the plane before; 0 without one
    previous_sum   the sum of its neighbours
    contexts       number of the context, 0 .. CONTEXTS - 1
    """

    def __init__(self, part: Pass, known: Plane, before: Plane | None, active: Plane) -> None:
        self.part = part
        shape = active[part.rows, part.columns].shape
        spread = np.zeros(shape, np.int32)
        self.sum, self.previous, self.previous_sum = spread, spread, spread
        if part.kind:
            near = _neighbours(known, part)
            self.sum = near.sum(axis=0, dtype=np.int32)
            spread = near.max(axis=0) - near.min(axis=0)
        if before is not None:
            self.previous = before[part.rows, part.columns]
            if part.kind:
                self.previous_sum = _neighbours(before, part).sum(axis=0, dtype=np.int32)
                spread = spread + (np.abs(4 * self.previous - self.previous_sum) >> 1)
            else:
                spread = spread + np.abs(self.previous)
        bins = np.searchsorted(SPREADS, spread, "right") * (len(ACTIVITIES) + 1)
        self.contexts = bins + np.searchsorted(ACTIVITIES, active[part.rows, part.columns], "right")


def encode(residuals: Sequence[Plane], lossy: Sequence[NDArray[np.integer]]) -> bytes:
    """Return a tile of the residual layer: int32 planes (H, W) within +-2^23, beside their lossy planes."""
    coded: list[tuple[NDArray[np.int32], NDArray[np.uint8]]] = []
    models = []
    before: Plane | None = None
    for plane, picture in zip(residuals, lossy, strict=True):
        model, symbols = _fitted(plane, before, activity(picture))
        models.append(model)
        coded += symbols
        before = plane
    head = zlib.compress(b"".join(m.weights.tobytes() + m.indices.tobytes() for m in models), 9)
    return len(head).to_bytes(4, "little") + head + encode_symbols(coded, tables())


def decode(data: memoryview, lossy: Sequence[NDArray[np.integer]]) -> list[Plane]:
    """Return the planes that `encode` coded; FormatError if the bytes are damaged."""
    models, coded = _unpacked(data, len(lossy))
    decoder = Decoder(coded, tables())
    planes: list[Plane] = []
    for model, picture in zip(models, lossy, strict=True):
        known, active = np.zeros(picture.shape, np.int32), activity(picture)
        for part in passes():
            view = View(part, known, planes[-1] if planes else None, active)
            if view.contexts.size:
                symbols = decoder.decode(model.table_indices(view).ravel())
                values = symbols.reshape(view.contexts.shape) + model.prediction(view)
                known[part.rows, part.columns] = np.clip(values, -LARGEST, LARGEST)
        planes.append(known)
    decoder.finish()
    return planes


def _unpacked(data: memoryview, count: int) -> tuple[list[Model], memoryview]:
    size = int.from_bytes(data[:4], "little")
    inflater, expected = zlib.decompressobj(), count * _MODEL_BYTES
    try:
        head = inflater.decompress(data[4 : 4 + size], expected + 1)
    except zlib.error as error:
        raise FormatError(f"the residual layer cannot be inflated ({error}): the file is damaged") from error
    if len(data) < 4 + size or len(head) != expected or not inflater.eof:
        raise FormatError("the parameters of the residual layer have a wrong size: the file is damaged")
    models = []
    for start in range(0, expected, _MODEL_BYTES):
        part = np.frombuffer(head, np.uint8, _MODEL_BYTES, start)
        weights, indices = part[: KINDS * WEIGHTS].view(np.int8), part[KINDS * WEIGHTS :]
        if indices.max() >= len(tables()):
            raise FormatError(f"the residual layer has no table {indices.max()}: the file is damaged")
        models.append(Model(weights.reshape(KINDS, WEIGHTS), indices.reshape(KINDS, CONTEXTS)))
    return models, data[4 + size :]


def _fitted(
    plane: Plane, before: Plane | None, active: Plane
) -> tuple[Model, list[tuple[NDArray[np.int32], NDArray[np.uint8]]]]:
    """Return the model of a plane and its passes."""
    known, views, values = np.zeros(plane.shape, np.int32), [], []
    for part in passes():
        view = View(part, known, before, active)
        if view.contexts.size:
            views.append(view)
            values.append(plane[part.rows, part.columns])
            known[part.rows, part.columns] = values[-1]
    weights = np.zeros((KINDS, WEIGHTS), np.int8)
    for kind in range(KINDS):
        chosen = [index for index, view in enumerate(views) if view.part.kind == kind]
        weights[kind] = _least_squares([views[index] for index in chosen], [values[index] for index in chosen])
    model = Model(weights, np.zeros((KINDS, CONTEXTS), np.uint8))
    symbols = [
        (value - model.prediction(view)).astype(np.int32) for view, value in zip(views, values, strict=True)
    ]
    for kind in range(KINDS):
        chosen = [index for index, view in enumerate(views) if view.part.kind == kind]
        if chosen:
            every = np.concatenate([symbols[index].ravel() for index in chosen])
            contexts = np.concatenate([views[index].contexts.ravel() for index in chosen])
            model.indices[kind] = _best_tables(every, contexts)
    return model, [
        (symbol.ravel(), model.table_indices(view).ravel()) for symbol, view in zip(symbols, views, strict=True)
    ]


def _least_squares(views: Sequence[View], values: Sequence[Plane]) -> NDArray[np.int8]:
    """Return the weights that predict `values` best, rounded to the units of `Model.prediction`."""
    normal, right = np.zeros((WEIGHTS, WEIGHTS)), np.zeros(WEIGHTS)
    for view, value in zip(views, values, strict=True):
        columns = (view.sum, 4 * view.previous, view.previous_sum)
        features = np.stack([column.ravel() for column in columns]).astype(np.float64)
        normal += features @ features.T
        right += features @ value.ravel()
    scale = np.trace(normal) / WEIGHTS + 1
    solved = np.linalg.solve(normal + np.eye(WEIGHTS) * scale * 1e-6, right)
    return np.clip(np.rint(256 * solved), -WEIGHT_LIMIT, WEIGHT_LIMIT).astype(np.int8)


def _best_tables(symbols: NDArray[np.int32], contexts: NDArray[np.int64]) -> NDArray[np.uint8]:
    """Return the cheapest table of every context among those whose spread fits."""
    chosen = np.zeros(CONTEXTS, np.uint8)
    order = np.argsort(contexts, kind="stable")
    stops = np.cumsum(np.bincount(contexts, minlength=CONTEXTS))
    for context, (start, stop) in enumerate(zip([0, *stops[:-1]], stops, strict=True)):
        group = symbols[order[start:stop]]
        if not group.any():
            continue  # table 0, which codes zeros for nothing
        mean, deviation = np.abs(group).mean(), np.sqrt(np.square(group.astype(np.float64)).mean())
        first = round(4 * np.log2(mean)) + 29, round(4 * np.log2(deviation)) + 20 + laplace.TABLES
        limits = (1, laplace.TABLES - 1), (laplace.TABLES, len(tables()) - 1)
        candidates = {
            min(max(guess + shift, low), high)
            for guess, (low, high) in zip(first, limits, strict=True)
            for shift in (-1, 0, 1)
        }
        indices = {table: np.full(len(group), table, np.uint8) for table in sorted(candidates)}
        chosen[context] = min(indices, key=lambda table: tables().estimate_bits(group, indices[table]))
    return chosen
