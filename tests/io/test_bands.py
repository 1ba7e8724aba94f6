"""Two or four bands whose last is not alpha: bands of their own as a source, refused as a plain 8-bit picture."""

import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tifffile
from numpy.typing import NDArray
from PIL import Image
from skimage import data as images

from collagecodec.errors import UnsupportedImageError
from collagecodec.io import ArraySource, PillowSource, as_source, open_source, save_bands
from collagecodec.io.picture import to_array
from collagecodec.io.sources import alpha_of, needs_layers

WAYS_OUT = r"alpha=True \(--alpha\)"
Y, X = np.mgrid[:300, :320]
MASKS = {
    "opaque": np.full((300, 320), 255),
    "disk": np.where(np.hypot(Y - 150, X - 160) < 100, 255, 0),
    "antialiased disk": np.clip((100 - np.hypot(Y - 150, X - 160)) * 255 + 128, 0, 255),
    "fade": X * 255 // 319,
    "vignette": np.clip(255 - np.hypot(Y - 150, X - 160), 0, 255),
    "shadow": 255 * np.exp(-((Y - 150) ** 2 + (X - 160) ** 2) / 7200),
    # Noise, but only as many values as a mask may have.
    "dither": np.random.default_rng(1).integers(0, 64, (300, 320)) * 4,
}


def camera() -> NDArray[np.uint8]:
    """A photograph of (512, 512)."""
    picture: NDArray[np.uint8] = images.camera()  # type: ignore[no-untyped-call]
    return picture


def photo() -> NDArray[np.uint8]:
    """Four bands (300, 320, 4), each of which is a photograph."""
    colours = images.astronaut()[:300, :320]  # type: ignore[no-untyped-call]
    return np.ascontiguousarray(np.concatenate([colours, camera()[100:400, 100:420, None]], axis=2))


def masked(name: str) -> NDArray[np.uint8]:
    """The colours of `photo` with the mask `name`."""
    picture = photo()
    picture[..., 3] = MASKS[name].astype(np.uint8)
    return picture


@pytest.mark.parametrize("channels", [2, 4])
def test_an_array_with_a_picture_for_alpha_is_refused(channels: int) -> None:
    array = photo()[..., -channels:]
    with pytest.raises(UnsupportedImageError, match=f"last of the {channels} channels.*{WAYS_OUT}"):
        ArraySource(array)
    assert needs_layers(as_source(array))
    source = as_source(array, alpha=True)
    assert source.channels == channels
    np.testing.assert_array_equal(source.rows(0, 300), array)


@pytest.mark.parametrize("name", MASKS)
@pytest.mark.parametrize("colours", [1, 3])
def test_masks_and_soft_edges_are_alpha(name: str, colours: int) -> None:
    array = np.ascontiguousarray(masked(name)[..., 3 - colours :])
    np.testing.assert_array_equal(as_source(array).rows(0, 300), array)


@pytest.mark.parametrize("shape", [(40, 50), (1, 3000), (3000, 1)])
def test_small_and_narrow_pictures_are_judged_too(shape: tuple[int, int]) -> None:
    gravel = images.gravel()  # type: ignore[no-untyped-call]
    band = gravel[:60].reshape(-1)[: shape[0] * shape[1]].reshape(shape)
    assert needs_layers(as_source(np.stack([band, band], axis=2)))


def test_the_middle_decides() -> None:
    array = photo()
    array[22:278, 32:288, 3] = 255
    assert not needs_layers(as_source(array))
    array = masked("opaque")
    array[22:278, 32:288, 3] = camera()[:256, :256]
    assert needs_layers(as_source(array))


def test_sixty_five_values_are_too_many() -> None:
    noise = np.random.default_rng(1).integers(0, 65, (300, 320), np.uint8)
    assert needs_layers(as_source(np.stack([noise, noise], axis=2)))


def test_a_channel_that_is_said_to_be_no_alpha_is_a_band() -> None:
    assert needs_layers(as_source(masked("opaque"), alpha=False))
    assert as_source(photo()[..., :3], alpha=False).channels == 3


def test_numpy_files_are_judged_like_arrays(tmp_path: Path) -> None:
    path = tmp_path / "p.npy"
    np.save(path, photo())
    with pytest.raises(UnsupportedImageError, match=WAYS_OUT):
        open_source(path)
    np.testing.assert_array_equal(open_source(path, alpha=True).rows(0, 300), photo())
    np.save(path, masked("disk"))
    assert open_source(path).channels == 4


def pam(path: Path, array: NDArray[np.uint8], meaning: str) -> Path:
    height, width, channels = array.shape
    lines = f"P7\nWIDTH {width}\nHEIGHT {height}\nDEPTH {channels}\nMAXVAL 255\n{meaning}ENDHDR\n"
    path.write_bytes(lines.encode() + array.tobytes())
    return path


@pytest.mark.parametrize(
    ("channels", "meaning", "out"),
    [(4, "CMYK", "RGB_ALPHA"), (4, "RGBN", "RGB_ALPHA"), (2, "GRAYSCALE", "GRAYSCALE_ALPHA")],
)
def test_pam_files_say_what_their_channels_mean(tmp_path: Path, channels: int, meaning: str, out: str) -> None:
    array = masked("disk")[..., -channels:]
    path = pam(tmp_path / "p.pam", array, f"TUPLTYPE {meaning}\n")
    with pytest.raises(UnsupportedImageError, match=f"TUPLTYPE {meaning}: drop channels .* TUPLTYPE {out} if"):
        open_source(path)
    assert open_source(path, alpha=True).channels == channels
    # A mark is believed, whatever the channel looks like.
    marked = pam(tmp_path / "q.pam", photo()[..., -channels:], f"TUPLTYPE {out}\n")
    np.testing.assert_array_equal(open_source(marked).rows(0, 300), photo()[..., -channels:])


