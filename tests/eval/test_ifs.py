import gzip
import json
import struct
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from click.testing import CliRunner, Result

from collagecodec.fractals import fractaldb
from collagecodec.fractals.learning.config import FitConfig
from eval.commands.ifs import ifs
from eval.commands.ifs_gan import ifs_gan
from eval.harness import published
from eval.harness.datasets import DataError
from eval.studies.learned_ifs import encoder, gan, idx, lenet, rows, table1
from eval.studies.learned_ifs.targets import targets

COUNTS = {"t10k": 30, "train": 40}


@pytest.fixture(autouse=True)
def _one_thread():
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """A root with files like MNIST's: digit n is a bar in column 2 n."""
    folder = tmp_path / "root" / "mnist"
    folder.mkdir(parents=True)
    for part, count in COUNTS.items():
        labels = (np.arange(count) * 7 % 10).astype(np.uint8)
        pictures = np.zeros((count, 28, 28), np.uint8)
        for picture, label in zip(pictures, labels, strict=True):
            picture[4:24, 2 * label + 4 : 2 * label + 8] = 200
        for kind, values in (("images-idx3", pictures), ("labels-idx1", labels)):
            header = struct.pack(f">HBB{values.ndim}i", 0, 8, values.ndim, *values.shape)
            (folder / f"mnist-{part}-{kind}-ubyte.gz").write_bytes(
                gzip.compress(header + values.tobytes(), mtime=0)
            )
    return tmp_path / "root"


@pytest.fixture
def small(monkeypatch: pytest.MonkeyPatch) -> FitConfig:
    config = FitConfig(maps=2, points=20, batch=2, steps=2, restarts=0)
    few = {"F": rows.Row("full", config), rows.ENCODER: rows.ROWS[rows.ENCODER]}
    monkeypatch.setattr(table1, "ROWS", few)
    monkeypatch.setattr(table1.encoder, "TRAINING", encoder.Training(maps=2, channels=2, batch=2, steps=1))
    return config


def _run(*arguments: object) -> Result:
    return CliRunner().invoke(ifs, [str(one) for one in arguments])


def test_targets_are_binary_and_the_classes_take_turns(root: Path) -> None:
    some = targets("mnist", 12, root)
    assert some.shape == (12, 32, 32)
    assert some.dtype == np.float32
    assert set(np.unique(some)) == {0, 1}
    places = [np.flatnonzero(one.any(0)).mean() for one in some]
    assert places[:10] == sorted(places[:10])
    assert places[10:] == places[:2]
    assert (targets("mnist", 5, root) == some[:5]).all()


def test_fractals_are_kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    real, drawn = fractaldb.systems, []
    monkeypatch.setattr(fractaldb, "systems", lambda seed: drawn.append(seed) or real(seed, 0.1))
    first = targets("fractaldb", 2, kept=tmp_path / "kept.png")
    assert (targets("fractaldb", 1, kept=tmp_path / "kept.png") == first[:1]).all()
    assert len(drawn) == 1
    assert (targets("fractaldb", 2) == first).all()
    assert set(np.unique(first)) == {0, 1}


def test_missing_pictures_are_named_with_their_place(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"mnist/kmnist-t10k-images-idx3-ubyte.gz under --data-root"):
        targets("kmnist", 5, tmp_path)


HEADER = b"\0\0\x08\x03"  # of an IDX file with three axes of bytes, followed by the lengths of the axes
DAMAGED = {
    "empty": b"",
    "not gzip": b"no gzip",
    "too long": gzip.compress(HEADER + bytes(12) + b"more", mtime=0),
    "too short": gzip.compress(HEADER[:3], mtime=0),
    "two axes": gzip.compress(b"\0\0\x08\x02" + bytes(12), mtime=0),
}


@pytest.mark.parametrize("damage", DAMAGED.values(), ids=DAMAGED)
def test_broken_files_are_reported(root: Path, damage: bytes) -> None:
    (root / "mnist" / "mnist-t10k-images-idx3-ubyte.gz").write_bytes(damage)
    with pytest.raises(DataError, match="mnist-t10k-images"):
        idx.images("mnist", root=root)


def test_the_table_goes_on_where_it_was_stopped(
    root: Path, tmp_path: Path, small: FitConfig, monkeypatch: pytest.MonkeyPatch
) -> None:
    out, fitted = tmp_path / "out", []
    real = rows.fit
    monkeypatch.setattr(rows, "CHUNK", 2)
    monkeypatch.setattr(
        rows, "fit", lambda some, *rest, **more: fitted.append(len(some)) or real(some, *rest, **more)
    )
    asked = ("--out", out, "--sets", "mnist", "--rows", "F", "--data-root", root)
    assert _run(*asked, "--targets", 3).exit_code == 0
    path = out / "mnist-F.jsonl"
    first = path.read_text().splitlines()
    path.write_text("\n".join(first)[:-10])  # the last line is torn
    done = _run(*asked, "--targets", 5)
    assert done.exit_code == 0, done.output
    assert fitted == [2, 1, 2, 1]
    lines = [json.loads(line) for line in path.read_text().splitlines()]
    assert sorted(line["target"] for line in lines) == [0, 1, 2, 3, 4]
    assert all(0 < line["mse"] <= line["mse_mean"] < 1 for line in lines)
    assert "0.0202" in done.output
    assert json.loads((out / "summary.json").read_text())["mnist/F"]["targets"] == 5


