"""Pictures in bands: every source gives the same rows, every sink the same picture, whole or not at all."""

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

from collagecodec.errors import LimitError, UnsupportedImageError
from collagecodec.io import ArraySource, PillowSource, Source, as_source, open_source, save_bands
from collagecodec.io.files import OutputExistsError, atomic

LOSSLESS = ("png", "tif", "webp", "pam", "npy")


def picture(channels: int, width: int = 301, height: int = 553) -> NDArray[np.uint8]:
    y, x = np.mgrid[:height, :width]
    planes = [(x * (3 + c) + y * (7 - c)) // 5 % 251 for c in range(channels)]
    return np.stack(planes, axis=2).astype(np.uint8)


def bands(array: NDArray[np.uint8], rows: int = 100) -> Iterator[NDArray[np.uint8]]:
    for start in range(0, len(array), rows):
        yield array[start : start + rows]


def save(path: Path, array: NDArray[np.uint8], **options: object) -> int:
    height, width, channels = array.shape
    return save_bands(path, bands(array), width=width, height=height, channels=channels, **options)  # type: ignore[arg-type]


def whole(source: Source) -> NDArray[np.uint8]:
    return source.rows(0, source.height)


def check_every_way_of_reading(source: Source, array: NDArray[np.uint8]) -> None:
    assert (source.height, source.width, source.channels) == array.shape
    for start, stop in ((0, 200), (150, 300), (300, 553), (297, 553), (0, 10), (400, 401)):
        rows = source.rows(start, stop)
        assert rows.dtype == np.uint8
        np.testing.assert_array_equal(rows, array[start:stop])


@pytest.mark.parametrize("channels", [1, 2, 3, 4])
@pytest.mark.parametrize("suffix", LOSSLESS)
@pytest.mark.parametrize("large", [0, 10**9], ids=["streamed", "held"])
def test_files_round_trip(tmp_path: Path, channels: int, suffix: str, large: int) -> None:
    if suffix == "webp" and channels < 3:
        pytest.skip("WebP has no grey")
    array, path = picture(channels), tmp_path / f"p.{suffix}"
    assert save(path, array, large=large) == path.stat().st_size
    if suffix != "pam":
        check_every_way_of_reading(open_source(path, large=10**9), array)
    check_every_way_of_reading(open_source(path, large=0), array)


@pytest.mark.parametrize("shape", [(5, 7), (5, 7, 2), (5, 7, 3), (1, 10**6)])
def test_numpy_files_are_those_that_numpy_writes(tmp_path: Path, shape: tuple[int, ...]) -> None:
    array = np.arange(np.prod(shape)).astype(np.uint8).reshape(shape)
    np.save(tmp_path / "theirs.npy", array)
    save(tmp_path / "ours.npy", array.reshape(*shape[:2], -1))
    assert (tmp_path / "ours.npy").read_bytes() == (tmp_path / "theirs.npy").read_bytes()


@pytest.mark.parametrize("array", [picture(1)[..., 0], picture(3)], ids=["grey", "colour"])
def test_arrays_and_images_are_sources(array: NDArray[np.uint8], tmp_path: Path) -> None:
    expected = array.reshape(553, 301, -1)
    check_every_way_of_reading(ArraySource(array), expected)
    check_every_way_of_reading(PillowSource(Image.fromarray(array)), expected)
    np.save(tmp_path / "a.npy", array)
    check_every_way_of_reading(as_source(np.load(tmp_path / "a.npy", mmap_mode="r")), expected)


def test_as_source_leaves_sources_alone() -> None:
    source = ArraySource(picture(3))
    assert as_source(source) is source
    with pytest.raises(UnsupportedImageError, match="list is not a picture"):
        as_source([1, 2])


@pytest.mark.parametrize("suffix", ["pgm", "ppm", "pnm"])
def test_netpbm_files_are_what_others_read(tmp_path: Path, suffix: str) -> None:
    array, path = picture(1 if suffix == "pgm" else 3), tmp_path / f"p.{suffix}"
    save(path, array)
    with Image.open(path) as image:
        np.testing.assert_array_equal(np.asarray(image).reshape(array.shape), array)
    check_every_way_of_reading(open_source(path), array)


def test_netpbm_headers_with_comments(tmp_path: Path) -> None:
    path = tmp_path / "p.ppm"
    path.write_bytes(b"P6\n# by hand\n 2 # width\n1\n255\nabcdef")
    assert whole(open_source(path)).tobytes() == b"abcdef"


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"", "not a picture"),
        (b"no picture at all", "not a picture"),
        (b"P6 4 4 255\nabc", "cut off"),
        (b"P6 4", "damaged"),
        (b"P6 1 1 65535\nabcdef", "0 .. 65535"),
        (b"P7\nWIDTH 2\n", "damaged"),
        (b"P6 0 3 255\n", "empty"),
        (b"\x93NUMPY\x01\x00\x05\x00xxxxx", "damaged"),
    ],
)
def test_what_is_no_picture_is_refused(tmp_path: Path, content: bytes, reason: str) -> None:
    path = tmp_path / "p.bin"
    path.write_bytes(content)
    with pytest.raises(UnsupportedImageError, match=reason):
        open_source(path)


@pytest.mark.parametrize("large", [0, 10**9], ids=["streamed", "held"])
@pytest.mark.parametrize("suffix", ["png", "jpg", "tif"])
def test_truncated_pictures_are_refused(tmp_path: Path, suffix: str, large: int) -> None:
    path = tmp_path / f"p.{suffix}"
    save(path, picture(3))
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    with pytest.raises(UnsupportedImageError):
        whole(open_source(path, large=large))


