"""Entropy coding of the trees of a tile of `pifs`.

For every size, from the largest, three passes code which nodes are split, the factors a of the leaves, and the
Haar coefficients of the split nodes. The file holds the choice of tables. Splits and coefficients have a table
for each context, the activity of the larger node and its neighbours. Positions of domain cells follow in fixed
widths.
"""

from __future__ import annotations

import zlib
from collections.abc import Callable
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from bitstream.entropy import MAX_VALUE, Decoder, Tables, encode
from bitstream.errors import FormatError
from bitstream.fixed_width import pack_fixed, unpack_fixed
from collagecodec.codecs.laplace import tables
from collagecodec.codecs.pifs.layout import Grid, Layout
from collagecodec.codecs.pifs.tree import CONTEXTS, MAX_A, QuadtreeLevel, Tree, activity, contexts, nodes

_GEOMETRIC = 64
_BINARY = 64
"""Tables 64 .. 127 code zeros and ones with odds 2^((t - 96) / 4)."""
_FACTORS = 128
"""Tables from 128 on code factors; there is a table for each size and plane that has factors."""
_WEIGHTS = np.array((0, 1, 2, 3, 4, 6, 8, 11, 16, 23, 32, 45, 64, 91, 128, 181))
_SCALE = 2**20

Side = NDArray[np.uint8]
Pass = tuple[NDArray[np.int32], NDArray[np.uint8]]
Coder = Callable[[NDArray[np.uint8], Grid], Grid]
"""Codes a pass: takes table indices and, in an encoder, the symbols; returns the symbols."""


def pack(trees: list[Tree]) -> bytes:
    """Return the payload of a tile whose planes have the given trees."""
    sides = [_choose(tree) for tree in trees]
    passes: list[Pass] = []

    def put(indices: NDArray[np.uint8], symbols: Grid) -> Grid:
        passes.append((np.clip(symbols, -MAX_VALUE, MAX_VALUE).astype(np.int32), indices))
        return symbols

    numbers = _numbering([tree.layout for tree in trees])
    for tree, side, factors in zip(trees, sides, numbers, strict=True):
        _walk(tree.layout, side, factors, put, tree)
    choice = zlib.compress(np.concatenate(sides).tobytes(), 9)
    coded = encode(passes, _tables(sides, [tree.layout for tree in trees]))
    head = len(choice).to_bytes(2, "little") + len(coded).to_bytes(4, "little")
    return head + choice + coded + _pack_places(trees)


def unpack(data: bytes, layouts: list[Layout]) -> list[Tree]:
    """Return the trees of a payload, one for each plane; FormatError if it is damaged."""
    split = 6 + int.from_bytes(data[:2], "little")
    end = split + int.from_bytes(data[2:6], "little")
    if len(data) < max(6, end):
        raise FormatError("the codes are cut off: the file is damaged")
    sides = _sides(data[6:split], layouts)
    decoder = Decoder(data[split:end], _tables(sides, layouts))

    def take(indices: NDArray[np.uint8], _: Grid) -> Grid:
        return decoder.decode(indices).astype(np.int64)

    numbers = _numbering(layouts)
    trees = [_walk(*parts, take, None) for parts in zip(layouts, sides, numbers, strict=True)]
    decoder.finish()
    _unpack_places(data[end:], trees)
    return trees


def _walk(layout: Layout, side: Side, factors: dict[int, int], code: Coder, given: Tree | None) -> Tree:
    """Code a tree pass by pass and return it. `given` is the tree to encode, None when decoding."""
    shape = layout.shape(layout.partition.largest)
    indices = np.full(shape[0] * shape[1], side[0], np.uint8)
    symbols = np.zeros(0, np.int64) if given is None else _differences(given.roots).ravel()
    tree = Tree(layout, _sums(code(indices, symbols).reshape(shape)))
    seen = np.zeros(shape, np.int64)
    rest = side[1:]
    for number, present in enumerate(nodes(layout, tree.levels)):
        source = None if given is None else given.levels[number]
        level = QuadtreeLevel.blank(layout, layout.partition.sizes[number])
        context = contexts(seen)
        last = number == len(layout.partition.sizes) - 1
        if not last:
            level.split[present] = _flags(code(rest[context[present]], _symbols(source, "split", present)))
        leaves = present & ~level.split
        if level.size in factors:
            table = np.full(np.count_nonzero(leaves), factors[level.size], np.uint8)
            level.a[leaves] = _bounded(code(table, _symbols(source, "a", leaves)), layout.partition.augment)
        if not last:
            where = context[level.split]
            indices = np.stack([rest[CONTEXTS + where], rest[CONTEXTS + where], rest[2 * CONTEXTS + where]])
            coefficients = code(indices.ravel(), _symbols(source, "haar", level.split))
            level.haar[:, level.split] = coefficients.reshape(3, -1)
        tree.levels.append(level)
        seen = activity(level)
        rest = rest[_side_size(layout, number) :]
    return tree


