"""The two codings of `coin`: what quantising costs, and files that no encoder writes."""

from __future__ import annotations

import hashlib
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from paper_model import scene

from bitstream.container import Reader, write
from collagecodec.codecs.coin import entropy
from collagecodec.codecs.coin.codec import CoinCodec
from collagecodec.codecs.coin.siren import MAX_LAYERS, MAX_WIDTH, Shape
from collagecodec.errors import FormatError

PICTURE = scene(40, 56)
CODECS = {coding: CoinCodec("3x12", coding, steps=400) for coding in ("half", "entropy")}  # type: ignore[arg-type]


def psnr(one: np.ndarray, other: np.ndarray) -> float:
    return float(10 * np.log10(255**2 / max(1e-9, ((one.astype(float) - other) ** 2).mean())))


@pytest.fixture(scope="module")
def files() -> dict[str, bytes]:
    return {name: codec.encode(PICTURE) for name, codec in CODECS.items()}


def rewritten(data: bytes, payload: bytes, **header: object) -> bytes:
    return write(replace(Reader(data).header, **header), [payload])  # type: ignore[arg-type]


def test_quantised_weights_take_far_fewer_bytes_for_little_loss(files: dict[str, bytes]) -> None:
    sizes = {name: len(Reader(data).tile(0)) for name, data in files.items()}
    reached = {name: psnr(CODECS[name].decode(data), PICTURE) for name, data in files.items()}
    assert sizes["entropy"] < 0.45 * sizes["half"]
    assert reached["entropy"] > reached["half"] - 1
    assert files["entropy"] == CODECS["entropy"].encode(PICTURE)


def test_grey_and_constant_pictures() -> None:
    codec = replace(CODECS["entropy"], steps=200)
    grey = codec.decode(codec.encode(PICTURE[..., 1]))
    assert grey.shape == PICTURE.shape[:2]
    flat = np.full((9, 14), 40, np.uint8)
    assert np.abs(codec.decode(codec.encode(flat)).astype(int) - 40).max() <= 2


