"""The production codec is a collage: its pixels are the fixed point of the operator that its file describes."""

from __future__ import annotations

import numpy as np
import pytest
from tiny_model import scene

import collagecodec
from bitstream.container import Reader
from collagecodec.codecs.collage.decoder import Picture
from collagecodec.codecs.collage.encoder import encoding
from collagecodec.codecs.collage.model import load_decoder
from collagecodec.operator.fixed_point import iterate

pytestmark = pytest.mark.usefixtures("tiny_model")


@pytest.mark.parametrize("channels", [1, 3])
def test_planes_are_the_fixed_point(channels, monkeypatch):
    monkeypatch.setattr(encoding, "TILE", 48)
    data = collagecodec.encode(scene(70, 90, channels=channels), quality=60, model="tiny")
    reader = Reader(data)
    picture = Picture(reader, load_decoder(reader.header.fingerprint.hex()))
    layout = picture.layout
    bands = picture.code_bands(16, (0, layout.block_rows), (0, layout.block_columns), 0)
    planes = np.concatenate([picture.planes(band) for band in bands], axis=1) / 16
    found = collagecodec.collages(data)
    assert [c.planes for c in found] == (["Y"] if channels == 1 else ["Y", "Cb", "Cr"])
    for plane, collage in zip(planes, found, strict=True):
        start = np.random.default_rng(0).normal(0, 99, (1, 1, *plane.shape))
        fixed = iterate(collage.operator, collage.code, 3, start)[0, 0]
        assert np.abs(fixed - plane).max() <= 1 / 32
        assert collage.code.lipschitz() == 0
        assert np.allclose(collage.code.gamma.sum(-1), 1)
        assert np.allclose(collage.code.a * collage.code.gamma, collage.code.terms)
        assert collage.code.b.shape == (1, 1, collage.operator.geometry.cells)
