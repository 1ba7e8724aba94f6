import base64
import hashlib

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scenes import scene
from scipy.fft import dctn

from bitstream.container import Header, write
from collagecodec.codecs import laplace
from collagecodec.codecs.dct import atoms
from collagecodec.codecs.dct.codec import DctCodec
from collagecodec.errors import CollageError, FormatError, LimitError, UnsupportedImageError
from collagecodec.sampling.request import Image8
from eval.harness.metrics import compare

CODINGS = ("entropy", "fixed")


def _psnr(image: Image8, codec: DctCodec) -> float:
    return compare(image, codec.decode(codec.encode(image)), structural=False).psnr


@pytest.mark.parametrize("cell", [8, 16])
def test_projection_on_the_cosines_is_the_dct(cell: int) -> None:
    block = np.random.default_rng(0).normal(0, 50, (cell, cell))
    found = atoms.cosines(cell).reshape(cell**2, -1) @ block.ravel()
    order, total = atoms.frequencies(cell)
    assert np.abs(found - dctn(block, norm="ortho").ravel()[order]).max() < 0.05
    assert (np.diff(total) >= 0).all()


def test_the_atoms_are_the_same_on_every_machine() -> None:
    numbers = np.concatenate([(atoms.cosines(cell) * atoms.ATOM_UNIT).astype("<i4").ravel() for cell in (8, 16)])
    assert hashlib.sha256(numbers.tobytes()).hexdigest()[:16] == "6c8d87cb715d1e03"


def test_the_tables_are_the_same_on_every_machine() -> None:
    counts = np.concatenate(laplace.tables().counts).astype("<i8")
    assert hashlib.sha256(counts.tobytes()).hexdigest()[:16] == "218a581fb3444b46"