def test_the_limit_is_ours_not_pillows(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    save(tmp_path / "p.png", picture(3))
    save(tmp_path / "p.tif", picture(3))
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 1000)
    for name in ("p.png", "p.tif"):
        np.testing.assert_array_equal(whole(open_source(tmp_path / name, large=0)), picture(3))
    (tmp_path / "huge.ppm").write_bytes(b"P6 16777217 1 255\n")
    with pytest.raises(LimitError, match="16777217x1"):
        open_source(tmp_path / "huge.ppm")


@pytest.mark.parametrize("large", [0, 10**9], ids=["streamed", "held"])
@pytest.mark.parametrize("channels", [1, 2, 3, 4])
def test_an_upright_tiff_and_its_orientation(tmp_path: Path, channels: int, large: int) -> None:
    """The pixels turned and no orientation left, or the pixels as stored and the orientation kept."""
    array = picture(channels)
    exif = Image.Exif()
    exif[0x0112] = 6
    Image.fromarray(array.squeeze()).save(tmp_path / "p.tif", exif=exif)
    source = open_source(tmp_path / "p.tif", large=large)
    kept = Image.Exif()
    kept.load(source.metadata.get("exif", b""))
    turned = 0x0112 not in kept
    np.testing.assert_array_equal(whole(source), np.rot90(array, -1) if turned else array)


@pytest.mark.parametrize("suffix", ["png", "jpg", "webp", "tif"])
def test_metadata_survive(tmp_path: Path, suffix: str) -> None:
    path = tmp_path / f"p.{suffix}"
    exif = Image.Exif()
    exif[0x010F] = "A camera"
    save(path, picture(3), metadata={"exif": exif.tobytes()[6:], "xmp": b"<x/>"})
    for large in (0, 10**9):
        metadata = open_source(path, large=large).metadata
        assert metadata["xmp"] == b"<x/>"
        kept = Image.Exif()
        kept.load(metadata["exif"])
        assert kept[0x010F] == "A camera"


@pytest.mark.parametrize(
    ("name", "channels", "error"),
    [
        ("p.jpg", 4, UnsupportedImageError),
        ("p.ppm", 2, UnsupportedImageError),
        ("p.ppm", 1, UnsupportedImageError),
        ("p.bmp", 4, UnsupportedImageError),
        ("p.xyz", 3, UnsupportedImageError),
        ("p", 3, UnsupportedImageError),
    ],
)
def test_formats_that_cannot_hold_it(tmp_path: Path, name: str, channels: int, error: type[Exception]) -> None:
    with pytest.raises(error):
        save(tmp_path / name, picture(channels))
    assert list(tmp_path.iterdir()) == []


def test_too_large_for_the_format(tmp_path: Path) -> None:
    with pytest.raises(LimitError, match="65500"):
        save_bands(tmp_path / "p.jpg", iter(()), width=70_000, height=1, channels=3)
    with pytest.raises(LimitError, match="standard output"):
        save_bands("-", iter(()), width=20, height=20, channels=3, format="tif", large=0)


def breaking(array: NDArray[np.uint8]) -> Iterator[NDArray[np.uint8]]:
    yield array[:100]
    raise KeyboardInterrupt


@pytest.mark.parametrize("large", [0, 10**9], ids=["streamed", "held"])
@pytest.mark.parametrize("suffix", ["png", "tif", "npy"])
def test_nothing_is_left_of_an_interrupted_file(tmp_path: Path, suffix: str, large: int) -> None:
    path = tmp_path / f"p.{suffix}"
    path.write_bytes(b"what was there")
    with pytest.raises(KeyboardInterrupt):
        save_bands(path, breaking(picture(3)), width=301, height=553, channels=3, force=True, large=large)
    assert path.read_bytes() == b"what was there"
    assert list(tmp_path.iterdir()) == [path]


@pytest.mark.parametrize("large", [0, 10**9], ids=["streamed", "held"])
@pytest.mark.parametrize("change", [lambda a: a[:-1], lambda a: a[:, :-1], lambda a: np.concatenate([a, a[:1]])])
def test_bands_that_do_not_add_up(tmp_path: Path, change: object, large: int) -> None:
    array = picture(3)
    wrong = change(array)  # type: ignore[operator]
    for suffix in ("png", "tif"):
        with pytest.raises(ValueError, match="band"):
            save_bands(tmp_path / f"p.{suffix}", bands(wrong), width=301, height=553, channels=3, large=large)
    assert list(tmp_path.iterdir()) == []


def test_nothing_is_replaced_unasked(tmp_path: Path) -> None:
    path = tmp_path / "p.png"
    save(path, picture(3))
    before = path.read_bytes()
    with pytest.raises(OutputExistsError, match="--force"):
        save(path, picture(1))
    assert path.read_bytes() == before
    save(path, picture(1), force=True)
    assert open_source(path).channels == 1


def test_a_file_made_meanwhile_is_not_replaced(tmp_path: Path) -> None:
    path = tmp_path / "p.bin"

    def write() -> None:
        with atomic(path) as partial:
            partial.write_bytes(b"ours")
            path.write_bytes(b"theirs")

    with pytest.raises(OutputExistsError):
        write()
    assert path.read_bytes() == b"theirs"
    assert list(tmp_path.iterdir()) == [path]


def test_links_are_followed_and_rights_are_the_usual(tmp_path: Path) -> None:
    target, link, plain = tmp_path / "t.bin", tmp_path / "l.bin", tmp_path / "plain"
    target.write_bytes(b"old")
    plain.touch()
    link.symlink_to(target)
    with atomic(link, force=True) as partial:
        partial.write_bytes(b"new")
    assert link.is_symlink()
    assert target.read_bytes() == b"new"
    assert target.stat().st_mode == plain.stat().st_mode
