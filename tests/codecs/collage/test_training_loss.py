"""The loss of the codec `collage`: structure, cheaper updates, and going on from an exported model."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from tiny_model import scene

from collagecodec.codecs.collage.torch.structure import mixed_error, ms_ssim
from collagecodec.codecs.models import current
from collagecodec.errors import ModelMismatchError
from collagecodec.training.config import Recipe, Stage
from collagecodec.training.tasks import make_task
from eval.harness.metrics import compare

RATE = {"rate": {"steps": [20.0, 40.0], "trade_off": 20.5, "structure": 0.75}}
PARTS = ("prior", "hypernetwork", "dictionary", "restoration")


def task_of(**options):
    rates = dict.fromkeys(PARTS, 1e-4)
    stage = Stage("all", batch=2, updates=1, train=PARTS, rates=rates, options=options)
    recipe = Recipe("collage", "loss", 3, weights=(1.0,), crop=192, stages=(stage,), options=RATE)
    return make_task(recipe), stage


def crops(size=192, count=2):
    return torch.from_numpy(np.stack([scene(size, size, seed=s).transpose(2, 0, 1) for s in range(count)]))


def test_similarity_is_that_of_the_harness():
    grey = scene(200, 210, channels=1)
    rng = np.random.default_rng(0)
    noisy = np.clip(grey + rng.normal(0, 12, grey.shape), 0, 255).round().astype(np.uint8)
    expected = compare(*(np.repeat(each[..., None], 3, axis=2) for each in (grey, noisy))).ms_ssim
    found = ms_ssim(*(torch.from_numpy(each[None].astype(np.float32)) for each in (grey, noisy)))
    assert float(found) == pytest.approx(expected, abs=1e-4)


def test_a_plane_below_the_window_is_refused():
    with pytest.raises(ValueError, match="smaller than the window"):
        ms_ssim(torch.zeros(1, 10, 40), torch.zeros(1, 10, 40))


def test_only_the_gradient_of_the_mixed_error_is_that_of_structure():
    squared, other = torch.tensor([30.0], requires_grad=True), torch.tensor([0.02], requires_grad=True)
    mixed = mixed_error(squared, other)
    assert mixed.item() == pytest.approx(30.0)
    mixed.backward()
    assert squared.grad is None
    assert float(other.grad) == pytest.approx(1500.0)


def test_cheap_updates_leave_the_codes_alone():
    for share, learns in ((1.0, True), (0.0, False)):
        task, stage = task_of(codes_share=share, window=64)
        torch.manual_seed(0)
        loss, figures = task.loss(task.network, crops(), stage)
        loss.backward()
        given = [p.grad is not None for p in task.network.hypernetwork.parameters()]
        assert any(given) == learns
        assert task.network.restoration.out.weight.grad is not None
        assert set(figures) == {"loss", "bpp", "psnr", "ms_ssim"}


def test_validation_judges_whole_crops_whatever_the_economy():
    found = []
    for share in (0.0, 1.0):
        task, stage = task_of(codes_share=share, window=64)
        task.network.eval()
        torch.manual_seed(0)
        found.append(task.loss(task.network, crops(), stage)[1])
    assert found[0] == found[1]


@pytest.mark.usefixtures("tiny_model")
def test_training_goes_on_from_an_exported_model(tiny_model):
    folder, fingerprint = current("tiny")
    task, _ = task_of()
    task.start_from(folder)
    task.prepare(None)
    rgb, step = crops(96, 1).float(), torch.tensor([30.0])
    with torch.no_grad():
        first, second = (network.eval()(rgb, step) for network in (tiny_model, task.network))
    # The hypernetwork is stored in float16: a code on the edge between two integers may fall to the other side.
    assert (first.codes != second.codes).float().mean() < 1e-3
    assert float(second.bits) == pytest.approx(float(first.bits), rel=5e-3)
    assert float(second.error) == pytest.approx(float(first.error), rel=5e-3)
    assert len(fingerprint) == 16


def test_a_folder_without_encoder_is_refused(tmp_path):
    task, _ = task_of()
    with pytest.raises(ModelMismatchError, match="no encoder"):
        task.start_from(Path(tmp_path))