def _symbols(level: QuadtreeLevel | None, name: str, where: NDArray[np.bool_]) -> Grid:
    """Return the encoder's values of a field at some nodes; an empty array in a decoder."""
    return np.zeros(0, np.int64) if level is None else getattr(level, name)[..., where].ravel().astype(np.int64)


def _flags(symbols: Grid) -> NDArray[np.bool_]:
    if symbols.size and not 0 <= symbols.min() <= symbols.max() <= 1:
        raise FormatError("a split flag is neither 0 nor 1: the file is damaged")
    return symbols.astype(bool)


def _bounded(a: Grid, signed: bool) -> Grid:
    if a.size and (a.max() > MAX_A or a.min() < (-MAX_A if signed else 0)):
        raise FormatError("a factor is out of range: the file is damaged")
    return a


def _side_size(layout: Layout, number: int) -> int:
    size = layout.partition.sizes[number]
    tables = 0 if number == len(layout.partition.sizes) - 1 else 3 * CONTEXTS
    return tables + (MAX_A + 1) // 2 * bool(layout.positions(size)[0])


def _numbering(layouts: list[Layout]) -> list[dict[int, int]]:
    """Return for each plane the table of factors of every size that has them."""
    numbers: list[dict[int, int]] = []
    number = _FACTORS
    for layout in layouts:
        sizes = [size for size in layout.partition.sizes if layout.positions(size)[0]]
        numbers.append({size: number + i for i, size in enumerate(sizes)})
        number += len(sizes)
    return numbers


def _sides(data: bytes, layouts: list[Layout]) -> list[Side]:
    """Read the choice of tables, an array for each plane; FormatError if it is damaged."""
    sizes = [1 + sum(_side_size(layout, i) for i in range(len(layout.partition.sizes))) for layout in layouts]
    inflater = zlib.decompressobj()
    try:
        raw = inflater.decompress(data, sum(sizes) + 1)
    except zlib.error as error:
        raise FormatError(f"the choice of tables cannot be read ({error}): the file is damaged") from error
    if len(raw) != sum(sizes) or not inflater.eof or inflater.unused_data:
        raise FormatError("the choice of tables has another size than the picture needs: the file is damaged")
    return np.split(np.frombuffer(raw, np.uint8), np.cumsum(sizes)[:-1])


