"""Training: the data, the recipe, interruption and resumption, the command from pictures to a usable model."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from lightning_fabric import Fabric
from PIL import Image
from tiny_model import models_in, scene

import collagecodec
from collagecodec.cli.main import run as run_command
from collagecodec.errors import UnsupportedImageError
from collagecodec.training import loop, validation
from collagecodec.training.config import Recipe, Stage, read_recipe
from collagecodec.training.data import Crops, is_held_out, list_pictures, load_rgb
from collagecodec.training.tasks import make_task
from collagecodec.training.validation import Validation

RECIPE = """
kind = "collage"
name = "{name}"
seed = 3
[data]
weights = [1.0]
crop = 64
[rate]
steps = [10.0, 80.0]
trade_off = 20.5
[[stage]]
name = "prior"
batch = 2
updates = 2
train = ["prior"]
rates = {{ prior = 1e-3 }}
[[stage]]
name = "joint"
batch = 2
updates = {updates}
train = ["prior", "hypernetwork", "dictionary", "restoration"]
rates = {{ prior = 1e-3, hypernetwork = 1e-3, dictionary = 1e-4, restoration = 1e-3 }}
[[stage]]
name = "larger"
restoration = [50, 6]
batch = 2
updates = 2
train = ["prior", "restoration"]
rates = {{ prior = 1e-3, restoration = 1e-3 }}
"""


OPTIONS = {"rate": {"steps": [10.0, 80.0], "trade_off": 20.5}}
STAGE = Stage("prior", batch=2, updates=2, train=("prior",), rates={"prior": 1e-3})


@pytest.fixture
def pictures(tmp_path):
    folder = tmp_path / "pictures"
    folder.mkdir()
    for seed in range(4):
        Image.fromarray(scene(120, 140, seed=seed)).save(folder / f"picture{seed}.png")
    return folder


@pytest.fixture
def recipe(tmp_path):
    file = tmp_path / "recipe.toml"
    file.write_text(RECIPE.format(name="fresh", updates=3))
    return file


@pytest.fixture(scope="module", autouse=True)
def plain_threads():
    yield
    torch.manual_seed(0)


def crops_of(folder: Path, seed: int = 1) -> Crops:
    return Crops([([load_rgb(p) for p in list_pictures([folder])], 1.0)], 64, 3, seed)


def test_crops_depend_on_seed_and_step_alone(pictures):
    first, again, other = crops_of(pictures), crops_of(pictures), crops_of(pictures, seed=2)
    assert torch.equal(first.at(7), again.at(7))
    assert not torch.equal(first.at(7), first.at(8))
    assert not torch.equal(first.at(7), other.at(7))
    assert first.at(7).shape == (3, 3, 64, 64)


def test_held_out_pictures_are_about_one_in_sixteen():
    share = np.mean([is_held_out(Path(f"{i}.png")) for i in range(4000)])
    assert 0.04 < share < 0.09


def test_data_that_cannot_be_used(tmp_path, pictures):
    with pytest.raises(FileNotFoundError, match="--data"):
        list_pictures([tmp_path / "nothing"])
    (pictures / "broken.png").write_bytes(b"no picture")
    with pytest.raises(UnsupportedImageError, match=r"broken\.png"):
        load_rgb(pictures / "broken.png")
    with pytest.raises(ValueError, match="at least 512x512"):
        Crops([([scene(100, 100)], 1.0)], 512, 1, 0)


@pytest.mark.parametrize("name", ["aerial", "aerial-next", "paper"])
def test_recipes_that_ship_can_be_read(name):
    recipe = read_recipe(Path(__file__).parents[2] / "models" / name / "config.toml")
    assert (recipe.kind, recipe.name) == ("paper" if name == "paper" else "collage", name)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (("crop = 64", ""), "'crop'"),
        (("kind = ", "kind "), "not a readable recipe"),
        (("rates = { prior = 1e-3 }", "rates = { other = 1e-3 }"), "no learning rate for prior"),
        (("updates = 2", "updates = 0"), "at least 1"),
    ],
)
def test_recipes_that_are_wrong_say_where(recipe, change, message):
    recipe.write_text(recipe.read_text().replace(*change))
    with pytest.raises(ValueError, match=message):
        read_recipe(recipe)


def validation_set() -> Validation:
    return Validation(Crops([([scene(120, 140, seed=seed) for seed in (30, 31)], 1.0)], 64, 2, seed=9))


def trained(recipe: Path, pictures: Path, folder: Path, stop_after: int | None = None) -> loop.Run:
    settings = read_recipe(recipe)
    fabric = Fabric(accelerator="cpu", devices=1)
    run = loop.Run(settings, make_task(settings), folder, fabric, validation_set())
    run.resume()
    seen = 0

    def interrupt(*_: object) -> None:
        nonlocal seen
        seen += 1
        if seen == stop_after:
            raise KeyboardInterrupt

    crops = crops_of(pictures)

    def sized(batch: int) -> Crops:
        crops.batch = batch
        return crops

    run.train(sized, interrupt)
    return run


def test_an_interrupted_run_ends_where_an_uninterrupted_one_does(recipe, pictures, tmp_path, monkeypatch):
    monkeypatch.setattr(loop, "CHECKPOINT_EVERY", 1)
    monkeypatch.setattr(loop, "LOG_EVERY", 1)
    monkeypatch.setattr(loop, "VALIDATE_EVERY", 2)
    monkeypatch.setattr(validation, "BATCHES", 1)
    whole = trained(recipe, pictures, tmp_path / "whole")
    for stop_after in (4, 2):
        with pytest.raises(KeyboardInterrupt):
            trained(recipe, pictures, tmp_path / "parts", stop_after)
    parts = trained(recipe, pictures, tmp_path / "parts")
    expected, found = whole.task.network.state_dict(), parts.task.network.state_dict()
    assert expected["restoration.out.weight"].shape == (12, 50, 3, 3)
    assert all(torch.equal(expected[key], found[key]) for key in expected)
    entries = [json.loads(line) for line in (tmp_path / "parts" / "log.jsonl").read_text().splitlines()]
    assert sum("validation" not in entry for entry in entries) == 7
    validated = [(entry["stage"], entry["update"]) for entry in entries if "validation" in entry]
    updates_of = {"prior": (0, 2), "joint": (0, 2, 3), "larger": (0, 2)}
    assert validated == [(stage, update) for stage, updates in updates_of.items() for update in updates]


def test_validation_is_the_same_every_time_and_leaves_no_trace(monkeypatch):
    recipe = Recipe("collage", "fresh", 3, (1.0,), 64, (STAGE,), OPTIONS)
    monkeypatch.setattr(validation, "BATCHES", 1)
    task, fixed = make_task(recipe), validation_set()
    task.network.train()
    torch.manual_seed(77)
    first = fixed.figures(task, STAGE, torch.device("cpu"))
    after = torch.rand(1)
    assert task.network.training
    torch.manual_seed(77)
    assert torch.equal(torch.rand(1), after)
    torch.rand(5)
    assert fixed.figures(task, STAGE, torch.device("cpu")) == first
    assert set(first) == {"loss", "bpp", "psnr"}


def test_a_stage_that_harms_the_model_ends_with_the_weights_that_it_began_with(tmp_path, monkeypatch):
    monkeypatch.setattr(validation, "BATCHES", 1)
    harmful = Stage("prior", batch=2, updates=1, train=("prior",), rates={"prior": 100.0})
    recipe = Recipe("collage", "fresh", 3, (1.0,), 64, (harmful,), OPTIONS)
    pictures = [scene(120, 140, seed=seed) for seed in range(4)]

    def run(fixed: Validation | None) -> tuple[loop.Run, dict[str, torch.Tensor]]:
        fabric = Fabric(accelerator="cpu", devices=1)
        run = loop.Run(recipe, make_task(recipe), tmp_path / str(fixed is None), fabric, fixed)
        crops = Crops([(pictures, 1.0)], 64, 2, seed=1)
        run.task.prepare(crops)
        run.prepared = True
        before = {name: value.clone() for name, value in run.task.network.state_dict().items()}
        run.train(lambda batch: crops, lambda *_: None)
        return run, before

    kept, before = run(validation_set())
    assert kept.best is not None
    assert kept.best["update"] == 0
    assert all(torch.equal(value, before[name]) for name, value in kept.task.network.state_dict().items())
    spoilt, before = run(None)
    assert any(not torch.equal(value, before[name]) for name, value in spoilt.task.network.state_dict().items())


def test_the_validation_set_is_made_of_held_out_pictures(tmp_path, pictures):
    recipe = Recipe("collage", "fresh", 3, (1.0,), 64, (STAGE,))
    assert not any(is_held_out(path) for path in pictures.iterdir())
    assert Validation.of(recipe, [pictures]) is None
    name = next(f"held{number}.png" for number in range(100) if is_held_out(Path(f"held{number}.png")))
    Image.fromarray(np.full((64, 64, 3), 200, np.uint8)).save(pictures / name)
    fixed = Validation.of(recipe, [pictures])
    assert fixed is not None
    assert all((batch == 200).all() for batch in fixed._batches)


def test_training_lowers_the_loss_on_held_out_crops(tmp_path):
    stage = Stage("prior", batch=2, updates=5, train=("prior",), rates={"prior": 0.3})
    recipe = Recipe("collage", "fresh", 3, weights=(1.0,), crop=64, stages=(stage,), options=OPTIONS)
    task = make_task(recipe)
    held_out = Crops([([scene(120, 140, seed=seed) for seed in range(20, 24)], 1.0)], 64, 4, seed=1).at(0)

    def held_out_loss() -> float:
        # The seed fixes the quantiser steps that the task draws.
        torch.manual_seed(5)
        with torch.no_grad():
            return task.loss(task.network, held_out, stage)[1]["loss"]

    untrained = held_out_loss()
    run = loop.Run(recipe, task, tmp_path, Fabric(accelerator="cpu", devices=1))
    # Without the values that preparation measures, the prior has everything to learn.
    run.prepared = True
    pictures = [scene(120, 140, seed=seed) for seed in range(4)]
    run.train(lambda batch: Crops([(pictures, 1.0)], 64, batch, seed=1), lambda *_: None)
    assert held_out_loss() < 0.75 * untrained


def test_the_command_makes_a_model_that_works(recipe, pictures, tmp_path, capsys):
    arguments = ["train", str(recipe), "--data", str(pictures), "--out", str(tmp_path / "run")]
    arguments += ["--export", str(tmp_path / "models" / "fresh"), "--device", "cpu", "--no-fuse"]
    assert run_command(arguments) == 0
    assert "exported fresh" in capsys.readouterr().err
    with models_in(tmp_path / "models"):
        picture = scene(70, 90)
        data = collagecodec.encode(picture, model="fresh", quality=70)
        assert collagecodec.info(data).model == "fresh"
        decoded = collagecodec.decode(data)
    assert np.abs(decoded.astype(int) - picture).mean() < 12
