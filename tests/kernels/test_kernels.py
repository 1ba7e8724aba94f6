"""Every kernel of the C core gives the integers of numpy, in its scalar form and in that of the processor."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bitstream import entropy
from bitstream.errors import FormatError
from collagecodec.codecs.collage.convolution import convolve_planes, stack
from collagecodec.codecs.collage.dictionary import Dictionary, Plane
from collagecodec.codecs.collage.enlargement import Enlargement
from collagecodec.codecs.collage.integers import IntegerLayer
from collagecodec.codecs.collage.restoration import Restoration
from collagecodec.kernels import library, rans
from collagecodec.sampling.colour import pixels_of
from collagecodec.sampling.resample import Axis

pytestmark = pytest.mark.skipif(library.core() is None, reason="there is no C core here")


@pytest.fixture(params=[library.SCALAR, library.BEST], ids=["scalar", "simd"], autouse=True)
def instructions(request: pytest.FixtureRequest) -> Iterator[None]:
    core = library.core()
    assert core is not None
    core.use(request.param)
    yield
    core.use(library.BEST)


def layer(rng: np.random.Generator, inputs: int, outputs: int, largest: int, shift: int = 7) -> IntegerLayer:
    """A layer of random weights up to `largest`, the first output's all -127 and the second's all 127."""
    weight = rng.integers(-largest, largest + 1, (inputs, outputs)).astype(np.float32)
    weight[:, :2] = (-127, 127)[:outputs]
    bias, slope = (rng.integers(-3000, 3000, outputs).astype(np.float32) for _ in range(2))
    return IntegerLayer(weight, bias, slope, shift)


@pytest.mark.parametrize(("inputs", "outputs"), [(4, 1), (96, 96), (208, 64), (12, 17), (880, 9)])
@pytest.mark.parametrize("largest", [3, 127])
def test_layers(inputs: int, outputs: int, largest: int) -> None:
    rng = np.random.default_rng(inputs)
    found = layer(rng, inputs, outputs, largest)
    x = rng.choice(np.array([0, 0, 0, 1, 64, 127], np.uint8), (37, inputs))
    x[3], x[4:12] = 127, 0
    assert found.packed(1) is not None
    compiled = found.activations(x, 90)
    with library.numpy_only():
        assert np.array_equal(found.activations(x, 90), compiled)
    assert found.packed(1).apply(x, 90, 20).max() == 20  # type: ignore[union-attr]


def test_a_layer_with_weights_of_more_than_8_bits_is_left_to_numpy() -> None:
    rng = np.random.default_rng(0)
    large = layer(rng, 8, 4, 127)
    large.weight[0, 0] = 128
    assert large.packed(1) is None
    assert large.activations(np.full((2, 8), 127, np.uint8)).shape == (2, 4)


def planes(rng: np.random.Generator, height: int, width: int) -> np.ndarray:
    """Noise with the largest samples, small ones and flat ones."""
    values = rng.integers(-(2**13), 2**13 + 1, (3, height, width))
    values[:, : height // 2] //= 64
    values[:, :4] = 2**13
    return values.astype(np.int16)


@pytest.mark.parametrize("size", [(22, 26), (24, 150), (60, 22)])
@pytest.mark.parametrize("largest", [8, 127])
def test_convolutions(size: tuple[int, int], largest: int) -> None:
    rng = np.random.default_rng(2)
    layers = tuple(layer(rng, 9 * c, n, largest, s) for c, n, s in ((12, 20, 9), (20, 32, 9), (32, 12, 12)))
    assert stack(layers) is not None
    samples = planes(rng, *size)
    found = convolve_planes(layers, samples, 77)
    corrected = Restoration(layers).correct(samples, 77)
    one = Restoration(layers).correct(samples, 77, kept=1)
    assert corrected.dtype == np.int16
    with library.numpy_only():
        assert np.array_equal(convolve_planes(layers, samples, 77), found)
        assert np.array_equal(Restoration(layers).correct(samples, 77), corrected)
    assert np.array_equal(one, corrected[:1])


def test_corrections_that_could_leave_16_bits_are_left_to_numpy() -> None:
    rng = np.random.default_rng(3)
    wild = Restoration((layer(rng, 108, 12, 127, 4),))
    found = wild.correct(planes(rng, 12, 12), 5)
    assert found.dtype == np.float32
    assert np.abs(found).max() > 2**15


def test_enlargement() -> None:
    rng = np.random.default_rng(4)
    layers = (layer(rng, 108, 16, 20, 8), layer(rng, 144, 48, 20, 8))
    samples = planes(rng, 20, 34)
    found = Enlargement(layers).enlarge(samples, 40)
    with library.numpy_only():
        assert np.array_equal(Enlargement(layers).enlarge(samples, 40), found)


@pytest.mark.parametrize("n", [1, 3, 8, 16])
@pytest.mark.parametrize("largest", [9, 2**15, 2**24])
def test_synthesis(n: int, largest: int) -> None:
    rng = np.random.default_rng(n)
    atoms = rng.integers(-900, 900, (11, 4 * 256)).astype(np.int16)
    atoms[:5, ::7] = -(2**15)
    dictionary = Dictionary(16, (Plane(atoms, np.array([12, 0, 3, 4, 5, 6, 7, 8, 9, 10, 1])),))
    codes = rng.integers(-largest, largest + 1, (4, 6, 13)) * (rng.random((4, 6, 13)) < 0.3)
    codes[0] = 0
    codes[1, 2] = largest
    found, expected = (np.empty((3 * n, 5 * n), np.int16) for _ in range(2))
    dictionary.samples(0, codes.astype(np.int32), n, found)
    with library.numpy_only():
        dictionary.samples(0, codes.astype(np.int32), n, expected)
    assert np.array_equal(found, expected)
    assert largest > 9 or len(np.unique(found)) > 3


@pytest.mark.parametrize("count", [1, 3])
def test_colour(count: int) -> None:
    rng = np.random.default_rng(count)
    band = rng.integers(-(2**15), 2**15, (count, 9, 301)).astype(np.int16)
    band[:, 3:] //= 16
    found = pixels_of(band)
    with library.numpy_only():
        assert np.array_equal(pixels_of(band), found)


@pytest.mark.parametrize(("start", "length", "count"), [(0, 40, 91), (3, 30, 7), (0, 40, 40), (7, 3, 50)])
def test_resampling(start: int, length: int, count: int) -> None:
    rng = np.random.default_rng(count)
    values = rng.integers(-(2**14), 2**14, (3, 40, 13)).astype(np.int16)
    axis = Axis(start, length, 1, count, 40)
    found = axis.apply(values, 0, count)
    assert found.dtype == np.int16
    with library.numpy_only():
        assert np.array_equal(axis.apply(values, 0, count), found)
    assert np.array_equal(axis.apply(values * 2, 0, count), axis.apply(values.astype(np.float32) * 2, 0, count))


TABLES = entropy.Tables(
    [
        np.ones(2, np.int64),
        np.array([1, 5, 1, 1]),
        np.array([2**39, 1, 2**38, 3]),
        np.array([7, 1]),
        np.random.default_rng(0).integers(1, 9, 1400),
        np.concatenate([np.full(30_000, 1), [2**36], np.full(30_000, 1), [2**20]]),
    ]
)


def decode(coder: type[entropy.Decoder], data: bytes, passes: list[np.ndarray]) -> object:
    """The symbols of all passes, and whether the data end there or what is wrong with them."""
    decoder, found = coder(data, TABLES), []
    try:
        found += [decoder.decode(indices).tolist() for indices in passes]
        decoder.finish()
    except FormatError as error:
        return found, "symbol" if "symbol is" in str(error) else "end"
    return found, ""


@given(seed=st.integers(0, 2**32 - 1), damage=st.booleans(), size=st.integers(0, 60))
@settings(max_examples=60, deadline=None)
def test_entropy_decoding(seed: int, damage: bool, size: int) -> None:
    rng = np.random.default_rng(seed)
    passes = [rng.integers(0, len(TABLES), rng.integers(0, size + 1)).astype(np.uint8) for _ in range(3)]
    spread = rng.choice([1, 40, 40_000, 2**24 - 1])
    symbols = [
        np.where(indices > 0, rng.integers(-spread, spread + 1, indices.size), 0).astype(np.int32)
        for indices in passes
    ]
    data = entropy.encode(list(zip(symbols, passes, strict=True)), TABLES)
    if damage:
        data = rng.bytes(4 * rng.integers(0, 40)) + b"\1\2\3\4"
    found = decode(rans.Decoder, data, passes)
    assert found == decode(entropy.Decoder, data, passes)
    if not damage:
        assert found == ([part.tolist() for part in symbols], "")


def test_an_index_without_a_table_is_refused() -> None:
    with pytest.raises(ValueError, match="no table 6"):
        rans.Decoder(b"", TABLES).decode(np.array([6], np.uint8))
