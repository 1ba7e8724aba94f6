"""The torch networks and the decoder's numpy arithmetic are the same functions, to the last bit."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from tiny_model import make_network, scene

from collagecodec.codecs.collage import convolution
from collagecodec.codecs.collage.encoder.analysis import planes_of
from collagecodec.codecs.collage.encoder.hypernetwork import HyperNetwork
from collagecodec.codecs.collage.hierarchical_order import cells_of
from collagecodec.codecs.collage.integers import IntegerLayer as NumpyLayer
from collagecodec.codecs.collage.model import build_decoder
from collagecodec.codecs.collage.quantiser import multipliers, rate_index_of, step_code_of
from collagecodec.codecs.collage.torch.export import count_tables, decoder_arrays, layer_arrays
from collagecodec.codecs.collage.torch.integers import IntegerLayer, activate
from collagecodec.codecs.collage.torch.prior import scaled_rate_index
from collagecodec.codecs.collage.torch.restoration import Restoration
from collagecodec.codecs.collage.torch.transform import frame, overlap_add, patches, rgb_from_ycc, ycc_from_rgb


@pytest.fixture(scope="module")
def network():
    return make_network()


@pytest.fixture(scope="module")
def decoder(network):
    pictures = torch.from_numpy(scene(96, 96).transpose(2, 0, 1).copy()).float()[None]
    counts = count_tables(network, [(pictures, torch.tensor([30.0]))])
    return build_decoder(decoder_arrays(network, counts), "twin", "0" * 16)


def test_integer_layer_is_exact():
    torch.manual_seed(3)
    layer = IntegerLayer(98, 40, kernel=3, shift=8)
    arrays = layer_arrays("x", layer, None, layer.shift)
    twin = NumpyLayer(
        arrays["x.weight"].astype(np.float32), arrays["x.bias"].astype(np.float32),
        arrays["x.slope"].astype(np.float32), layer.shift,
    )  # fmt: skip
    x = torch.randint(0, 128, (1, 98, 5, 6)) / 16
    expected = activate(layer(x)) * 16
    framed = torch.nn.functional.pad(x, (1, 1, 1, 1))[0].permute(1, 2, 0).numpy() * 16
    near = np.stack([framed[i : i + 3, j : j + 3].reshape(-1) for i in range(5) for j in range(6)])
    found = twin.activate(near.astype(np.float32)).reshape(5, 6, 40).transpose(2, 0, 1)
    assert np.array_equal(found, expected[0].detach().numpy())


def test_a_layer_that_could_pass_the_exact_range_is_refused():
    layer = NumpyLayer(np.full((2000, 1), 127, np.float32), np.zeros(1, np.float32), np.zeros(1, np.float32), 7)
    with pytest.raises(ValueError, match="2\\^24"):
        layer.check_exact()


@pytest.mark.parametrize("shape", [(9, 12), (2, 2), (1, 7), (6, 1), (5, 5)])
@pytest.mark.parametrize("step", [9.0, 40.0])
def test_prior(network, decoder, shape, step):
    rng = np.random.default_rng(5)
    wanted = np.rint(rng.laplace(0, 1.2, (*shape, 384)) * rng.choice([0, 1, 6], 384)).astype(np.int32)
    rate_index = rate_index_of(step_code_of(step))
    codes, coded = decoder.prior.encode(wanted, rate_index, np.ones(384, bool))
    as_torch = torch.from_numpy(codes.transpose(2, 0, 1).copy()).float()[None]
    symbols = as_torch.clone()
    symbols[:, : network.slices[1]] -= network.prior.means(as_torch[:, : network.slices[1]])
    positions = network.prior(symbols, torch.tensor([scaled_rate_index(step)]).view(1, 1, 1, 1))
    tables = torch.floor(positions + 0.5).clamp(0, 63)[0].permute(1, 2, 0).reshape(-1, 384).detach().numpy()
    values = symbols[0].permute(1, 2, 0).reshape(-1, 384).numpy()
    every = [(part, cells) for i, part in enumerate(decoder.prior.slices) for cells in cells_of(*shape, i)]
    assert len(every) == decoder.prior.pass_count
    assert [each.number for each in coded] == [i for i, (_, cells) in enumerate(every) if cells.flat.size]
    for found in coded:
        part, cells = every[found.number]
        expected = np.maximum(tables[cells.flat, part.first : part.last], 0 if part.first else 1)
        assert np.array_equal(found.tables, expected)
        assert np.array_equal(found.symbols, values[cells.flat, part.first : part.last])


def test_every_pass_sees_only_cells_decoded_before():
    for index in (0, 1):
        known = {7 * 6}
        for cells in cells_of(7, 6, index):
            assert set(cells.taps.ravel().tolist()) | set(cells.mirrored.ravel().tolist()) <= known
            assert known.isdisjoint(cells.flat.tolist())
            known |= set(cells.flat.tolist())
        assert known == set(range(43))


@given(rows=st.integers(1, 9), columns=st.integers(1, 9))
def test_every_cell_is_in_one_pass(rows, columns):
    for index in (0, 1):
        flat = np.concatenate([cells.flat for cells in cells_of(rows, columns, index)])
        assert sorted(flat.tolist()) == list(range(rows * columns))


def test_restoration(network, decoder):
    rng = np.random.default_rng(8)
    planes = np.round(rng.normal(0, 900, (3, 48, 32))).astype(np.float32)
    rate_index = 85
    found = decoder.restoration.correct(
        np.pad(planes, ((0, 0), *((decoder.restoration.margin,) * 2,) * 2), mode="edge"), rate_index
    )
    expected = network.restoration(torch.from_numpy(planes / 16)[None], torch.full((1, 1, 1, 1), rate_index / 16))
    assert np.array_equal(found, expected[0].detach().numpy() * 16)


def test_wide_planes_are_convolved_in_chunks(decoder, monkeypatch):
    planes = np.round(np.random.default_rng(3).normal(0, 900, (3, 40, 90))).astype(np.float32)
    whole = decoder.restoration.correct(planes, 80)
    monkeypatch.setattr(convolution, "CHUNK", 7)
    assert np.array_equal(decoder.restoration.correct(planes, 80), whole)


def test_enlargement(network, decoder):
    rng = np.random.default_rng(9)
    planes = np.round(rng.normal(0, 900, (3, 36, 28))).astype(np.float32)
    rate_index, margin = 85, decoder.enlargement.margin
    framed = np.pad(planes, ((0, 0), *((margin, margin),) * 2), mode="edge")
    found = decoder.enlargement.enlarge(framed, rate_index)
    with torch.no_grad():
        given, at = torch.from_numpy(planes / 16)[None], torch.full((1, 1, 1, 1), rate_index / 16)
        detail = network.enlargement.detail(given, at)[0].numpy() * 16
        plain = network.enlargement.doubled(given)[0].numpy() * 16
    assert np.abs(detail).max() > 5
    # The detail is the same to the bit; the kernel is rounded after the rows and after the columns.
    assert np.abs(found - detail - plain).max() <= 1.5
    assert found.shape == (3, 72, 56)
    assert np.array_equal(found, np.round(found))


def test_a_grown_restoration_starts_as_the_one_it_was():
    torch.manual_seed(4)
    small = Restoration(8, 3)
    with torch.no_grad():
        small.out.weight.normal_(0, 0.1)
        for line in small.lines:
            line.slope.normal_(0, 0.1)
    planes, rate_index = torch.randn(2, 3, 20, 24) * 20, torch.full((2, 1, 1, 1), 5.0)
    expected = small(planes, rate_index)
    assert (expected - planes).abs().max() > 1
    wider = small.grown(14, 3)
    assert torch.equal(wider(planes, rate_index), expected)
    # A further layer copies what it gets, but for one step of the largest activations.
    deeper = small.grown(14, 5)
    assert (deeper(planes, rate_index) - expected).abs().mean() < 0.05
    deeper(planes, rate_index).square().sum().backward()
    assert deeper.out.weight.grad[:, 8:].abs().sum() > 0
    with pytest.raises(ValueError, match="3 layers"):
        small.grown(12, 2)


def test_hypernetwork(network):
    state = {k: v.numpy() for k, v in network.hypernetwork.state_dict().items()}
    torch.manual_seed(2)
    with torch.no_grad():
        for value in network.hypernetwork.parameters():
            value.add_(torch.randn_like(value) * 0.02)
    state = {k: v.numpy() for k, v in network.hypernetwork.state_dict().items()}
    picture = scene(80, 112)
    framed = frame(ycc_from_rgb(torch.from_numpy(picture.transpose(2, 0, 1).copy()).float()[None]))
    linear = network.dictionary.analyse(framed) / 20
    expected = network.hypernetwork(framed, linear, torch.tensor([6.5]))[0].permute(1, 2, 0).detach().numpy()
    found = HyperNetwork(state)(
        framed[0].permute(1, 2, 0).contiguous().numpy(), linear[0].permute(1, 2, 0).detach().numpy(), 6.5
    )
    assert np.abs(found - expected).max() < 2e-3


def test_colour_of_the_encoder_is_the_twin_s():
    picture = scene(20, 30)
    expected = ycc_from_rgb(torch.from_numpy(picture.transpose(2, 0, 1).copy()).float()[None])
    assert np.allclose(planes_of(picture).transpose(2, 0, 1), expected[0].numpy(), atol=1e-3)
    assert torch.allclose(
        rgb_from_ycc(expected)[0], torch.from_numpy(picture.transpose(2, 0, 1).copy()).float(), atol=1e-3
    )


def test_synthesis(network, decoder):
    torch.manual_seed(0)
    codes = torch.randint(-3, 4, (1, 384, 5, 6)).float()
    step_code = step_code_of(24.0)
    factors = multipliers(step_code, decoder.gains)
    scaled = (codes[0].permute(1, 2, 0).numpy() * factors).astype(np.int32)
    expected = network.dictionary.synthesise(codes * torch.from_numpy(factors / 4.0).float().view(1, -1, 1, 1))[0]
    for plane in range(3):
        blocks = decoder.dictionary.synthesise(plane, scaled, 16) / 16384
        found = blocks.reshape(4, 5, 16, 16).transpose(0, 2, 1, 3).reshape(64, 80)
        error = found - expected[plane].detach().numpy()
        assert np.sqrt((error**2).mean()) < 0.15


def test_wide_sums_take_the_exact_path(decoder):
    codes = np.zeros((3, 3, 384), np.int32)
    codes[..., :10] = 120_001
    blocks = decoder.dictionary.synthesise(0, codes, 16)
    assert blocks.dtype == np.float64
    assert np.array_equal(blocks, np.rint(blocks))
    small = decoder.dictionary.synthesise(0, codes // 120_001, 16)
    assert small.dtype == np.float32
    assert np.array_equal(small.astype(np.float64) * 120_001, blocks)


def test_lapped_transform_reconstructs(network):
    from collagecodec.codecs.collage.torch.network import slice_layout
    from collagecodec.codecs.collage.torch.transform import Dictionary

    complete = Dictionary((256, 256, 256), list(range(768)))
    picture = torch.rand(1, 3, 48, 64) * 255 - 128
    framed = frame(picture)
    back = complete.synthesise(complete.analyse(framed))
    assert torch.allclose(back, picture, atol=1e-2)
    assert sorted(slice_layout()[1]) == list(range(384))
    assert overlap_add(patches(framed)).shape == picture.shape
