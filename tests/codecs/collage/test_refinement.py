"""Refinement: its objective is the codec's, its derivatives are right, and it never makes a file worse."""

from __future__ import annotations

import sys

import numpy as np
import pytest
import torch
from tiny_model import models_in, scene, write_model

import collagecodec
from collagecodec.codecs.collage.codec import CollageCodec
from collagecodec.codecs.collage.encoder import encoding
from collagecodec.codecs.collage.encoder.objective import TRADE_OFF, Objective, Rate, Region
from collagecodec.codecs.collage.encoder.refinement import Refiner, soft_rounded
from collagecodec.codecs.collage.model import load_decoder
from collagecodec.codecs.collage.quantiser import rate_index_of, step_code_of
from collagecodec.codecs.collage.torch.loading import twins_of
from collagecodec.codecs.models import current
from collagecodec.errors import MissingLibraryError

STEP_CODE = step_code_of(30.0)
FEW = {2: (0, 1), 3: (0, 3), 4: (6, 2)}


@pytest.fixture(scope="module", autouse=True)
def models(tmp_path_factory):
    root = tmp_path_factory.mktemp("models")
    write_model(root)
    with models_in(root):
        yield


@pytest.fixture(scope="module")
def decoder(models):
    return load_decoder(current("tiny")[1])


@pytest.fixture
def few(monkeypatch):
    monkeypatch.setattr(encoding, "REFINEMENTS", FEW)


def some_codes(cells=(5, 6), seed=0):
    torch.manual_seed(seed)
    decay = torch.exp(-torch.arange(384) / 40).view(1, -1, 1, 1)
    return torch.randn(1, 384, *cells) * 3 * decay


def test_twins_of_a_decoder_compute_what_it_computes(decoder):
    twins = twins_of(decoder)
    rng = np.random.default_rng(1)
    planes = np.round(rng.normal(0, 700, (3, 48, 32))).astype(np.float32)
    rate_index, margin = rate_index_of(STEP_CODE), decoder.restoration.margin
    expected = decoder.restoration.correct(
        np.pad(planes, ((0, 0), *((margin,) * 2,) * 2), mode="edge"), rate_index
    )
    found = twins.restoration(torch.from_numpy(planes / 16)[None], torch.full((1, 1, 1, 1), rate_index / 16))
    assert np.array_equal(found[0].numpy() * 16, expected)
    wanted = torch.round(some_codes())[0].permute(1, 2, 0).numpy().astype(np.int32)
    active = np.ones(384, bool)
    # What the prior takes for impossible is left out first.
    kept, passes = decoder.prior.encode(decoder.prior.encode(wanted, rate_index, active)[0], rate_index, active)
    codes = torch.from_numpy(kept.astype(np.float32)).permute(2, 0, 1)[None]
    symbols = codes.clone()
    symbols[:, :16] -= twins.prior.means(codes[:, :16])
    positions = twins.prior(symbols, torch.full((1, 1, 1, 1), rate_index / 16))
    tables = torch.floor(positions + 0.5).clamp(0, 63).numpy().astype(np.uint8)
    # The last pass of the last slice: the cells with an odd sum of row and column.
    odd = np.add.outer(np.arange(5), np.arange(6)) % 2 == 1
    last = passes[-1].tables
    assert np.array_equal(last, tables[0, -last.shape[1] :][:, odd].T)


@pytest.mark.parametrize("mapped", [False, True])
@pytest.mark.parametrize("smooth", [True, False])
def test_derivatives_agree_with_differences(decoder, smooth, mapped):
    objective = Objective(decoder, STEP_CODE, np.ones(384, bool))
    if mapped:
        objective = objective.mapped(np.arange(30).reshape(5, 6) % 7 - 3)
    objective.restoration = []
    target = torch.from_numpy(scene(64, 80).transpose(2, 0, 1)[None] - np.float32(128))
    codes = some_codes()
    _, by_code = objective.distortion(codes, target)
    for place in ((0, 0, 2, 2), (0, 5, 1, 3), (0, 15, 4, 5), (0, 300, 0, 0)):
        sides = []
        for change in (-0.5, 0.5):
            moved = codes.clone()
            moved[place] += change
            sides.append(objective.distortion(moved, target)[0])
        # The error is a parabola: the difference of its sides is its slope but for single precision.
        assert sides[1] - sides[0] == pytest.approx(float(by_code[place]), rel=2e-2, abs=0.05)
    if smooth:
        everything = Region((slice(None),) * 4, target)
        rate = Rate(objective, codes, everything, smooth=True)
        changed = codes.clone()
        changed[0, 20:] += 1e-3 * torch.sign(rate.by_code[0, 20:])
        gained = Rate(objective, changed, everything, smooth=True).total - rate.total
        assert gained > 0