def test_what_is_missing_is_left_out_with_a_word(root: Path, tmp_path: Path, small: FitConfig) -> None:
    asked = ("--out", tmp_path / "out", "--rows", "F", "--targets", 1, "--data-root", root)
    done = _run(*asked, "--sets", "kmnist,mnist")
    assert done.exit_code == 0, done.output
    assert "skipped kmnist" in done.output
    nothing = _run(*asked, "--sets", "kmnist")
    assert nothing.exit_code == 1
    assert "'fractaldb' needs no files" in nothing.output
    assert "unknown set 'cifar'" in _run(*asked, "--sets", "cifar").output


def test_the_encoder_is_trained_once_and_kept(root: Path, tmp_path: Path, small: FitConfig) -> None:
    asked = ("--out", tmp_path / "out", "--sets", "mnist", "--rows", "B", "--data-root", root)
    assert _run(*asked, "--targets", 1).exit_code == 0
    kept = (tmp_path / "out" / "encoder.safetensors").read_bytes()
    done = _run(*asked, "--targets", 2)
    assert done.exit_code == 0, done.output
    assert (tmp_path / "out" / "encoder.safetensors").read_bytes() == kept
    assert "0.172" in done.output


def test_the_error_of_the_encoder_does_not_know_the_order_of_maps() -> None:
    A, b = encoder.drawn(3, 4, torch.Generator().manual_seed(0))
    turned = A[:, [2, 0, 3, 1]], b[:, [2, 0, 3, 1]]
    assert encoder.matched((A, b), turned) == 0
    assert encoder.matched((A, b), (turned[0], turned[1] + 1)) == pytest.approx(1 / 3, rel=1e-5)
    assert torch.linalg.svdvals(A).max() < 1


def test_published_rows_are_rows_of_the_table() -> None:
    theirs = published.ifs_table()
    assert set(theirs) <= set(rows.ROWS)
    assert theirs["F"] == {"fractaldb": 0.0617, "mnist": 0.0202, "kmnist": 0.0781, "fmnist": 0.0538}


def test_linear_evaluation_finds_what_is_there() -> None:
    generator = torch.Generator().manual_seed(0)
    labels = torch.arange(200) % 4
    features = torch.randn(200, 6, generator=generator)
    features[torch.arange(200), labels] += 6
    assert lenet.linear_accuracy((features[:100], labels[:100]), (features[100:], labels[100:]), 4) > 0.95
    mixed = labels[torch.randperm(100, generator=generator)]
    assert lenet.linear_accuracy((features[:100], mixed), (features[100:], labels[100:]), 4) < 0.6


@pytest.fixture
def tiny_gan(monkeypatch: pytest.MonkeyPatch) -> None:
    class Tiny(gan.GanConfig):
        def __init__(self, steps: int, every: int) -> None:
            super().__init__(
                systems=4, maps=2, points=20, steps=steps, every=every, pretraining=2, labelled=20, unseen=10
            )

    monkeypatch.setattr(gan, "GanConfig", Tiny)


def test_the_gan_moves_its_ifs(root: Path) -> None:
    config = gan.GanConfig(systems=4, maps=2, points=30, steps=3, every=2)
    (pictures, labels), unseen = gan.pictures("mnist", config, root)
    assert pictures.shape == (40, 1, 32, 32)
    assert len(unseen[1]) == 30
    assert labels[:3].tolist() == [0, 7, 4]
    snapshots = list(gan.snapshots(pictures, config, lambda *_: None))
    assert [step for step, _ in snapshots] == [0, 2]
    assert not torch.allclose(snapshots[0][1], snapshots[1][1])
    again = list(gan.snapshots(pictures, config, lambda *_: None))
    assert torch.equal(snapshots[1][1], again[1][1])


def test_figure_5_is_measured_once_and_drawn(
    root: Path, tmp_path: Path, tiny_gan: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    out = tmp_path / "out"
    asked: list[str] = ["--out", str(out), "--data-root", str(root), "--steps", "2", "--every", "1"]
    done = CliRunner().invoke(ifs_gan, asked)
    assert done.exit_code == 0, done.output
    assert "skipped kmnist" in done.output
    lines = [json.loads(line) for line in (out / "gan-mnist.jsonl").read_text().splitlines()]
    assert [line["step"] for line in lines] == [0, 1, 2]
    assert all(0 <= line["accuracy"] <= 1 for line in lines)
    for name in ("gan_accuracy.svg", "gan_accuracy.png", "learned-mnist.png", "gan.json"):
        assert (out / name).stat().st_size > 0

    def never(*_: object) -> Callable[..., None]:
        raise AssertionError("measured again")

    monkeypatch.setattr(gan, "snapshots", never)
    assert CliRunner().invoke(ifs_gan, asked).exit_code == 0
