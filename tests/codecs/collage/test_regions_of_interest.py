"""Regions of interest in the codec `collage`: the quantiser map from the interface to the pixels."""

from __future__ import annotations

import numpy as np
import pytest
from tiny_model import scene

import collagecodec

pytestmark = pytest.mark.usefixtures("tiny_model")
BOX = (48, 32, 64, 48)


def encode(picture, **options):
    return collagecodec.encode(picture, model="tiny", **{"quality": 30, **options})


def error(picture, data, region=None):
    x, y, w, h = region or (0, 0, *picture.shape[1::-1])
    difference = collagecodec.decode(data).astype(float) - picture
    return float((difference[y : y + h, x : x + w] ** 2).mean())


@pytest.fixture(scope="module")
def picture():
    return scene(160, 192, seed=4)


def test_a_region_gets_more_bits_and_the_rest_keeps_its_own(picture):
    plain, chosen = encode(picture), encode(picture, roi=[BOX])
    assert len(chosen) > len(plain)
    assert error(picture, chosen, BOX) < 0.5 * error(picture, plain, BOX)
    far = (144, 112, 48, 48)
    assert error(picture, chosen, far) == pytest.approx(error(picture, plain, far), rel=0.1)


def test_cells_beside_a_region_keep_their_brightness(picture):
    decoded = [
        collagecodec.decode(encode(picture, quality=10, **each))
        for each in ({}, {"roi": [BOX], "roi_quality": 95})
    ]
    means = [each.reshape(10, 16, 12, 16, 3).mean((1, 3, 4)) for each in (picture, *decoded)]
    wrong = [np.abs(each - means[0]) for each in means[1:]]
    assert wrong[1].max() <= wrong[0].max() + 1


def test_weights_and_quality_set_how_much(picture):
    finest = encode(picture, roi=[BOX], roi_quality=90)
    half = encode(picture, roi=[(*BOX, 0.5)], roi_quality=90)
    coarser = encode(picture, roi=[BOX], roi_quality=5)
    errors = [error(picture, data, BOX) for data in (finest, half, encode(picture), coarser)]
    assert errors == sorted(errors)
    assert len(coarser) < len(encode(picture)) < len(half) < len(finest)


def test_a_region_everywhere_is_the_other_quality(picture):
    everywhere = encode(picture, roi=np.ones(picture.shape[:2], bool), roi_quality=75)
    assert error(picture, everywhere) == pytest.approx(error(picture, encode(picture, quality=75)), rel=0.1)


def test_regions_and_tiles_decode_as_the_whole(picture, monkeypatch):
    monkeypatch.setattr("collagecodec.codecs.collage.encoder.encoding.TILE", 64)
    data = encode(picture, roi=[BOX])
    assert collagecodec.info(data).tiles > 1
    whole = collagecodec.decode(data)
    assert np.array_equal(collagecodec.decode(data, region=(40, 30, 50, 60)), whole[30:90, 40:90])


def test_targets_are_met_with_a_region(picture):
    data = encode(picture, quality=None, max_bytes=2500, roi=[BOX])
    assert 1500 < len(data) <= 2500


def test_other_codecs_refuse_a_region(picture):
    with pytest.raises(ValueError, match="one quality for the whole picture"):
        collagecodec.encode(picture, codec="dct", roi=[BOX])
    with pytest.raises(ValueError, match="needs a region"):
        encode(picture, roi_quality=3)