def _tables(sides: list[Side], layouts: list[Layout]) -> Tables:
    """Return the tables of a tile; FormatError if the choice names a table that does not exist."""
    counts = list(_common())
    for side, layout in zip(sides, layouts, strict=True):
        rest = side[1:]
        if side[0] >= _GEOMETRIC:
            raise FormatError("there is no such table of means: the file is damaged")
        for number in range(len(layout.partition.sizes)):
            size = _side_size(layout, number)
            splits, haar = rest[: 3 * CONTEXTS][:CONTEXTS], rest[CONTEXTS : 3 * CONTEXTS]
            if number < len(layout.partition.sizes) - 1:
                binary = (splits == 0) | (splits >= _GEOMETRIC) & (splits < _GEOMETRIC + _BINARY)
                if not binary.all() or (haar >= _GEOMETRIC).any():
                    raise FormatError("there is no such table of splits: the file is damaged")
            if size % (3 * CONTEXTS):
                counts.append(_factor_counts(rest[size - (MAX_A + 1) // 2 : size], layout.partition.augment))
            rest = rest[size:]
    return Tables(counts)


@lru_cache(maxsize=1)
def _common() -> tuple[NDArray[np.int64], ...]:
    """Return the counts of tables 0 .. 127."""
    quarters = (1048576, 1246974, 1482910, 1763488)
    binary = []
    for table in range(_BINARY):
        octave, quarter = divmod(table - _BINARY // 2, 4)
        ones = quarters[quarter] << octave if octave >= 0 else quarters[quarter] >> -octave
        binary.append(np.array((1, _SCALE, ones, 1), np.int64))
    return np.ones(2, np.int64), *tables().counts[1:], *binary


def _factor_counts(nibbles: Side, signed: bool) -> NDArray[np.int64]:
    """Return the counts of -15 .. 15 and of the escape, from 16 weights of 4 bits in 8 bytes."""
    weights = _WEIGHTS[np.stack([nibbles & 15, nibbles >> 4], 1).ravel()] * _SCALE + 1
    negative = weights[:0:-1] if signed else np.ones(MAX_A, np.int64)
    return np.concatenate([negative, weights[:1] * 2 if signed else weights[:1], weights[1:], [1]])


def _choose(tree: Tree) -> Side:
    """Return the best tables for a tree: uint8."""
    side = [_geometric(_differences(tree.roots))]
    seen = np.zeros(tree.roots.shape, np.int64)
    for number, present in enumerate(nodes(tree.layout, tree.levels)):
        level, context = tree.levels[number], contexts(seen)
        if number < len(tree.levels) - 1:
            here = [present & (context == which) for which in range(CONTEXTS)]
            side += [_odds(level.split[mask]) for mask in here]
            side += [_geometric(level.haar[:2, mask & level.split]) for mask in here]
            side += [_geometric(level.haar[2, mask & level.split]) for mask in here]
        if tree.layout.positions(level.size)[0]:
            side += _nibbles(np.abs(level.a[present & ~level.split]), tree.layout.partition.augment)
        seen = activity(level)
    return np.array(side, np.uint8)


def _geometric(symbols: Grid) -> int:
    mean = float(np.abs(symbols).mean()) if symbols.size else 0.0
    return int(np.clip(round(4 * np.log2(mean)) + 29, 1, _GEOMETRIC - 1)) if mean else 0


def _odds(flags: NDArray[np.bool_]) -> int:
    ones = int(flags.sum())
    if not ones:
        return 0
    odds = ones / max(flags.size - ones, 0.5)
    return _GEOMETRIC + int(np.clip(round(4 * np.log2(odds)) + _BINARY // 2, 0, _BINARY - 1))


def _nibbles(magnitudes: Grid, signed: bool) -> list[int]:
    counts = np.bincount(magnitudes, minlength=MAX_A + 1).astype(float)
    if signed:
        counts[0] /= 2
    counts /= max(1.0, counts.max()) / _WEIGHTS[-1]
    nearest = np.abs(np.log(_WEIGHTS[1:]) - np.log(np.maximum(counts, 0.5))[:, None]).argmin(1) + 1
    indices = np.where(counts > 0, nearest, 0)
    return [int(low | high << 4) for low, high in indices.reshape(-1, 2)]


def _differences(roots: Grid) -> Grid:
    """Return the differences of (rows, columns) to the left neighbour, in the first column to the one above."""
    differences = np.diff(roots, axis=1, prepend=0)
    differences[:, 0] = np.diff(roots[:, 0], prepend=0)
    return differences


def _sums(differences: Grid) -> Grid:
    """Undo `_differences`."""
    sums = differences.copy()
    sums[:, 0] = sums[:, 0].cumsum()
    return sums.cumsum(1)


def _widths(level: QuadtreeLevel, layout: Layout) -> tuple[NDArray[np.int64], NDArray[np.bool_]]:
    """Return the bits of the three fields of a place, and which leaves store a place."""
    return np.array(layout.place_bits(level.size)), level.a != 0


def _pack_places(trees: list[Tree]) -> bytes:
    symbols, widths = [np.zeros(0, np.int64)], [np.zeros(0, np.int64)]
    for tree in trees:
        for level in tree.levels:
            bits, used = _widths(level, tree.layout)
            stored = level.place[:, used][bits > 0]
            symbols.append(stored.T.ravel())
            widths.append(np.tile(bits[bits > 0], stored.shape[1]))
    return pack_fixed(np.concatenate(symbols), np.concatenate(widths))


def _unpack_places(data: bytes, trees: list[Tree]) -> None:
    """Fill in the places of all trees; FormatError if the data are damaged."""
    parts = [(level, *_widths(level, tree.layout), tree.layout) for tree in trees for level in tree.levels]
    widths = [np.tile(bits[bits > 0], int(used.sum())) for _, bits, used, _ in parts]
    symbols = unpack_fixed(data, np.concatenate(widths), sum(map(len, widths))).astype(np.int64)
    for (level, bits, used, layout), of_level in zip(parts, widths, strict=True):
        stored, symbols = symbols[: len(of_level)], symbols[len(of_level) :]
        places = np.zeros((3, int(used.sum())), np.int64)
        places[bits > 0] = stored.reshape(-1, int((bits > 0).sum())).T if len(of_level) else 0
        check_places(places, level.size, layout)
        level.place[:, used] = places


def check_places(places: Grid, size: int, layout: Layout) -> None:
    """Raise FormatError for a place (3, K) outside its window."""
    down, across = layout.windows(size)
    if places.size and (places[0].max() >= down or places[1].max() >= across):
        raise FormatError("a domain cell lies outside the tile: the file is damaged")
