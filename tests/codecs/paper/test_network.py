import copy

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from paper_model import ATOMS, blocks, network

from collagecodec.codecs.paper.decoder import BLOCK_BITS, MIDDLE, PaperDecoder
from collagecodec.codecs.paper.encoder import PaperEncoder
from collagecodec.codecs.paper.torch.calibration import allocate, lloyd_levels, quantisation_error
from collagecodec.codecs.paper.torch.network import Factors, PaperNetwork, factorise
from collagecodec.codecs.paper.torch.quantiser import nearest, rounded, straight_through
from collagecodec.codecs.paper.torch.task import PaperTask, decoder_arrays, encoder_arrays, whole
from collagecodec.training.config import Recipe, Stage

STAGE = Stage("joint", 8, 1, ("hypernetwork",), {"hypernetwork": 1e-3})


@pytest.fixture(scope="module")
def calibrated() -> PaperNetwork:
    return network()


def test_factors_are_those_of_the_paper() -> None:
    raw = torch.randn(5, 4, 9) * 0.05
    offset = torch.rand(5, 4, 3) * 1.8 - 0.9
    factors = factorise(raw, offset)
    assert isinstance(factors, Factors)
    torch.testing.assert_close(factors.gamma * factors.a, raw)
    torch.testing.assert_close(factors.b, offset)
    torch.testing.assert_close(factors.gamma.sum(-1), torch.ones(5, 4))
    # Values out of range are scaled back into it, in proportion.
    strong = factorise(raw * 1000, offset * 10)
    assert float(strong.a.abs().max()) < 1
    assert float(strong.b.abs().max()) < 1
    share = raw.abs() / raw.abs().sum(-1, keepdim=True)
    torch.testing.assert_close(strong.gamma, share)


@settings(deadline=None, max_examples=30)
@given(seed=st.integers(0, 2**32), bits=st.integers(0, 6))
def test_lloyd_s_iteration_never_leaves_its_start_for_worse(seed: int, bits: int) -> None:
    values = np.random.default_rng(seed).laplace(size=500)
    levels = lloyd_levels(values, bits)
    assert (np.diff(levels) >= 0).all()
    middle = (np.arange(2**bits) + 0.5) / 2**bits
    even = values.min() + (values.max() - values.min()) * middle
    start = (np.quantile(values, middle) + even) / 2
    assert quantisation_error(values, levels) <= quantisation_error(values, start) + 1e-12


@pytest.mark.parametrize("bits", [1, 3, 5])
def test_lloyd_tables_are_better_than_even_ones_for_many_samples(bits: int) -> None:
    values = np.random.default_rng(0).laplace(size=20_000)
    even = np.linspace(values.min(), values.max(), 2 * 2**bits + 1)[1::2]
    assert quantisation_error(values, lloyd_levels(values, bits)) < 0.7 * quantisation_error(values, even)


def test_bits_go_where_they_help() -> None:
    errors = np.array([[100, 30, 8, 2, 1], [50, 14, 4, 1, 0.9], [4, 1, 0.3, 0.1, 0.05], [0.1, 0.1, 0, 0, 0.0]])
    assert allocate(errors, 6).tolist() == [3, 3, 0, 0]
    assert allocate(errors, 7).tolist() == [3, 3, 1, 0]
    assert allocate(errors, 8).tolist() == [4, 3, 1, 0]
    assert allocate(errors, 16).tolist() == [4, 4, 4, 4]
    with pytest.raises(ValueError, match="17 bits"):
        allocate(errors, 17)


def test_straight_through_takes_the_nearest_level_and_passes_gradients() -> None:
    levels = torch.tensor([[-2.0, 0.0, 1.0], [0.0, 10.0, 1e6]], requires_grad=True)
    values = torch.tensor([[-1.2, 4.0], [0.6, 900.0]], requires_grad=True)
    assert nearest(values.detach(), levels.detach()).tolist() == [[0, 0], [2, 1]]
    chosen = straight_through(values, levels)
    assert chosen.tolist() == [[-2.0, 0.0], [1.0, 10.0]]
    (chosen * torch.tensor([[1.0, 2.0], [3.0, 4.0]])).sum().backward()
    assert values.grad.tolist() == [[1.0, 2.0], [3.0, 4.0]]
    assert levels.grad.tolist() == [[1.0, 0.0, 3.0], [2.0, 4.0, 0.0]]


