"""Metadata given to `encode` replace those of the picture, kind by kind, whatever the picture comes as."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import collagecodec
from bitstream.container import Reader
from collagecodec.io import ArraySource
from collagecodec.io.picture import to_pillow

ARRAY = np.add.outer(np.arange(16), np.arange(24)).astype(np.uint8)
OWN = {"icc": b"profile of the picture", "xmp": b"<picture/>"}


def stored(image: Any, **options: Any) -> dict[str, bytes]:
    return Reader(collagecodec.encode(image, codec="dct", **options)).metadata


@pytest.mark.parametrize(
    "carrier", [lambda: to_pillow(ARRAY, OWN), lambda: ArraySource(ARRAY, OWN)], ids=["pillow", "source"]
)
def test_given_metadata_come_first(carrier: Callable[[], Any]) -> None:
    assert stored(carrier()) == OWN
    assert stored(carrier(), metadata={}) == OWN
    assert stored(carrier(), metadata={"xmp": b"<given/>"}) == {"icc": OWN["icc"], "xmp": b"<given/>"}
    given = {"icc": b"given", "exif": b"II*\0given", "xmp": b"<given/>"}
    assert stored(carrier(), metadata=given) == given


def test_an_array_has_what_is_given() -> None:
    assert stored(ARRAY) == {}
    assert stored(ARRAY, metadata={"xmp": b"<given/>"}) == {"xmp": b"<given/>"}
