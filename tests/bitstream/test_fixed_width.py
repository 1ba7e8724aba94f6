"""Codes of fixed width."""

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from bitstream.errors import FormatError
from bitstream.fixed_width import pack_fixed, unpack_fixed


@given(st.integers(1, 16), st.data())
def test_one_width(bits: int, data: Any) -> None:
    symbols = np.array(data.draw(st.lists(st.integers(0, 2**bits - 1), max_size=50)), np.uint16)
    packed = pack_fixed(symbols, bits)
    assert len(packed) == (symbols.size * bits + 7) // 8
    np.testing.assert_array_equal(unpack_fixed(packed, bits, symbols.size), symbols)


@given(
    st.lists(st.integers(1, 16).flatmap(lambda b: st.tuples(st.just(b), st.integers(0, 2**b - 1))), max_size=50)
)
def test_a_width_for_each_symbol(pairs: list[tuple[int, int]]) -> None:
    widths = np.array([width for width, _ in pairs], np.int64)
    symbols = np.array([symbol for _, symbol in pairs], np.int64)
    packed = pack_fixed(symbols, widths)
    number = sum(symbol << int(widths[:i].sum()) for i, (_, symbol) in enumerate(pairs))
    assert packed == number.to_bytes((int(widths.sum()) + 7) // 8, "little")
    unpacked = unpack_fixed(packed, widths, len(pairs))
    assert unpacked.dtype == np.uint16
    np.testing.assert_array_equal(unpacked, symbols)


def test_wrong_symbols_and_widths() -> None:
    with pytest.raises(ValueError, match="symbol 1 is 8, which does not fit 3 bits"):
        pack_fixed(np.array([7, 8]), 3)
    with pytest.raises(ValueError, match="symbol 0 is -1"):
        pack_fixed(np.array([-1]), 3)
    with pytest.raises(ValueError, match="one-dimensional"):
        pack_fixed(np.zeros((2, 2), int), 3)
    with pytest.raises(ValueError, match="integers, not float64"):
        pack_fixed(np.array([1.0]), 3)
    with pytest.raises(ValueError, match="does not fit"):
        pack_fixed(np.array([2**64 - 1], np.uint64), 16)
    for bits in (0, 17, np.array([1, 17]), np.array([0, 1])):
        with pytest.raises(ValueError, match=r"1 \.\. 16 bits"):
            pack_fixed(np.array([1, 1]), bits)
    with pytest.raises(ValueError, match="widths of shape"):
        pack_fixed(np.array([1, 1]), np.array([1, 1, 1]))


def test_wrong_data() -> None:
    packed = pack_fixed(np.array([5, 6, 7]), 3)
    with pytest.raises(FormatError, match="do not fit"):
        unpack_fixed(packed, 3, 2**60)
    with pytest.raises(FormatError, match="instead of"):
        unpack_fixed(packed + b"\0", 3, 3)
    with pytest.raises(FormatError, match="instead of"):
        unpack_fixed(packed[:-1], np.array([3, 3, 3]), 3)
    with pytest.raises(FormatError, match="padding"):
        unpack_fixed(packed[:-1] + bytes([packed[-1] | 0x80]), 3, 3)