def test_calibration_spends_all_bits(calibrated: PaperNetwork) -> None:
    for modes, bits in zip(calibrated.quantiser.widths, BLOCK_BITS, strict=True):
        for widths in modes:
            assert int(widths.sum()) + 3 + 8 == bits
            assert (widths[: int((widths > 0).sum())] > 0).all()
    for rate in range(2):
        assert all((calibrated.quantiser.table(rate, mode).diff() >= 0).all() for mode in range(8))


def test_modes_are_chosen_by_their_error(calibrated: PaperNetwork) -> None:
    quantiser = calibrated.quantiser
    with torch.no_grad():
        theta = calibrated.theta(calibrated.factors(blocks(60, seed=4).float() - MIDDLE))[1]
        components = quantiser.rotate(theta)
        errors = []
        for mode in range(8):
            table = quantiser.table(0, mode)
            shown = torch.zeros_like(components)
            shown[:, : len(table)] = rounded(components[:, : len(table)], table)
            errors.append(((shown - components) ** 2).sum(1))
        best = torch.stack(errors, 1).argmin(1)
        assert len(set(best.tolist())) > 1
        assert quantiser.modes(components, 0).tolist() == best.tolist()
        # Before training the rotation has orthonormal rows, so stored values have the error of their components.
        stored = quantiser(theta, 0) - quantiser.mean
        error = ((stored @ quantiser.synthesis.T - components) ** 2).sum(1)
        torch.testing.assert_close(error, torch.stack(errors, 1).amin(1), rtol=1e-3, atol=1.0)


def test_the_exported_decoder_shows_what_was_trained(calibrated: PaperNetwork) -> None:
    decoder = PaperDecoder.from_tensors(decoder_arrays(calibrated), "test")
    encoder = PaperEncoder.from_tensors(decoder, encoder_arrays(calibrated))
    pixels = blocks(6, seed=3)
    with torch.no_grad():
        decoded, _ = calibrated(pixels.float())
    for rate in range(2):
        symbols = encoder.symbols(pixels.numpy(), rate)
        shown = decoder.render(decoder.code(symbols, rate), 20)
        # Both have the same iterations, tables and rounding, up to the units of the stored values.
        assert np.abs(shown - decoded[rate].picture.numpy()).mean() < 0.2
    assert float(decoded[1].error.mean()) < float(decoded[0].error.mean())


def test_training_improves_held_out_crops_and_repeats() -> None:
    options = {
        "loss": {"code": 0.01},
        "calibration": {"batches": 2},
        "dictionary": {"atoms": ATOMS},
    }
    recipe = Recipe("paper", "paper", 1, (1.0,), 40, (STAGE,), options)
    held_out = blocks(24, seed=7)

    class DistinctCrops:
        def at(self, step: int) -> torch.Tensor:
            return blocks(24, seed=step + 50)

    def figures_of(task: PaperTask) -> dict[str, float]:
        with torch.no_grad():
            return task.loss(task.network, held_out, STAGE)[1]

    prepared = PaperTask(recipe)
    prepared.prepare(DistinctCrops())

    def train() -> dict[str, float]:
        task = copy.deepcopy(prepared)
        optimiser = torch.optim.Adam(task.network.parameters(), 1e-4)
        for step in range(5):
            loss, _ = task.loss(task.network, DistinctCrops().at(step + 2), STAGE)
            optimiser.zero_grad()
            loss.backward()
            optimiser.step()
        return figures_of(task)

    untrained, trained = figures_of(prepared), train()
    assert set(trained) == {"loss", "code", "psnr@0.13", "psnr@0.31"}
    assert trained["loss"] < 0.995 * untrained["loss"]
    for rate in ("psnr@0.13", "psnr@0.31"):
        assert trained[rate] > untrained[rate] + 0.03
    assert train() == trained


def test_numbers_that_do_not_fit_are_not_exported() -> None:
    assert whole(torch.tensor([0.5, -1.0]), 4, np.int16).tolist() == [2, -4]
    with pytest.raises(ValueError, match="do not fit int16"):
        whole(torch.tensor([40000.0]), 1, np.int16)


def test_domain_terms_are_used(calibrated: PaperNetwork) -> None:
    levels = calibrated.quantiser.domain_levels.detach()
    assert float(levels.max() - levels.min()) > 0.05
    pixels = blocks(4, seed=9).float()
    with torch.no_grad():
        domain, theta = calibrated.theta(calibrated.factors(pixels - MIDDLE))
        stored = calibrated.quantiser.domain(domain)
        without = calibrated.picture(torch.zeros_like(stored), theta)
        assert float((calibrated.picture(stored, theta) - without).abs().max()) > 0.1