def test_pam_files_without_a_meaning_are_judged_like_arrays(tmp_path: Path) -> None:
    assert open_source(pam(tmp_path / "p.pam", masked("fade"), "")).channels == 4
    with pytest.raises(UnsupportedImageError, match=WAYS_OUT):
        open_source(pam(tmp_path / "q.pam", photo(), ""))
    assert open_source(pam(tmp_path / "r.pam", photo()[..., :3], "TUPLTYPE RGB\n")).channels == 3


def tiff(path: Path, array: NDArray[np.uint8], photometric: str, extra: tuple[int, ...]) -> Path:
    tifffile.imwrite(path, array, photometric=photometric, extrasamples=extra, planarconfig="contig")
    return path


@pytest.mark.parametrize(
    ("bands", "photometric", "extra", "alpha"),
    [(4, "rgb", (0,), False), (2, "minisblack", (0,), False), (5, "rgb", (0, 0), False),
     (5, "rgb", (0, 2), True), (4, "minisblack", (0, 0, 0), False), (4, "minisblack", (0, 0, 2), True)],
)  # fmt: skip
def test_tiff_files_with_other_bands_keep_them(
    tmp_path: Path, bands: int, photometric: str, extra: tuple[int, ...], alpha: bool, monkeypatch: Any
) -> None:
    pytest.importorskip("rasterio", reason="the extra geo is not installed")
    array = np.ascontiguousarray(np.concatenate([photo(), photo()], axis=2)[..., :bands])
    path = tiff(tmp_path / "p.tif", array, photometric, extra)
    source = open_source(path)
    layered = bands - alpha not in (1, 3)
    assert (source.channels, alpha_of(source), needs_layers(source)) == (bands, alpha, layered)
    valid = array[..., -1] > 0 if alpha else np.ones(array.shape[:2], bool)
    np.testing.assert_array_equal(
        source.rows(0, 300)[..., : bands - alpha][valid], array[..., : bands - alpha][valid]
    )
    monkeypatch.setitem(sys.modules, "rasterio", None)
    with pytest.raises(UnsupportedImageError, match=rf"{bands} bands .* drop .* mark .* alpha"):
        open_source(path)


@pytest.mark.parametrize("loaded", [False, True])
def test_an_opened_tiff_is_refused_too(tmp_path: Path, loaded: bool) -> None:
    path = tiff(tmp_path / "p.tif", photo(), "rgb", (0,))
    with Image.open(path) as image:
        if loaded:
            image.load()
        for read in (PillowSource, to_array):
            with pytest.raises(UnsupportedImageError, match="4 bands"):
                read(image)


def test_a_tiff_that_does_not_say_what_its_fourth_band_is(tmp_path: Path) -> None:
    path = tiff(tmp_path / "p.tif", photo(), "rgb", (2,))
    with tifffile.TiffFile(path) as file:
        offset = file.pages.first.tags[338].offset
    content = bytearray(path.read_bytes())
    # The tag becomes one that nobody reads; the entries stay sorted.
    content[offset : offset + 2] = (337).to_bytes(2, "little")
    path.write_bytes(content)
    with Image.open(path) as image, pytest.raises(UnsupportedImageError, match="4 bands"):
        PillowSource(image)


@pytest.mark.parametrize("large", [0, 10**9], ids=["streamed", "held"])
@pytest.mark.parametrize(("photometric", "bands"), [("rgb", 4), ("minisblack", 2)])
def test_a_tiff_that_marks_alpha_is_believed(tmp_path: Path, photometric: str, bands: int, large: int) -> None:
    array = np.ascontiguousarray(photo()[..., -bands:])
    path = tiff(tmp_path / "p.tif", array, photometric, (2,))
    np.testing.assert_array_equal(open_source(path, large=large).rows(0, 300), array)


@pytest.mark.parametrize("large", [0, 10**9], ids=["streamed", "held"])
@pytest.mark.parametrize("channels", [2, 4])
def test_our_own_tiff_files_mark_alpha(tmp_path: Path, channels: int, large: int) -> None:
    array = np.ascontiguousarray(photo()[..., -channels:])
    save_bands(tmp_path / "p.tif", [array], width=320, height=300, channels=channels, large=large)
    np.testing.assert_array_equal(open_source(tmp_path / "p.tif", large=large).rows(0, 300), array)


def test_padding_in_memory_is_dropped_and_a_fourth_band_refused() -> None:
    padded = Image.fromarray(photo()[..., :3]).convert("RGBX")
    np.testing.assert_array_equal(to_array(padded), photo()[..., :3])
    image = Image.frombytes("RGBX", (320, 300), photo().tobytes())
    with pytest.raises(UnsupportedImageError, match=r'convert\("RGB"\)'):
        to_array(image)
    # The way out that the message names.
    with_alpha = image.convert("RGB")
    with_alpha.putalpha(image.getchannel("X"))
    np.testing.assert_array_equal(to_array(with_alpha), photo())
