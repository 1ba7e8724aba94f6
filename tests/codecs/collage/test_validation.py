"""Models are validated before anything is computed with them, and say how large their sums can become."""

from __future__ import annotations

import shutil
from pathlib import Path

import hostile
import numpy as np
import pytest
from safetensors.numpy import load_file, save_file

import collagecodec
from bitstream.container import Reader, write
from collagecodec.codecs.collage.bounds import largest_sums
from collagecodec.codecs.collage.model import build_decoder, load_decoder
from collagecodec.codecs.collage.validation import validate
from collagecodec.codecs.models import Tensors, current, find_decoder
from collagecodec.errors import ModelMismatchError

GOLDEN = "v1-collage-1.clg"
FILE = find_decoder(Reader(hostile.golden(GOLDEN)).header.fingerprint.hex())


@pytest.fixture
def tensors() -> Tensors:
    return load_file(FILE)


def test_installed_models_are_valid(tensors: Tensors) -> None:
    validate(tensors)
    validate(tensors | {"of another version": np.zeros(3)})


def test_every_array_is_needed_and_has_one_shape_and_type(tensors: Tensors) -> None:
    for name in sorted(set(tensors) - {"restores_grey"}):
        part = name.rsplit(".", 1)[0]
        if part.startswith(("restoration", "enlargement")) and name.endswith(".weight"):
            continue  # one layer less is another network
        with pytest.raises(ValueError, match=r"no array|does not|is"):
            validate({other: array for other, array in tensors.items() if other != name})
    for name in ("gains", "atoms.1", "channels.2", "magnitudes", "predict.left", "prior.0.own.weight"):
        array = tensors[name]
        for wrong in (array.astype(np.float32), array[None], np.concatenate([array, array])):
            with pytest.raises(ValueError, match=r" is | do not"):
                validate(tensors | {name: wrong})


@pytest.mark.parametrize(
    ("name", "value", "message"),
    [
        ("magnitudes", 128, "magnitudes has values outside 0 .. 127"),
        ("gains", -1, "gains has values outside"),
        ("gains", 2**24 + 1, "gains has values outside"),
        ("prior.0.own.shift", 0, "shift has values outside 1 .. 22"),
        ("prior.1.before.shift", 23, "shift has values outside"),
        ("restoration.0.bias", 2**24 + 1, "bias has values outside"),
        ("restoration.0.slope", -(2**17) - 1, "slope has values outside"),
        ("channels.0", 1, "the channels of the planes"),
        ("slices", 0, "the slices"),
        ("tables.counts", 0, "counts has values outside 1"),
    ],
)
def test_values_out_of_range_are_refused(tensors: Tensors, name: str, value: int, message: str) -> None:
    array = tensors[name].copy()
    array.flat[-1] = value
    with pytest.raises(ValueError, match=message):
        validate(tensors | {name: array})


def test_sums_beyond_exact_arithmetic_are_refused(tensors: Tensors) -> None:
    name = "restoration.1.weight"
    most = (2**24 - 1) // (128 * 127)
    grown = {name: np.full((9 * 9 * 24, tensors[name].shape[1]), 127, np.int8)}
    assert len(grown[name]) > most
    with pytest.raises(ValueError, match=r"restoration\.1\.weight is"):
        validate(tensors | grown)
    with pytest.raises(ValueError, match=r"can reach 2\^24"):
        build_decoder(
            tensors | {"restoration.0.bias": np.full_like(tensors["restoration.0.bias"], 2**24)}, "x", "y"
        )


def test_a_file_that_names_another_codecs_model_says_so() -> None:
    paper = Reader(hostile.golden("v1-paper.clg")).header.fingerprint
    file = hostile.collage(20, 20)
    reader = Reader(file)
    from dataclasses import replace

    data = write(replace(reader.header, fingerprint=paper), [b""])
    with pytest.raises(ModelMismatchError, match=r"does not fit the codec 'collage' .*'atoms\.0'"):
        collagecodec.decode(data)
    header = Reader(hostile.golden("v1-paper.clg")).header
    swapped = write(replace(header, fingerprint=reader.header.fingerprint), [bytes(62 * 12)])
    with pytest.raises(ModelMismatchError, match="incomplete"):
        collagecodec.decode(swapped)


def test_a_model_file_that_is_none_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import hashlib

    monkeypatch.setenv("COLLAGE_MODELS", str(tmp_path))
    for content in (b"", b"\xff" * 100, (2**40).to_bytes(8, "little") + b"{}", FILE.read_bytes()[:5000]):
        fingerprint = hashlib.sha256(content).digest()[:8].hex()
        (tmp_path / "m").mkdir(exist_ok=True)
        (tmp_path / "m" / f"decoder-{fingerprint}.safetensors").write_bytes(content)
        with pytest.raises(ModelMismatchError, match="cannot be read"):
            load_decoder(fingerprint)


def test_a_model_is_named_and_not_found_by_path(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "outside").mkdir()
    shutil.copy(FILE, tmp_path / "outside" / "encoder-00.safetensors")
    (tmp_path / "inside").mkdir()
    monkeypatch.setenv("COLLAGE_MODELS", str(tmp_path / "inside"))
    for name in ("../outside", str(tmp_path / "outside"), "..", ".", "", "a\\b", "c:"):
        with pytest.raises(ModelMismatchError, match="not a path"):
            current(name)
    save_file({}, tmp_path / "inside" / "x.safetensors")


@pytest.fixture(scope="module")
def later(tiny_model: object) -> Tensors:
    """The arrays of a model with a hierarchical prior."""
    return load_file(find_decoder(current("tiny")[1]))


def test_every_array_of_a_hierarchical_prior_is_needed(later: Tensors) -> None:
    validate(later)
    # Without `slices.finest` it would be a model of the first generation, which has other predictors.
    for name in sorted(each for each in later if each.startswith(("prior.", "predict.", "slices"))):
        with pytest.raises(ValueError, match=r"no array|does not|is"):
            validate({other: array for other, array in later.items() if other != name})
    around = later["predict.around"]
    for name, wrong, message in (
        ("predict.around", around[:3], "predict.around is"),
        ("slices.finest", later["slices.finest"][::-1], "widest cells of the slices fall"),
        ("prior.2.1.near.weight", later["prior.2.1.near.weight"][:-1], "near.weight is"),
    ):
        with pytest.raises(ValueError, match=message):
            validate(later | {name: np.ascontiguousarray(wrong)})
    largest = largest_sums(later)
    assert all(reached < bound for reached, bound in largest.values())
    assert "predict.around" in largest
