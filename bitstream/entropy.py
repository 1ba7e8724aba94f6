"""Entropy coding of integers with `constriction`'s ANS coder, grouped by probability table.

A tile is coded in passes. The decoder knows the table of every symbol of a pass before it reads the pass (a
prior derives it from earlier passes), so the symbols of a pass are sorted by table, and each group takes a
single call. The coder is a stack: the encoder pushes symbols in reverse order.

`constriction` silently decodes damaged data to wrong symbols. The container has checksums; this module can
only check that the coder is empty at the end (`Decoder.finish`).
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property
from typing import Any

import constriction
import numpy as np
from numpy.typing import ArrayLike, NDArray

from bitstream.errors import FormatError

MAX_TABLES = 256
MAX_RADIUS = 2**15 - 1
MAX_TOTAL = 2**40
MAX_VALUE = 2**24 - 1
"""Largest magnitude of a symbol."""

LARGE_PASS = 2**20
"""Passes of more symbols are decoded in parts, to save memory."""

PRECISION = 24
"""Bits of the fixed-point probabilities; fixed by `constriction`'s Python interface."""

_AnsCoder = constriction.stream.stack.AnsCoder
_Categorical = constriction.stream.model.Categorical
_UNIFORM = constriction.stream.model.Uniform()

_CLASSES = 24
_CLASS_COUNTS = 2 ** np.arange(_CLASSES - 1, -1, -1, dtype=np.int64)


def _model(counts: NDArray[np.int64]) -> Any:
    # Unscaled counts: their sums are exact in float64, so that the quantisation has two roundings only.
    return _Categorical(counts.astype(np.float64), perfect=False, lazy=False)


_CLASS_MODEL = _model(_CLASS_COUNTS)


def quantised_weights(counts: NDArray[np.integer[Any]]) -> NDArray[np.int64]:
    """Return the fixed-point probabilities of the coder for `counts`: int64, with a sum of 2^24.

    >>> quantised_weights(np.array([3, 1])).tolist()
    [12582911, 4194305]
    """
    counts = np.asarray(counts, np.int64)
    scale = float(2**PRECISION - counts.size) / float(counts.sum())
    left = np.concatenate(([0], np.cumsum(counts)[:-1])).astype(np.float64)
    edges = np.floor(left * scale).astype(np.int64) + np.arange(counts.size)
    return np.diff(edges, append=2**PRECISION)


