"""`collage info`, `collage models`, `collage train`, help, and how a batch fails."""

import json
from pathlib import Path

import click
import pytest
from PIL import Image
from tiny_model import scene

from collagecodec._version import __version__
from collagecodec.cli import batch
from collagecodec.cli.main import COMMANDS, run


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_has_help(command: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert run([command, "--help"]) == 0
    assert f"Usage: collage {command}" in capsys.readouterr().out


def test_help_states_the_exit_codes(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["--help"]) == 0
    said = capsys.readouterr().out
    assert "Exit status" in said
    assert all(command in said for command in COMMANDS)
    assert run(["--version"]) == 0
    assert __version__ in capsys.readouterr().out


@pytest.mark.usefixtures("tiny_model")
def test_info(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    source, target = tmp_path / "p.png", tmp_path / "p.clg"
    Image.fromarray(scene(20, 30)).save(source)
    assert run(["encode", "--quiet", "--model", "tiny", "--effort", "0", str(source)]) == 0
    assert run(["info", "--json", str(target)]) == 0
    figures = json.loads(capsys.readouterr().out)
    assert (figures["input"], figures["width"], figures["height"]) == (str(target), 30, 20)
    assert (figures["model"], figures["bytes"]) == ("tiny", target.stat().st_size)
    assert run(["info", str(target)]) == 0
    assert "tiny" in capsys.readouterr().out


@pytest.mark.usefixtures("tiny_model")
def test_models(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["models"]) == 0
    assert "tiny" in capsys.readouterr().out
    assert run(["models", "--json"]) == 0
    first = json.loads(capsys.readouterr().out.splitlines()[0])
    assert first["name"] == "tiny"
    decoder = Path(first["folder"], f"decoder-{first['fingerprint']}.safetensors")
    assert decoder.stat().st_size == first["decoder_bytes"]


def test_an_unknown_model_is_one_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    Image.fromarray(scene(20, 30)).save(tmp_path / "p.png")
    assert run(["encode", "--model", "nobody", str(tmp_path / "p.png")]) == 1
    assert "no model 'nobody'" in capsys.readouterr().err


RECIPE = """
kind = "{kind}"
name = "small"
seed = 1
[data]
weights = [1.0]
crop = 64
[rate]
steps = [12.0, 220.0]
trade_off = 20.5
[[stage]]
name = "prior"
batch = 2
updates = 2
train = ["prior"]
rates = {{ prior = 1e-3 }}
"""


@pytest.fixture
def pictures(tmp_path: Path) -> Path:
    folder = tmp_path / "pictures"
    folder.mkdir()
    for number in range(3):
        Image.fromarray(scene(96, 96, seed=number)).save(folder / f"{number}.png")
    return folder


@pytest.mark.parametrize(
    ("text", "folders", "reason"),
    [("kind = ", 1, "not a readable recipe"), (RECIPE.format(kind="odd"), 1, "no kind of model 'odd'"),
     (RECIPE.format(kind="collage"), 2, "1 folders")],
)  # fmt: skip
def test_bad_recipes_are_one_line(
    text: str, folders: int, reason: str, pictures: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "c.toml").write_text(text)
    data = ["--data", str(pictures)] * folders
    assert run(["train", str(tmp_path / "c.toml"), *data, "--out", str(tmp_path / "run"), "--device", "cpu"]) == 1
    said = capsys.readouterr().err
    assert reason in said
    assert "Traceback" not in said


def test_a_batch_in_processes_reports_each_failure(capsys: pytest.CaptureFixture[str]) -> None:
    texts = ['{"n": 1}', "broken", '{"n": 3}']
    work = batch.Batch(json.loads, texts, ["a", "b", "c"], str, as_json=True)
    with click.Context(click.Command("test")) as context:
        assert batch.run(work, 2, context) == 1
    said = capsys.readouterr()
    records = [json.loads(line) for line in said.out.splitlines()]
    assert records[0] == {"n": 1}
    assert records[1]["input"] == "b"
    assert records[2] == {"n": 3}
    assert said.err.splitlines()[-1] == "collage: 1 of 3 files failed"


def test_errors_are_described_in_one_line() -> None:
    assert batch.describe(FileNotFoundError(2, "No such file", "x")) == "No such file: x"
    assert "internal error" in batch.describe(TypeError("x"))
    assert batch.describe(ValueError("a\n b")) == "a b"