def test_the_tables_are_those_of_the_format() -> None:
    made = entropy.tables()
    assert len(made) == 72
    whole = np.concatenate(made.counts[1:]).astype("<i8").tobytes()
    assert hashlib.sha256(whole).hexdigest().startswith("c603d77e2dbfb5e3")
    for table in range(1, 72):
        base = 2**32 - (4294967296, 3611622603, 3037000500, 2553802834)[table % 4] // 2 ** (table // 4)
        values, factor = [2**29], base
        while after := values[-1] * factor // 2**32:
            values.append(after)
            factor = factor * (base * base // 2**32) // 2**32
        assert [*values[:0:-1], *values, max(1, sum(values) // 2**14)] == made.counts[table].tolist()
    for table in (20, 40, 60):
        counts = made.counts[table][:-1]
        values = np.arange(counts.size) - counts.size // 2
        variance = (counts * values**2).sum() / counts.sum()
        assert variance == pytest.approx(-0.5 / np.log1p(-(2 ** (-table / 4))), rel=0.01)


@given(st.data())
@settings(max_examples=40, deadline=None)
def test_any_weights_come_back(draw: st.DataObject) -> None:
    shape = Shape(draw.draw(st.integers(1, 3)), draw.draw(st.integers(1, 5)), draw.draw(st.sampled_from((1, 3))))
    rng = np.random.default_rng(draw.draw(st.integers(0, 99)))
    spread = draw.draw(st.sampled_from((0, 0.4, 3, 100, 5000, 1e7)))
    symbols = [np.rint(rng.standard_normal(size) * spread).astype(np.int32) for size in shape.sizes]
    steps = [draw.draw(st.integers(0, entropy.STEPS - 1)) for _ in symbols]
    found = entropy.unpack(entropy.pack(symbols, steps, shape), shape)
    for matrix, symbol, step in zip(found, symbols, steps, strict=True):
        expected = symbol.astype(np.int64).clip(-(2**24 - 1), 2**24 - 1) * entropy.step_units(step)
        np.testing.assert_array_equal(matrix, expected)


def test_the_best_table_is_the_best() -> None:
    rng = np.random.default_rng(5)
    for spread in (0.3, 2, 30, 200):
        symbols = np.rint(rng.standard_normal(300) * spread).astype(np.int32)
        costs = [entropy.bits(symbols, table) for table in range(1, 72)]
        assert entropy.bits(symbols, entropy.best_table(symbols)) == min(costs)
    assert entropy.best_table(np.zeros(5, np.int32)) == 0


@pytest.mark.parametrize("name", CODECS)
@given(draw=st.data())
@settings(max_examples=60, deadline=None)
def test_changed_payloads_are_refused_or_decode(name: str, files: dict[str, bytes], draw: st.DataObject) -> None:
    payload = bytearray(Reader(files[name]).tile(0))
    for _ in range(draw.draw(st.integers(1, 4))):
        payload[draw.draw(st.integers(0, len(payload) - 1))] = draw.draw(st.integers(0, 255))
    data = rewritten(files[name], bytes(payload))
    try:
        found = CODECS[name].decode(data, region=(30, 20, 9, 9))
    except FormatError:
        return
    assert found.shape == (9, 9, 3)


@pytest.mark.parametrize("name", CODECS)
@given(noise=st.binary(max_size=300))
@settings(max_examples=40, deadline=None)
def test_noise_is_refused(name: str, files: dict[str, bytes], noise: bytes) -> None:
    with pytest.raises(FormatError):
        CODECS[name].decode(rewritten(files[name], noise))


@given(draw=st.data())
@settings(max_examples=25, deadline=None)
def test_cut_and_longer_payloads_are_refused(files: dict[str, bytes], draw: st.DataObject) -> None:
    for name, data in files.items():
        payload = bytes(Reader(data).tile(0))
        # A stack that lost or gained whole words of 4 bytes may still run empty: the entropy coder cannot tell.
        cuts = [cut for cut in range(len(payload)) if name == "half" or cut < 12 or cut % 4]
        cut = draw.draw(st.sampled_from(cuts))
        lengths = [length for length in range(1, 10) if name == "half" or length % 4]
        length = draw.draw(st.sampled_from(lengths))
        more = draw.draw(st.binary(min_size=length, max_size=length))
        for other in (payload[:cut], payload + more):
            with pytest.raises(FormatError):
                CODECS[name].decode(rewritten(data, other))


@pytest.mark.parametrize(
    "params",
    [b"", b"\x03\x0c", b"\x03\x0c\x00\x00", b"\x00\x0c\x00", b"\x03\x00\x00", b"\x03\x0c\x02",
     bytes((MAX_LAYERS + 1, 12, 0)), bytes((3, MAX_WIDTH + 1, 0)), b"\xff\xff\x00", b"\x04\x0c\x00"],
)  # fmt: skip
def test_headers_out_of_range_are_refused(files: dict[str, bytes], params: bytes) -> None:
    payload = bytes(Reader(files["half"]).tile(0))
    with pytest.raises(FormatError):
        CODECS["half"].decode(rewritten(files["half"], payload, params=params))


def test_other_headers_are_refused(files: dict[str, bytes]) -> None:
    payload = bytes(Reader(files["half"]).tile(0))
    for header in ({"codec": 3}, {"channels": 4}, {"channels": 1}):
        with pytest.raises(FormatError):
            CODECS["half"].decode(rewritten(files["half"], payload, **header))
    header = replace(Reader(files["half"]).header, tile_size=32)
    with pytest.raises(FormatError, match="does not belong"):
        CODECS["half"].decode(write(header, [payload] * 4))


def test_weights_beyond_exact_sums_are_refused(files: dict[str, bytes]) -> None:
    payload = np.frombuffer(Reader(files["half"]).tile(0), "<f2").copy()
    for value in (np.nan, np.inf, -np.inf, 60000, -200):
        changed = payload.copy()
        changed[7] = value
        with pytest.raises(FormatError):
            CODECS["half"].decode(rewritten(files["half"], changed.tobytes()))
    # The largest sums that are allowed stay whole numbers, and nothing warns.
    changed = payload.copy()
    changed[0] = 100
    assert CODECS["half"].decode(rewritten(files["half"], changed.tobytes())).shape == PICTURE.shape
