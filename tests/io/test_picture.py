"""Pictures in memory: what is taken, what is converted, what is refused, and which metadata survive."""

import functools
import io
from pathlib import Path

import numpy as np
import pytest
from PIL import Image, ImageCms

from collagecodec.errors import UnsupportedImageError
from collagecodec.io.picture import MODES, metadata_of, strip_exif, to_array, to_pillow

rng = np.random.default_rng(5)
PICTURE = rng.integers(0, 256, (29, 31, 4), np.uint8)
SHAPES = {"L": (29, 31), "LA": (29, 31, 2), "RGB": (29, 31, 3), "RGBA": (29, 31, 4)}


def picture(mode: str) -> np.ndarray:
    return np.ascontiguousarray(PICTURE[..., : MODES.index(mode) + 1].reshape(SHAPES[mode]))


@functools.cache  # a profile holds the time at which it was made
def metadata() -> dict[str, bytes]:
    exif = Image.Exif()
    exif[0x010F], exif[0x0112] = "A camera", 6
    exif.get_ifd(0x8769)[0x9003] = "2021:02:03 04:05:06"
    return {
        "icc": ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes(),
        "exif": strip_exif(exif.tobytes()),
        "xmp": '<x:xmpmeta xmlns:x="adobe:ns:meta/">\u00fc</x:xmpmeta>'.encode(),
    }


@pytest.mark.parametrize("mode", MODES)
def test_arrays_and_pillow_images_are_each_other(mode: str) -> None:
    image = to_pillow(picture(mode))
    assert image.mode == mode
    assert image.size == (31, 29)
    np.testing.assert_array_equal(to_array(image), picture(mode))
    np.testing.assert_array_equal(to_array(picture(mode)), picture(mode))


def test_an_image_does_not_share_its_array() -> None:
    array = picture("L")
    image = to_pillow(array)
    array[:] = 0
    np.testing.assert_array_equal(to_array(image), picture("L"))


def test_a_last_axis_of_one_is_grey() -> None:
    assert to_array(picture("L")[:, :, None]).shape == (29, 31)


def test_bool_arrays_become_black_and_white() -> None:
    np.testing.assert_array_equal(to_array(np.array([[True, False]])), [[255, 0]])


@pytest.mark.parametrize(
    ("array", "reason"),
    [
        (np.zeros((4, 4), np.uint16), "uint16"),
        (np.zeros((4, 4, 3), np.float32), "float32"),
        (np.zeros((4, 4, 5), np.uint8), "1 to 4 channels"),
        (np.zeros(4, np.uint8), "not a picture"),
        (np.zeros((0, 4), np.uint8), "no pixels"),
    ],
)
def test_refused_arrays(array: np.ndarray, reason: str) -> None:
    with pytest.raises(UnsupportedImageError, match=reason):
        to_array(array)


def test_what_is_no_picture_is_refused() -> None:
    with pytest.raises(UnsupportedImageError, match="list is not a picture"):
        to_array([[1, 2]])  # type: ignore[arg-type]


@pytest.mark.parametrize("mode", ["I", "F", "I;16", "CMYK", "YCbCr", "LAB", "HSV", "RGBa", "La"])
def test_refused_modes_name_a_conversion(mode: str) -> None:
    with pytest.raises(UnsupportedImageError, match=r"\(--convert RGBA?\)|\(--convert LA\)|\(--to-8bit\)"):
        to_array(Image.new(mode, (3, 2)))


def test_one_bit_and_padded_modes_convert_without_loss() -> None:
    bits = Image.fromarray(picture("L") > 99)
    np.testing.assert_array_equal(to_array(bits), (picture("L") > 99) * np.uint8(255))
    np.testing.assert_array_equal(to_array(to_pillow(picture("RGB")).convert("RGBX")), picture("RGB"))


def test_a_palette_becomes_the_colours_it_stands_for() -> None:
    image = to_pillow(picture("RGB")).quantize(16)
    np.testing.assert_array_equal(to_array(image), np.asarray(image.convert("RGB")))


def test_transparency_of_palette_and_colour_key_is_kept() -> None:
    image = to_pillow(picture("RGB")).quantize(16)
    image.info["transparency"] = 3
    converted = to_array(image)
    assert converted.shape == (29, 31, 4)
    np.testing.assert_array_equal(converted[..., 3] == 0, np.asarray(image) == 3)
    key = tuple(int(value) for value in picture("RGB")[4, 5])
    keyed = to_pillow(picture("RGB"))
    keyed.info["transparency"] = key
    assert to_array(keyed)[4, 5].tolist() == [*key, 0]


@pytest.mark.parametrize(("mode", "suffix"), [("I;16", "png"), ("I;16", "tif")])
def test_sixteen_bit_files_are_refused(tmp_path: Path, mode: str, suffix: str) -> None:
    path = tmp_path / f"deep.{suffix}"
    Image.new(mode, (4, 3), 1000).save(path)
    with Image.open(path) as image, pytest.raises(UnsupportedImageError, match="8 bits"):
        to_array(image)


def test_sixteen_bit_colour_is_not_cut_in_silence() -> None:
    # Pillow opens these as RGB of 8 bits.
    header = b"P6 2 1 65535\n"
    with (
        Image.open(io.BytesIO(header + bytes(12))) as image,
        pytest.raises(UnsupportedImageError, match="8 bits"),
    ):
        to_array(image)


def test_several_frames_are_refused() -> None:
    stream = io.BytesIO()
    frames = [Image.new("L", (4, 4), level) for level in (0, 99, 200)]
    frames[0].save(stream, "TIFF", save_all=True, append_images=frames[1:])
    with Image.open(stream) as image, pytest.raises(UnsupportedImageError, match="3 frames"):
        to_array(image)


def test_overviews_are_no_frames() -> None:
    stream = io.BytesIO()
    overview = Image.new("L", (2, 2), 7)
    overview.encoderinfo = {"tiffinfo": {254: 1}}
    Image.new("L", (4, 4), 9).save(stream, "TIFF", save_all=True, append_images=[overview])
    with Image.open(stream) as image:
        assert image.n_frames == 2  # type: ignore[attr-defined]
        np.testing.assert_array_equal(to_array(image), np.full((4, 4), 9))


@pytest.mark.parametrize("suffix", ["png", "jpg", "webp", "tif"])
def test_saving_keeps_metadata(tmp_path: Path, suffix: str) -> None:
    path = tmp_path / f"kept.{suffix}"
    to_pillow(picture("RGB"), metadata()).save(path)
    with Image.open(path) as image:
        kept = metadata_of(image)
        exif = image.getexif()
    assert kept["icc"] == metadata()["icc"]
    assert kept["xmp"] == metadata()["xmp"]
    assert (exif[0x010F], exif[0x0112]) == ("A camera", 6)
    assert exif.get_ifd(0x8769)[0x9003] == "2021:02:03 04:05:06"
    if suffix != "tif":
        assert kept["exif"] == metadata()["exif"]


def test_what_is_passed_to_save_comes_first(tmp_path: Path) -> None:
    path = tmp_path / "other.jpg"
    to_pillow(picture("RGB"), metadata()).save(path, xmp=b"<other/>")
    with Image.open(path) as image:
        assert metadata_of(image)["xmp"] == b"<other/>"


def test_metadata_of_a_plain_image_are_empty() -> None:
    assert metadata_of(Image.new("L", (2, 2))) == {}