@pytest.mark.parametrize("table", [1, 20, 29, 45, 63])
def test_a_table_has_the_mean_that_chooses_it(table: int) -> None:
    counts = laplace.tables().counts[table][:-1].astype(float)
    magnitudes = np.abs(np.arange(counts.size) - counts.size // 2)
    mean = 2 ** ((table - 29) / 4)
    assert (counts * magnitudes).sum() / counts.sum() == pytest.approx(mean, rel=0.04)


FILES = {
    "entropy": (
        "k3&pH4GJ0x0Z0%70~8Ga00000000080N?>jZrm|cUO)hN+S6nJ0VM?n23c7k2C`)(84y4gia|gUisczlfg}TdAd5$i"
        "kX}hV;)L`P10-dMa^~;_GDJtk@B{$Ci~^?N3+o5ycyx}Zqna3UliFsh>Owb25h;cP0000?d7**",
        "4aca90bbf3ffd08d",
    ),
    "fixed": (
        "k3&pH4GJ0x0Z0%70~8Ga00000000080pJ0A1RgL{;sGTjBO)>Y01^@a01+Yp000pH00000000sI000000000000000"
        "000000000000000000000000000000002<{F#rGn00000000000000000000000000000000000000000000000000"
        "00000000000000000000001EX00000000000000000000000000000000000000000000000000000000000000000"
        "0000000000007Y+001rf|NqDQ|Nq07slEyP@#|xi^dfpzZH-lu@G+GX{IfaI",
        "42846cbfa66300a9",
    ),
}
"""Small files in base 85, and the sha256 of their pixels: what was written once decodes for ever."""


@pytest.mark.parametrize("coding", CODINGS)
def test_the_pixels_of_a_file_do_not_change(coding: str) -> None:
    text, expected = FILES[coding]
    image = DctCodec().decode(base64.b85decode(text))
    assert hashlib.sha256(image.tobytes()).hexdigest()[:16] == expected
    assert compare(scene(11, 20, 13), image, structural=False).psnr > 28.8


SIZES = {
    "half": ({"scale": 0.5}, "662acf239225cda5"),
    "third": ({"scale": 1 / 3}, "24a4b3cf186063fa"),
    "double": ({"scale": 2}, "aefe17752db6bb4e"),
    "window": ({"size": (31, 50), "region": (3, 2, 14, 9)}, "833fe09cd0604a21"),
}


@pytest.mark.parametrize("name", SIZES)
def test_the_pixels_at_other_sizes_are_the_same_on_every_machine(name: str) -> None:
    options, expected = SIZES[name]
    image = DctCodec().decode(base64.b85decode(FILES["entropy"][0]), **options)  # type: ignore[arg-type]
    assert hashlib.sha256(image.tobytes()).hexdigest()[:16] == expected


@pytest.mark.parametrize("coding", CODINGS)
def test_a_finer_step_is_a_larger_and_better_file(coding: str) -> None:
    image = scene(12, 200, 150)
    codecs = [DctCodec(step, 8, coding) for step in (100.0, 40.0, 15.0, 5.0)]  # type: ignore[arg-type]
    assert np.all(np.diff([len(codec.encode(image)) for codec in codecs]) > 0)
    assert np.all(np.diff([_psnr(image, codec) for codec in codecs]) > 0)


def test_entropy_coding_is_nearly_lossless_at_the_finest_step() -> None:
    image = scene(13)
    assert _psnr(image, DctCodec(1 / 16)) > 50


def test_the_error_is_bounded_by_the_step() -> None:
    image = scene(14)[:, :, 0]
    decoded = DctCodec(8.0).decode(DctCodec(8.0).encode(image))
    # Parseval: with errors of at most 2/3 step in the coefficients, the mean square is below the square of that.
    assert np.mean((decoded.astype(float) - image) ** 2) < (8 * 2 / 3) ** 2 + 1


@settings(max_examples=30, deadline=None)
@given(
    st.integers(1, 40), st.integers(1, 40), st.booleans(), st.sampled_from(CODINGS), st.sampled_from((8, 16)),
    st.floats(0.1, 500), st.integers(0, 9),
)  # fmt: skip
def test_every_picture_comes_back_in_its_size(
    width: int, height: int, grey: bool, coding: str, cell: int, step: float, seed: int
) -> None:
    image = np.random.default_rng(seed).integers(
        0, 256, (height, width) if grey else (height, width, 3), np.uint8
    )
    codec = DctCodec(step, cell, coding)  # type: ignore[arg-type]
    decoded = codec.decode(codec.encode(image))
    assert decoded.shape == image.shape
    assert decoded.dtype == np.uint8


@pytest.mark.parametrize("coding", CODINGS)
def test_damage_is_an_error_of_the_project(coding: str) -> None:
    codec = DctCodec(30.0, 8, coding)  # type: ignore[arg-type]
    data = codec.encode(scene(15))
    header = Header(
        codec=3, width=96, height=64, params=bytes((8, CODINGS.index(coding))) + (480).to_bytes(2, "little")
    )
    for payload in (b"", b"\x05", bytes(400), data[40:90]):
        with pytest.raises(CollageError):
            codec.decode(write(header, [payload]))
    with pytest.raises(CollageError):
        codec.decode(data[: len(data) // 2])


@pytest.mark.parametrize("params", [b"", bytes((9, 0, 1, 0)), bytes((8, 2, 1, 0)), bytes((8, 0, 0, 0))])
def test_a_header_that_makes_no_sense(params: bytes) -> None:
    with pytest.raises(FormatError, match="damaged"):
        DctCodec().decode(write(Header(codec=3, width=8, height=8, params=params), [b""]))


def test_limits_and_refusals() -> None:
    huge = Header(codec=3, width=2**15, height=2**14, params=bytes((8, 0, 1, 0)))
    with pytest.raises(LimitError, match="holds up to 268435456 pixels"):
        DctCodec().decode(write(huge, [b""]))
    for image in (np.zeros((4, 4, 4), np.uint8), np.zeros((4, 4), np.uint16), np.zeros((0, 4), np.uint8)):
        with pytest.raises(UnsupportedImageError):
            DctCodec().encode(image)  # type: ignore[arg-type]
    for wrong in ({"cell": 12}, {"coding": "huffman"}, {"step": 0.0}, {"step": 5000.0}):
        with pytest.raises(ValueError, match="not"):
            DctCodec(**wrong)  # type: ignore[arg-type]
