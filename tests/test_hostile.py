"""Hostile files with good checksums decode as FORMAT.md says, to the same pixels everywhere, or are refused."""

from __future__ import annotations

import hashlib
import json

import hostile
import numpy as np
import pytest

import collagecodec
from bitstream.container import Reader
from collagecodec.codecs.collage.bounds import check_sums, largest_sums
from collagecodec.codecs.collage.decoder import MAX_PRODUCT, Picture
from collagecodec.codecs.collage.model import load_decoder
from collagecodec.codecs.collage.prior import MAX_CODE, chained, in_range
from collagecodec.codecs.collage.quincunx_prior import QuincunxPrior
from collagecodec.codecs.models import find_decoder, read_tensors
from collagecodec.errors import FormatError

FOLDER = hostile.GOLDEN / "hostile"
INDEX: dict[str, str] = json.loads((FOLDER / "index.json").read_text())


def test_no_hostile_file_is_missing_or_unlisted() -> None:
    assert {path.name for path in FOLDER.glob("*.clg")} == set(INDEX)
    kinds = {
        (collagecodec.info((FOLDER / name).read_bytes()).codec, len(found) == 64) for name, found in INDEX.items()
    }
    assert {codec for codec, _ in kinds} == {"collage", "dct", "pifs", "coin", "ifs"}
    assert ("collage", True) in kinds
    assert ("collage", False) in kinds


@pytest.mark.parametrize("name", sorted(INDEX))
def test_hostile_files(name: str) -> None:
    data = (FOLDER / name).read_bytes()
    if len(INDEX[name]) < 64:
        with pytest.raises(FormatError) as caught:
            collagecodec.decode(data)
        assert type(caught.value).__name__ == INDEX[name]
        return
    pixels = [collagecodec.decode(data, scale=scale) for scale in (1, 2)]
    assert hashlib.sha256(b"".join(part.tobytes() for part in pixels)).hexdigest() == INDEX[name]


@pytest.mark.parametrize("name", sorted(name for name in INDEX if "collage" in name and len(INDEX[name]) == 64))
def test_planes_are_those_of_the_specification(name: str) -> None:
    """Section 5.6 of FORMAT.md in 64-bit integers, which no code within the bounds leaves."""
    reader = Reader((FOLDER / name).read_bytes())
    model = load_decoder(reader.header.fingerprint.hex())
    picture = Picture(reader, model)
    rows, columns = picture.layout.block_rows, picture.layout.block_columns
    slices, n = len(model.prior.slices), model.dictionary.cell
    ((_, stored),) = picture.tile_rows(0, rows + 1, 0, columns + 1, slices)
    stored = stored[..., :-1]
    products = stored.astype(np.int64) * picture.multipliers
    assert np.abs(stored).max() <= MAX_CODE
    assert 2**13 < np.abs(products).max() <= MAX_PRODUCT
    (band,) = picture.code_bands(n, (0, rows), (0, columns), 0, least=rows, strip=10**6)
    for found, plane in zip(picture.planes(band), model.dictionary.planes, strict=False):
        codes = products[..., plane.channels]
        quads = plane.atoms.astype(np.int64).reshape(-1, 2, 2, n, n)
        total = np.zeros((rows, columns, n, n), np.int64)
        for y in (0, 1):
            for x in (0, 1):
                part = codes[y : rows + y, x : columns + x]
                total += np.einsum("rsv,vab->rsab", part, quads[:, 1 - y, 1 - x])
        expected = np.clip((total + 512) >> 10, -(2**13), 2**13).transpose(0, 2, 1, 3)
        np.testing.assert_array_equal(found, expected.reshape(found.shape))


@pytest.mark.parametrize("name", ["v1-collage-1.clg", "v1-second-collage-1.clg"])
def test_every_sum_of_a_model_is_exact(name: str) -> None:
    fingerprint = Reader(hostile.golden(name)).header.fingerprint.hex()
    tensors = read_tensors(find_decoder(fingerprint))
    sums = largest_sums(tensors)
    assert {"restoration.0", "prior.0.0.near", "predict.direct", "atoms.2"} <= set(sums)
    assert all(0 < largest < bound for largest, bound in sums.values())
    atoms = tensors["atoms.0"].astype(np.int64)
    atoms[0, 0] = 2**15
    grown = tensors | {"atoms.0": np.broadcast_to(atoms[:1] * 2**16, atoms.shape)}
    with pytest.raises(ValueError, match=r"a sum of atoms\.0 can reach"):
        check_sums(grown)


def test_codes_and_products_are_bounded_to_the_unit(monkeypatch: pytest.MonkeyPatch) -> None:
    reader = Reader(hostile.golden("v1-collage-3.clg"))
    picture = Picture(reader, load_decoder(reader.header.fingerprint.hex()))
    channels = picture.channels_of(1)

    def decoded(code: int, multiplier: int) -> np.ndarray:
        codes = np.zeros((1, 1, channels), np.int32)
        codes[0, 0, -1] = code
        monkeypatch.setattr(QuincunxPrior, "decode", lambda *_: codes)
        picture.multipliers = np.full_like(picture.multipliers, multiplier)
        return picture._decode_tile(memoryview(b""), (1, 1), 1)

    for sign in (1, -1):
        assert decoded(sign * MAX_CODE, 8)[0, 0, -2] == sign * MAX_CODE
        assert decoded(sign * MAX_PRODUCT // 64, 64)[0, 0, -2] == sign * 4096
        for code, multiplier in ((MAX_CODE + 1, 1), (2405, 109), (2**24, 1)):
            with pytest.raises(FormatError, match="a code is beyond the range"):
                decoded(sign * code, multiplier)


def test_codes_that_others_are_predicted_from_are_bounded() -> None:
    for sign in (1, -1):
        in_range(np.full((2, 2), sign * MAX_CODE, np.int32))
        with pytest.raises(FormatError, match="a code is beyond the range"):
            in_range(np.full((2, 2), sign * (MAX_CODE + 1), np.int32))
    # Symbols that add up beyond the range with their predictions.
    fingerprint = Reader(hostile.golden("v1-collage-3.clg")).header.fingerprint.hex()
    predictor = load_decoder(fingerprint).prior.predictor
    symbols = np.full((1, 9, predictor.left.size), MAX_CODE, np.int32)
    with pytest.raises(FormatError, match="a code is beyond the range"):
        chained(predictor.left, symbols)