class Tables:
    """The probability tables of a model, up to 256 of them.

    `counts[t]` holds the integer counts of table t, shape (2 * L + 2,), each at least 1, their sum at most
    2^40: entry j <= 2 * L is the value j - L, the last entry is the escape for all values beyond +-L. L, the
    radius, may differ from table to table, 0 .. 32767. A two-dimensional array is a sequence of such tables.

    Table 0 means "surely zero": its symbols are not coded and decode to 0. `counts[0]` is ignored.

    Raises ValueError for invalid counts.
    """

    def __init__(self, counts: Sequence[ArrayLike] | NDArray[np.integer[Any]]) -> None:
        if not 1 <= len(counts) <= MAX_TABLES:
            raise ValueError(f"there can be 1 .. {MAX_TABLES} tables, not {len(counts)}")
        self.counts = [np.zeros(0, np.int64)]
        """The counts: int64, each of shape (2 * L + 2,); empty for table 0."""
        self.counts += [_checked(table, np.asarray(counts[table])) for table in range(1, len(counts))]
        self._models: list[Any] = [None] * len(counts)
        self.radii = np.array([0] + [(row.size - 2) // 2 for row in self.counts[1:]], np.int32)
        """Radius of each table: int32, shape (number of tables,); 0 for table 0."""

    def __len__(self) -> int:
        return len(self.counts)

    def model(self, table: int) -> Any:
        """Return the `constriction` model of `table` (1 or more), which is created on first use."""
        model = self._models[table]
        if model is None:
            model = self._models[table] = _model(self.counts[table])
        return model

    @cached_property
    def _costs(self) -> tuple[NDArray[np.float64], NDArray[np.int64]]:
        """Bits of every entry of every table, end to end, and where each table begins."""
        rows = [np.zeros(1)]
        rows += [PRECISION - np.log2(quantised_weights(row)) for row in self.counts[1:]]
        starts = np.cumsum([0] + [row.size for row in rows[:-1]])
        return np.concatenate(rows), starts

    def estimate_bits(self, symbols: NDArray[np.int32], indices: NDArray[np.uint8]) -> float:
        """Return the ideal cost of `symbols` under the tables `indices` (both of shape (n,)) in bits.

        It is the cost at the coder's own 24-bit probabilities, escapes included; a whole stream takes at most
        about 8 bytes more. Raises ValueError where `encode` does.
        """
        symbols, indices = _checked_pass(symbols, indices, self)
        costs, starts = self._costs
        radii = self.radii[indices]
        _check_surely_zero(symbols[indices == 0])
        outside = np.abs(symbols) > radii
        columns = np.where(outside, 2 * radii + 1, symbols + radii)
        bits = float(costs[starts[indices] + columns].sum())
        if outside.any():
            classes, _ = _split_escapes(symbols[outside], radii[outside])
            class_bits = PRECISION - np.log2(quantised_weights(_CLASS_COUNTS))
            bits += float(class_bits[classes].sum() + (classes + 1).sum())
        return bits


def _checked(table: int, counts: NDArray[np.integer[Any]]) -> NDArray[np.int64]:
    if counts.ndim != 1 or counts.size < 2 or counts.size % 2:
        raise ValueError(f"table {table} has shape {counts.shape}; it needs 2 * L + 2 counts")
    if not np.issubdtype(counts.dtype, np.integer):
        raise ValueError(f"the counts of table {table} are {counts.dtype}; they must be integers")
    if counts.size > 2 * MAX_RADIUS + 2:
        raise ValueError(f"table {table} has {counts.size} counts, more than {2 * MAX_RADIUS + 2}")
    if counts.min() < 1 or int(counts.max()) > MAX_TOTAL or int(counts.sum(dtype=np.int64)) > MAX_TOTAL:
        raise ValueError(f"the counts of table {table} must be at least 1 and sum to at most {MAX_TOTAL}")
    return counts.astype(np.int64)


def encode(passes: Sequence[tuple[NDArray[np.int32], NDArray[np.uint8]]], tables: Tables) -> bytes:
    """Code the passes, each (symbols int32 shape (n,), table indices uint8 shape (n,)), in decoding order.

    Returns the coder's words, 32 bits each, little endian; no bytes if nothing had to be coded. Raises
    ValueError on a symbol beyond +-(2^24 - 1), a nonzero symbol of table 0, or an index without a table.
    """
    coder = _AnsCoder()
    for symbols, indices in reversed(passes):
        _push(coder, *_checked_pass(symbols, indices, tables), tables)
    return bytes(coder.get_compressed().astype("<u4").tobytes())


def _push(coder: Any, symbols: NDArray[np.int32], indices: NDArray[np.uint8], tables: Tables) -> None:
    """Push one pass: the reverse of `Decoder.decode`."""
    order, radii, groups = _group(indices, tables)
    values = symbols[order]
    if order.size < symbols.size:
        _check_surely_zero(symbols[indices == 0])
    columns = values + radii
    # One comparison for both sides: a negative column is a huge unsigned one.
    outside = np.flatnonzero(columns.view(np.uint32) > 2 * radii.view(np.uint32))
    if outside.size:
        columns[outside] = 2 * radii[outside] + 1
        classes, details = _split_escapes(values[outside], radii[outside])
        coder.encode_reverse(details, _UNIFORM, _detail_sizes(classes))
        coder.encode_reverse(classes, _CLASS_MODEL)
    for table, start, stop in reversed(groups):
        coder.encode_reverse(columns[start:stop], tables.model(table))


class Decoder:
    """Decodes the output of `encode`, pass by pass.

    `data` is the output of `encode`. Raises FormatError if it cannot be the output of any coder.
    """

    def __init__(self, data: bytes | bytearray | memoryview, tables: Tables) -> None:
        if len(data) % 4:
            raise FormatError(
                f"coded data come in words of 4 bytes, not in {len(data)} bytes: the file is damaged"
            )
        words = np.frombuffer(data, "<u4").astype(np.uint32)
        if words.size and words[-1] == 0:
            raise FormatError("the coded data end in a zero word, which no coder writes: the file is damaged")
        self._coder = _AnsCoder(words)
        self._tables = tables

    def decode(self, indices: NDArray[np.uint8]) -> NDArray[np.int32]:
        """Decode the next pass: one symbol, int32, for each table index, uint8, both of shape (n,).

        Raises FormatError on a value that no encoder writes, ValueError on an index without a table.
        """
        indices = _checked_indices(indices, self._tables)
        if indices.size > LARGE_PASS:
            return self._decode_large(indices)
        order, radii, groups = _group(indices, self._tables)
        values = np.empty(order.size, np.int32)
        for table, start, stop in groups:
            values[start:stop] = self._coder.decode(self._tables.model(table), stop - start)
        values -= radii
        outside = np.flatnonzero(values > radii)
        if outside.size:
            values[outside] = self._decode_escapes(radii[outside])
        symbols = np.zeros(indices.size, np.int32)
        symbols[order] = values
        return symbols

    def _decode_large(self, indices: NDArray[np.uint8]) -> NDArray[np.int32]:
        """Do the same in 4 bytes a symbol, where sorting would take 20."""
        symbols = np.zeros(indices.size, np.int32)
        escaped: list[NDArray[np.int64]] = []
        parts = [slice(start, start + LARGE_PASS) for start in range(0, indices.size, LARGE_PASS)]
        present = [np.bincount(indices[part], minlength=len(self._tables)) for part in parts]
        for table in range(1, len(self._tables)):
            radius = int(self._tables.radii[table])
            for part, counts in zip(parts, present, strict=True):
                if counts[table]:
                    places = np.flatnonzero(indices[part] == table) + part.start
                    values = self._coder.decode(self._tables.model(table), places.size) - radius
                    symbols[places] = values
                    escaped.append(places[values > radius])
        places = np.concatenate(escaped) if escaped else np.zeros(0, np.int64)
        if places.size:
            symbols[places] = self._decode_escapes(self._tables.radii[indices[places]])
        return symbols

    def _decode_escapes(self, radii: NDArray[np.int32]) -> NDArray[np.int32]:
        classes = self._coder.decode(_CLASS_MODEL, radii.size)
        details = self._coder.decode(_UNIFORM, _detail_sizes(classes))
        magnitudes = (1 << classes) + (details >> 1) + radii
        if magnitudes.max() > MAX_VALUE:
            raise FormatError(f"a symbol is {magnitudes.max()}, more than the format allows: the file is damaged")
        values: NDArray[np.int32] = np.where(details & 1, -magnitudes, magnitudes)
        return values

    def finish(self) -> None:
        """Raise FormatError unless exactly the encoded symbols have been decoded."""
        if not self._coder.is_empty():
            raise FormatError("the coded data do not end with the last symbol: the file is damaged")


def _group(
    indices: NDArray[np.uint8], tables: Tables
) -> tuple[NDArray[np.int64], NDArray[np.int32], list[tuple[int, int, int]]]:
    """Sort a pass by table, stably, without table 0.

    Returns the positions in sorted order, int64, the radius of each, int32, and for each table that occurs
    (table, start, stop): its range in that order.
    """
    sizes = np.bincount(indices, minlength=len(tables))
    order = np.argsort(indices, kind="stable")[sizes[0] :]
    sizes[0] = 0
    radii = np.repeat(tables.radii, sizes)
    stops = np.cumsum(sizes)
    present = np.flatnonzero(sizes)
    starts = (stops - sizes)[present]
    return order, radii, list(zip(present.tolist(), starts.tolist(), stops[present].tolist(), strict=True))


def _split_escapes(
    values: NDArray[np.int32], radii: NDArray[np.int32]
) -> tuple[NDArray[np.int32], NDArray[np.int32]]:
    """Split values beyond their radius into class (0 .. 23) and details (offset in the class * 2 + sign)."""
    excess = np.abs(values) - radii
    classes = (np.frexp(excess.astype(np.float64))[1] - 1).astype(np.int32)
    details = (excess - (1 << classes)) * 2 + (values < 0)
    return classes, details.astype(np.int32)


def _detail_sizes(classes: NDArray[np.int32]) -> NDArray[np.int32]:
    return np.left_shift(2, classes, dtype=np.int32)


def _checked_indices(indices: NDArray[np.uint8], tables: Tables) -> NDArray[np.uint8]:
    indices = np.asarray(indices)
    if indices.ndim != 1 or indices.dtype != np.uint8:
        raise ValueError(f"table indices are uint8 of shape (n,), not {indices.dtype} of {indices.shape}")
    if indices.size and indices.max() >= len(tables):
        raise ValueError(f"there is no table {indices.max()}, only {len(tables)} tables counted from 0")
    return indices


def _checked_pass(
    symbols: NDArray[np.int32], indices: NDArray[np.uint8], tables: Tables
) -> tuple[NDArray[np.int32], NDArray[np.uint8]]:
    symbols, indices = np.asarray(symbols), _checked_indices(indices, tables)
    if symbols.shape != indices.shape or symbols.dtype != np.int32:
        raise ValueError(f"symbols are int32 of shape {indices.shape}, not {symbols.dtype} of {symbols.shape}")
    if symbols.size and max(-int(symbols.min()), int(symbols.max())) > MAX_VALUE:
        raise ValueError(f"symbols are -{MAX_VALUE} .. {MAX_VALUE}, not {symbols.min()} .. {symbols.max()}")
    return symbols, indices


def _check_surely_zero(symbols: NDArray[np.int32]) -> None:
    if symbols.any():
        raise ValueError(f"table 0 holds zeros only; {np.count_nonzero(symbols)} of its symbols are not zero")