def test_the_estimate_of_a_change_s_own_bits_is_exact(decoder):
    objective = Objective(decoder, STEP_CODE, np.ones(384, bool))
    codes = torch.round(some_codes())
    region = Region((slice(None),) * 4, torch.zeros(1, 3, 64, 80))
    rate = Rate(objective, codes, region)
    changed = codes.clone()
    # Nothing is decoded after the last channel in the last pass: only its own bits change.
    changed[0, -1, 0, 1] += 1
    expected = Rate(objective, changed, region).total - rate.total
    assert float(rate.difference(1.0)[0, -1, 0, 1]) == pytest.approx(expected, abs=0.02)


def test_curvature_is_that_of_the_error(decoder):
    objective = Objective(decoder, STEP_CODE, np.ones(384, bool)).mapped(np.full((5, 6), -4))
    objective.restoration = []
    target = torch.zeros(1, 3, 64, 80)
    errors = []
    for value in (-1.0, 0.0, 1.0):
        codes = torch.zeros(1, 384, 5, 6)
        codes[0, 7, 2, 3] = value
        errors.append(objective.distortion(codes, target)[0])
    second = errors[0] - 2 * errors[1] + errors[2]
    assert second == pytest.approx(float(objective.curvature()[0, 7, 2, 3]), rel=0.02)


def test_more_refinement_never_raises_the_objective(decoder):
    picture = scene(64, 80)
    planes = picture.transpose(2, 0, 1)[None] - np.float32(128)
    refiner = Refiner(decoder, STEP_CODE, np.ones(384, bool))
    region = Region((slice(None), slice(None), slice(1, 4), slice(0, 6)), torch.from_numpy(planes))
    window = encoding.Window(
        some_codes()[0].permute(1, 2, 0).numpy(),
        (slice(1, 4), slice(0, 6)),
        np.ascontiguousarray(planes[0].transpose(1, 2, 0)),
    )

    def cost(updates: int, rounds: int) -> float:
        found = torch.round(torch.from_numpy(window.codes).permute(2, 0, 1)[None])
        shares: list[float] = []
        own = refiner.refine(window, updates, rounds, shares.append)
        assert shares == sorted(shares)
        assert shares[-1] == 1
        assert own.shape == (3, 6, 384)
        found[region.own] = torch.from_numpy(own.astype(np.float32)).permute(2, 0, 1)[None]
        return refiner._proposal(found, region)[0]

    costs = [cost(0, 0), cost(0, 1), cost(0, 4), cost(12, 4)]
    assert costs == sorted(costs, reverse=True)
    assert costs[-1] < 0.8 * costs[0]


def test_annealing_rounds_towards_the_nearer_whole_number():
    draw = torch.Generator().manual_seed(1)
    values = torch.full((4000,), 2.2)
    warm, cold = (soft_rounded(values, t, draw) for t in (0.5, 0.05))
    assert ((warm >= 2) & (warm <= 3)).all()
    assert (cold < 2.05).float().mean() > 0.95
    assert warm.std() > cold.std()


@pytest.mark.parametrize("shape", [(70, 83), (16, 16), (1, 1), (40, 200)])
@pytest.mark.parametrize("channels", [1, 3, 4])
def test_refined_files_decode_and_pay(few, shape, channels, monkeypatch):
    monkeypatch.setattr(encoding, "TILE", 64)
    picture = scene(*shape, channels)
    costs = []
    for effort in (1, 4):
        data = collagecodec.encode(picture, model="tiny", effort=effort, quality=50)
        decoded = collagecodec.decode(data)
        assert decoded.shape == picture.shape
        colours = 1 if channels == 1 else 3
        error = (decoded.reshape(*shape, -1) - picture.reshape(*shape, -1).astype(float))[..., :colours]
        step = collagecodec.info(data).step
        costs.append(8 * len(data) + TRADE_OFF / step**2 * np.square(error).mean() * shape[0] * shape[1])
    assert costs[1] <= costs[0] * 1.001 + 8
    if min(shape) >= 40:
        assert costs[1] < costs[0]


def test_targets_hold_with_refinement(few):
    picture = scene(96, 96)
    data = collagecodec.encode(picture, model="tiny", effort=3, max_bytes=900)
    assert 850 < len(data) <= 900
    shares: list[float] = []
    collagecodec.encode(picture, model="tiny", effort=2, progress=lambda share, _="": shares.append(share))
    assert shares[-1] == 1


def test_refinement_without_torch_says_what_to_install(monkeypatch):
    monkeypatch.setitem(sys.modules, "collagecodec.codecs.collage.encoder.refinement", None)
    with pytest.raises(MissingLibraryError, match=r"collagecodec\[train\]"):
        collagecodec.encode(scene(20, 20), model="tiny", effort=2)


@pytest.mark.parametrize("effort", [-1, 10])
def test_efforts_that_there_are_not(effort):
    with pytest.raises(ValueError, match="from 0 to 9"):
        CollageCodec(effort=effort)


def test_every_effort_has_its_amount():
    amounts = [encoding.REFINEMENTS[effort] for effort in range(2, 10)]
    assert amounts == sorted(amounts)
