"""Hypothesis strategies for the tests of `bitstream`."""

from collections.abc import Callable
from typing import Any

import numpy as np
from hypothesis import strategies as st
from numpy.typing import NDArray

from bitstream.container import METADATA_TYPES, Header
from bitstream.entropy import MAX_VALUE, Tables

Pass = tuple[NDArray[np.int32], NDArray[np.uint8]]
Draw = Callable[[st.SearchStrategy[Any]], Any]

sides = st.one_of(st.integers(1, 64), st.integers(1, 2**18))


@st.composite
def headers(draw: Draw, max_tiles: int = 12) -> Header:
    """Any valid header, of at most `max_tiles` tiles."""
    width, height = draw(sides), draw(sides)
    smallest = next(size for size in range(1, 2**18) if -(-width // size) * -(-height // size) <= max_tiles)
    return Header(
        codec=draw(st.integers(0, 255)),
        width=width,
        height=height,
        channels=draw(st.integers(1, 4)),
        tile_size=draw(st.one_of(st.just(0), st.integers(smallest, 2**24))),
        fingerprint=draw(st.binary(min_size=8, max_size=8)),
        params=draw(st.binary(max_size=255)),
    )


metadata = st.dictionaries(
    st.sampled_from(sorted(METADATA_TYPES)),
    st.one_of(st.binary(max_size=300), st.builds(lambda b, n: b * n, st.binary(max_size=8), st.integers(0, 500))),
)


@st.composite
def files(draw: Draw) -> tuple[Header, list[bytes], dict[str, bytes]]:
    """What goes into a file: header, tile payloads, metadata."""
    header = draw(headers())
    count = header.tile_count
    tiles = draw(st.lists(st.binary(max_size=200), min_size=count, max_size=count))
    return header, tiles, draw(metadata)


@st.composite
def tables(draw: Draw) -> Tables:
    """One to eight tables of different radius and very different counts."""
    count = st.one_of(st.integers(1, 9), st.integers(1, 2**32))
    rows = draw(
        st.lists(
            st.integers(0, 12).flatmap(lambda r: st.lists(count, min_size=2 * r + 2, max_size=2 * r + 2)),
            max_size=7,
        )
    )
    return Tables([np.zeros(0, np.int64), *(np.array(row, np.int64) for row in rows)])


@st.composite
def coded(draw: Draw) -> tuple[Tables, list[Pass]]:
    """Tables, and passes to code with them: empty ones, surely zeros and escapes included."""
    available = draw(tables())
    value = st.one_of(st.integers(-14, 14), st.integers(-MAX_VALUE, MAX_VALUE))
    passes = []
    for _ in range(draw(st.integers(0, 4))):
        pairs = draw(st.lists(st.tuples(value, st.integers(0, len(available) - 1)), max_size=60))
        indices = np.array([index for _, index in pairs], np.uint8)
        symbols = np.array([value if index else 0 for value, index in pairs], np.int32)
        passes.append((symbols, indices))
    return available, passes
