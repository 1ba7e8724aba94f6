"""Round trips, pinned words, costs, bounds of the entropy coder, and agreement with the written format."""

import numpy as np
import pytest
from hypothesis import given, settings
from numpy.typing import NDArray

from bitstream.entropy import MAX_VALUE, Decoder, Tables, encode, quantised_weights
from bitstream.errors import FormatError

from .reference_ans import CLASS_COUNTS, Stack, decode_pass, encode_pass, intervals, uniform_interval
from .strategies import Pass, coded


def ints(*values: int) -> NDArray[np.int32]:
    return np.array(values, np.int32)


def bytes_(*values: int) -> NDArray[np.uint8]:
    return np.array(values, np.uint8)


SMALL = Tables([np.zeros(0, int), np.array([1, 2, 1, 1]), np.array([1, 4, 8, 4, 1, 1])])


def laplace_tables() -> Tables:
    rows = [np.zeros(0, np.int64)]
    for scale in (1, 2, 4, 8):
        distance = np.abs(np.arange(-3 * scale, 3 * scale + 1))
        rows.append(np.append((65536 >> (distance // scale)) + 1, 9))
    return Tables(rows)


def laplace_pass(tables: Tables, n: int, seed: int) -> Pass:
    """Reproducible symbols without a random generator, whose streams may differ between numpy versions."""
    mixed = (np.arange(n, dtype=np.uint64) + np.uint64(seed)) * np.uint64(0x9E3779B97F4A7C15) >> np.uint64(32)
    indices = (mixed % np.uint64(len(tables))).astype(np.uint8)
    spread = tables.radii[indices].astype(np.int64) + 25 * (mixed % np.uint64(17) == 0)
    offset = (mixed >> np.uint64(8)).astype(np.int64) % (2 * spread + 1) - spread
    return np.where(indices == 0, 0, offset).astype(np.int32), indices


def decode_all(data: bytes, passes: list[Pass], tables: Tables) -> list[NDArray[np.int32]]:
    decoder = Decoder(data, tables)
    out = [decoder.decode(indices) for _, indices in passes]
    decoder.finish()
    return out


@given(coded())
def test_round_trip(case: tuple[Tables, list[Pass]]) -> None:
    tables, passes = case
    for (symbols, _), decoded in zip(passes, decode_all(encode(passes, tables), passes, tables), strict=True):
        assert decoded.dtype == np.int32
        np.testing.assert_array_equal(decoded, symbols)


@given(coded())
def test_the_coder_spends_no_more_than_estimated(case: tuple[Tables, list[Pass]]) -> None:
    tables, passes = case
    estimate = sum(tables.estimate_bits(symbols, indices) for symbols, indices in passes)
    assert 8 * len(encode(passes, tables)) <= estimate + 80


@given(coded())
@settings(max_examples=60)
def test_the_document_describes_the_coder(case: tuple[Tables, list[Pass]]) -> None:
    tables, passes = case
    counts = [row.tolist() for row in tables.counts]
    data = encode(passes, tables)
    stack = Stack()
    for symbols, indices in reversed(passes):
        encode_pass(stack, symbols.tolist(), indices.tolist(), counts)
    assert stack.data() == data
    stack = Stack(data)
    for symbols, indices in passes:
        assert decode_pass(stack, indices.tolist(), counts) == symbols.tolist()
    assert (stack.x, stack.words) == (0, [])


def test_the_document_describes_long_streams() -> None:
    tables = laplace_tables()
    symbols, indices = laplace_pass(tables, 3000, seed=5)
    stack = Stack()
    encode_pass(stack, symbols.tolist(), indices.tolist(), [row.tolist() for row in tables.counts])
    assert stack.data() == encode([(symbols, indices)], tables)


@given(coded())
def test_quantised_weights(case: tuple[Tables, list[Pass]]) -> None:
    for row in case[0].counts[1:]:
        weights = quantised_weights(row)
        assert weights.min() >= 1
        assert weights.sum() == 2**24
        assert weights.tolist() == intervals(row.tolist())[1]


def test_pinned_words() -> None:
    """A change here means that files already written decode to something else."""
    tables = laplace_tables()
    passes = [laplace_pass(tables, n, seed=n) for n in (40, 1, 25)]
    data = encode(passes, tables)
    assert np.frombuffer(data, "<u4").tolist() == PINNED
    decode_all(data, passes, tables)


def test_pinned_escapes() -> None:
    symbols = ints(MAX_VALUE, -MAX_VALUE, 0, 1, -1, 2, -2, 1000, -(2**23))
    passes = [(symbols, np.full(symbols.size, 1, np.uint8))]
    tables = Tables([np.zeros(0, int), np.array([1, 1])])
    data = encode(passes, tables)
    assert data.hex(" ", 4) == PINNED_ESCAPES
    np.testing.assert_array_equal(decode_all(data, passes, tables)[0], symbols)


def test_nothing_takes_no_bytes() -> None:
    empty = (ints(), bytes_())
    zeros = (np.zeros(1000, np.int32), np.zeros(1000, np.uint8))
    assert encode([], SMALL) == b""
    assert encode([empty, zeros, empty], SMALL) == b""
    first, second = decode_all(b"", [empty, zeros], SMALL)
    assert first.shape == (0,)
    assert not second.any()
    assert SMALL.estimate_bits(*zeros) == SMALL.estimate_bits(*empty) == 0


def test_a_large_pass_is_close_to_its_entropy() -> None:
    tables = laplace_tables()
    symbols, indices = laplace_pass(tables, 30_000, seed=1)
    data = encode([(symbols, indices)], tables)
    assert 0 <= 8 * len(data) - tables.estimate_bits(symbols, indices) <= 64
    np.testing.assert_array_equal(decode_all(data, [(symbols, indices)], tables)[0], symbols)


def test_a_matrix_of_counts_is_a_sequence_of_tables() -> None:
    tables = Tables(np.array([[1, 1, 1, 1], [1, 2, 1, 1]], np.uint16))
    passes = [(ints(0, 1, -1, 9), bytes_(0, 1, 1, 1))]
    assert encode(passes, tables) == encode(passes, SMALL)


def test_noncontiguous_and_readonly_arrays() -> None:
    symbols = np.arange(-8, 8, dtype=np.int32)[::2]
    indices = np.ones(16, np.uint8)[::2]
    symbols.flags.writeable = False
    np.testing.assert_array_equal(
        decode_all(encode([(symbols, indices)], SMALL), [(symbols, indices)], SMALL)[0], symbols
    )


def test_finish_notices_the_wrong_end() -> None:
    tables = laplace_tables()
    symbols, indices = laplace_pass(tables, 200, seed=3)
    data = encode([(symbols, indices)], tables)
    decoder = Decoder(data, tables)
    decoder.decode(indices[:-1])
    with pytest.raises(FormatError, match="do not end with the last symbol"):
        decoder.finish()
    for cut in (4, 8, len(data) // 2 // 4 * 4):
        with pytest.raises(FormatError):
            decode_all(data[:-cut], [(symbols, indices)], tables)


def test_data_that_no_coder_writes() -> None:
    with pytest.raises(FormatError, match="words of 4 bytes"):
        Decoder(b"\x01\x00\x00", SMALL)
    with pytest.raises(FormatError, match="zero word"):
        Decoder(b"\x01\x00\x00\x00" + bytes(4), SMALL)


def test_damaged_escapes_stay_in_range() -> None:
    tables = Tables([np.zeros(0, int), np.append(np.ones(2001, int), 2**30)])
    indices = np.ones(64, np.uint8)
    refused = 0
    for seed in range(40):
        data = bytes((seed * 7 + i * i) % 256 for i in range(255)) + b"\x01"
        try:
            assert np.abs(Decoder(data, tables).decode(indices)).max() <= MAX_VALUE
        except FormatError:
            refused += 1
    assert refused < 40


def test_an_escape_beyond_the_range_is_damage() -> None:
    # Class 23 with the largest offset is 2^24 - 1 at radius 0 and too much at radius 1.
    stack = Stack()
    stack.put(*uniform_interval(23, 2**24 - 2))
    for counts, entry in ((CLASS_COUNTS, 23), ([1, 2, 1, 1], 3)):
        left, weights = intervals(counts)
        stack.put(left[entry], weights[entry])
    with pytest.raises(FormatError, match=f"a symbol is {2**24}, more than the format allows"):
        Decoder(stack.data(), SMALL).decode(bytes_(1))


@pytest.mark.parametrize("value", [MAX_VALUE + 1, -MAX_VALUE - 1, 2**31 - 1, -(2**31)])
def test_symbols_out_of_range(value: int) -> None:
    with pytest.raises(ValueError, match="symbols are"):
        encode([(ints(value), bytes_(1))], SMALL)
    with pytest.raises(ValueError, match="symbols are"):
        SMALL.estimate_bits(ints(value), bytes_(1))


def test_wrong_passes() -> None:
    with pytest.raises(ValueError, match="table 0 holds zeros only"):
        encode([(ints(0, 3), bytes_(1, 0))], SMALL)
    with pytest.raises(ValueError, match="table 0 holds zeros only"):
        SMALL.estimate_bits(ints(0, 3), bytes_(1, 0))
    with pytest.raises(ValueError, match="no table 3"):
        encode([(ints(0), bytes_(3))], SMALL)
    with pytest.raises(ValueError, match="no table 3"):
        Decoder(b"", SMALL).decode(bytes_(3))
    with pytest.raises(ValueError, match="shape"):
        encode([(ints(0, 1), bytes_(1))], SMALL)
    with pytest.raises(ValueError, match="uint8"):
        encode([(ints(0), ints(1))], SMALL)  # type: ignore[list-item]
    with pytest.raises(ValueError, match="int32"):
        encode([(np.zeros(1, np.int64), bytes_(1))], SMALL)


@pytest.mark.parametrize(
    "counts",
    [
        np.array([1, 2, 1]),
        np.array([], int),
        np.array([[1, 1]]),
        np.array([1, 0]),
        np.array([1, -1]),
        np.array([1.0, 1.0]),
        np.array([2**40, 1]),
        np.array([2**64 - 1, 1], np.uint64),
        np.ones(2**16 + 2, int),
    ],
)
def test_wrong_tables(counts: NDArray[np.int64]) -> None:
    with pytest.raises(ValueError, match="table 1"):
        Tables([np.zeros(0, int), counts])


def test_wrong_number_of_tables() -> None:
    with pytest.raises(ValueError, match=r"1 \.\. 256"):
        Tables([])
    with pytest.raises(ValueError, match=r"1 \.\. 256"):
        Tables([np.array([1, 1])] * 257)
    assert len(Tables([np.array([1, 1])] * 256)) == 256


PINNED = [
    1607952715,
    2358086211,
    2915211615,
    3811786669,
    1574749094,
    2345725261,
    1100966950,
    1643421192,
    2758156,
]
PINNED_ESCAPES = "ffffff01 feffff00 05500880 feffff4f fffffffd 4d0d0000"
