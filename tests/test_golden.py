"""Files of every released format version decode to the pixels that they always had."""

from __future__ import annotations

import hashlib
import json
from fractions import Fraction
from pathlib import Path

import pytest

import collagecodec
from bitstream.container import VERSION
from collagecodec.codecs import registry

FOLDER = Path(__file__).parent / "golden"
INDEX = json.loads((FOLDER / "index.json").read_text())
SCALES = {"native": Fraction(1), "half": Fraction(1, 2), "double": Fraction(2)}


def test_no_golden_file_is_missing_or_unlisted():
    assert {path.name for path in FOLDER.glob("*.clg")} == set(INDEX)
    codecs = {collagecodec.info((FOLDER / name).read_bytes()).codec for name in INDEX}
    assert codecs == set(registry.ENTRIES)


def test_every_format_version_has_golden_files():
    versions = {collagecodec.info((FOLDER / name).read_bytes()).format_version for name in INDEX}
    assert versions == set(range(1, VERSION + 1))


@pytest.mark.parametrize("scale", SCALES)
@pytest.mark.parametrize("name", sorted(INDEX))
def test_pixels(name, scale):
    pixels = collagecodec.decode((FOLDER / name).read_bytes(), scale=SCALES[scale])
    assert hashlib.sha256(pixels.tobytes()).hexdigest() == INDEX[name][scale]
