"""The head of a tile: its quantiser map and the shifts of its tables."""

from __future__ import annotations

import numpy as np
import pytest

from bitstream.entropy import Decoder, Tables, encode
from bitstream.errors import FormatError
from collagecodec.codecs.collage.hierarchical_prior import CodedPass, shifted
from collagecodec.codecs.collage.quantiser import MAX_OFFSET, Quantisers, multipliers, offset_step_codes, rescaled
from collagecodec.codecs.collage.tile_head import HEAD_TABLE, MAX_SHIFT, coded_tile, read_head
from collagecodec.codecs.laplace import tables

TABLES = tables()


def through_the_coder(coded, passes, offsets, rows, columns):
    """Code and decode a tile's head and passes; return the head, the symbols and the bytes."""
    everything = coded_tile(coded, passes, offsets, TABLES)
    data = encode(everything, TABLES)
    decoder = Decoder(data, TABLES)

    def fetch(numbers):
        return decoder.decode(numbers.ravel()).reshape(numbers.shape)

    head = read_head(fetch, rows, columns, passes, len(TABLES))
    symbols = [fetch(shifted(each.tables, int(head.shifts[each.number]), len(TABLES))) for each in coded]
    decoder.finish()
    return head, symbols, data


def some_pass(number, table, symbols):
    return CodedPass(number, symbols.astype(np.int32), np.full(symbols.shape, table, np.uint8))


def test_a_flat_map_costs_nothing_and_maps_survive():
    rng = np.random.default_rng(0)
    coded = [some_pass(2, 30, rng.integers(-2, 3, (12, 5)))]
    flat, symbols, without = through_the_coder(coded, 4, np.zeros((3, 4), np.int64), 3, 4)
    assert flat.offsets is None
    assert np.array_equal(symbols[0], coded[0].symbols)
    offsets = rng.integers(-MAX_OFFSET, MAX_OFFSET + 1, (3, 4))
    head, _, data = through_the_coder(coded, 4, offsets, 3, 4)
    assert np.array_equal(head.offsets, offsets)
    assert len(without) < len(data)
    assert through_the_coder(coded, 4, None, 3, 4)[2] == without


def test_a_box_costs_a_few_bytes():
    offsets = np.zeros((64, 64), np.int64)
    offsets[10:20, 30:50] = -8
    head, _, data = through_the_coder([], 13, offsets, 64, 64)
    assert np.array_equal(head.offsets, offsets)
    assert len(data) < 60


@pytest.mark.parametrize(("spread", "table", "sign"), [(0.2, 40, -1), (9.0, 15, 1)])
def test_shifts_save_bits_where_the_tables_are_wrong(spread, table, sign):
    rng = np.random.default_rng(1)
    coded = some_pass(1, table, np.rint(rng.laplace(0, spread, (200, 8))))
    head, symbols, data = through_the_coder([coded], 3, None, 3, 4)
    assert head.shifts.tolist()[::2] == [0, 0]
    assert sign * head.shifts[1] > 3
    assert np.array_equal(symbols[0], coded.symbols)
    assert 8 * len(data) < 0.95 * TABLES.estimate_bits(coded.symbols.ravel(), coded.tables.ravel())


def test_zeros_only_stay_apart():
    numbers = np.array([0, 1, 5, 63], np.uint8)
    assert shifted(numbers, -9, 64).tolist() == [0, 1, 1, 54]
    assert shifted(numbers, 9, 64).tolist() == [0, 10, 14, 63]


@pytest.mark.parametrize(
    ("head", "differences"),
    [([64, 0, 0], None), ([-1, 0, 0], None), ([0, MAX_SHIFT + 1, 0], None), ([20, 0, 0], [MAX_OFFSET, 1, 0, 0])],
)
def test_a_head_out_of_range_is_refused(head, differences):
    coded = [(np.array(head, np.int32), np.full(3, HEAD_TABLE, np.uint8))]
    if differences:
        coded.append((np.array(differences, np.int32), np.full(4, head[0], np.uint8)))
    decoder = Decoder(encode(coded, TABLES), TABLES)
    with pytest.raises(FormatError, match="out of range"):
        read_head(lambda numbers: decoder.decode(numbers.ravel()).reshape(numbers.shape), 2, 2, 2, len(TABLES))


def test_steps_of_offsets_are_integers_near_the_power():
    for step in (1, 77, 4096, 65535):
        exact = step * 2.0 ** (np.arange(-MAX_OFFSET, MAX_OFFSET + 1) / 4)
        assert np.abs(offset_step_codes(step) - np.clip(exact, 1, 65535)).max() <= 0.5 + 65535e-6


def test_every_cell_has_its_own_quantiser():
    gains = np.array([4096, 2048])
    quantisers, offsets = Quantisers(640, gains), np.array([[0, -4], [8, 0]])
    scales, indices = quantisers.at(offsets), quantisers.indices(offsets)
    assert scales.shape == (2, 2, 2)
    assert scales[0, 1].tolist() == multipliers(320, gains).tolist()
    assert scales[1, 0].tolist() == multipliers(2560, gains).tolist()
    assert (np.diff(indices.reshape(2, 2), axis=1) < 0).all()


def test_codes_at_another_step():
    codes = np.arange(-40, 41, dtype=np.int32)
    for difference in (-9, -1, 0, 3, 8):
        exact = np.floor(codes * 2.0 ** (difference / 4) + 0.5)
        assert np.abs(rescaled(codes, np.array(difference)) - exact).max() <= (0 if difference % 4 == 0 else 1)
    far = rescaled(np.array([-1, 0, 1], np.int32), np.array([96, 96, 96]))
    assert far.tolist() == [-(2**15) + 1, 0, 2**15 - 1]


def test_tables_of_fewer_numbers_are_enough_for_a_head():
    assert len(Tables([np.ones(2, np.int64)] * 30)) > HEAD_TABLE
