"""`collage encode` and `collage decode`: names, folders, pipes, failures, exit codes."""

import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from tiny_model import scene

import collagecodec
from collagecodec.cli.main import run

ENCODE = ("encode", "--model", "tiny", "--effort", "0")
COMMAND = (sys.executable, "-m", "collagecodec.cli.main")

pytestmark = pytest.mark.usefixtures("tiny_model")


@pytest.fixture(autouse=True)
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    Image.fromarray(scene(61, 83)).save("photo.png")
    return tmp_path


def pixels(path: str) -> np.ndarray:
    with Image.open(path) as image:
        return np.asarray(image)


def names(folder: str = ".") -> list[str]:
    return sorted(str(path.relative_to(folder)) for path in Path(folder).rglob("*") if path.is_file())


def test_there_and_back_under_default_names(capsys: pytest.CaptureFixture[str]) -> None:
    assert run([*ENCODE, "photo.png"]) == 0
    assert names() == ["photo.clg", "photo.png"]
    assert run(["decode", "photo.clg"]) == 0
    np.testing.assert_array_equal(pixels("photo.decoded.png"), collagecodec.read("photo.clg"))
    said = capsys.readouterr()
    assert said.out == ""
    assert "photo.png -> photo.clg: " in said.err


def test_nothing_is_replaced_without_force(capsys: pytest.CaptureFixture[str]) -> None:
    before = Path("photo.png").read_bytes()
    assert run([*ENCODE, "photo.png"]) == 0
    assert run(["decode", "photo.clg"]) == 0
    assert run(["decode", "photo.clg"]) == 1
    assert "photo.clg: photo.decoded.png exists already" in capsys.readouterr().err
    assert run(["decode", "-f", "photo.clg"]) == 0
    assert Path("photo.png").read_bytes() == before


def test_quality_and_size_are_passed_on() -> None:
    assert run([*ENCODE, "-q", "20", "-o", "low.clg", "photo.png"]) == 0
    assert run([*ENCODE, "-q", "90", "-o", "high.clg", "photo.png"]) == 0
    assert Path("low.clg").stat().st_size < Path("high.clg").stat().st_size
    limit = Path("high.clg").stat().st_size - 50
    assert run([*ENCODE, "--max-bytes", str(limit), "-o", "sized.clg", "photo.png"]) == 0
    assert Path("sized.clg").stat().st_size <= limit


@pytest.mark.parametrize(
    ("options", "size"),
    [
        (["--scale", "2"], (166, 122)),
        (["--scale", "1/2"], (42, 31)),
        (["--scale", "0.5"], (42, 31)),
        (["--size", "20x10"], (20, 10)),
        (["--region", "10,20,30,40"], (30, 40)),
        (["--region", "10,20,30,40", "--scale", "2", "--fast"], (60, 80)),
    ],
)
def test_scales_sizes_and_regions(options: list[str], size: tuple[int, int]) -> None:
    assert run([*ENCODE, "photo.png"]) == 0
    assert run(["decode", *options, "-o", "out.tif", "photo.clg"]) == 0
    with Image.open("out.tif") as image:
        assert image.format == "TIFF"
        assert image.size == size


@pytest.mark.parametrize(
    "arguments",
    [
        ["decode", "--scale", "0", "photo.clg"],
        ["decode", "--scale", "1/0", "photo.clg"],
        ["decode", "--scale", "nan", "photo.clg"],
        ["decode", "--size", "20", "photo.clg"],
        ["decode", "--size", "0x4", "photo.clg"],
        ["decode", "--region", "1,2,3", "photo.clg"],
        ["decode", "--region", "1,2,0,3", "photo.clg"],
        ["decode", "--scale", "2", "--size", "4x4", "photo.clg"],
        ["decode", "--format", "xyz", "photo.clg"],
        ["decode", "-o", "out.xyz", "photo.clg"],
        ["decode", "-o", "{nothing}.png", "photo.clg"],
        ["decode", "--max-pixels", "none", "photo.clg"],
        ["encode", "-o", "photo.jpg", "photo.png"],
        ["encode", "-f", "-o", "photo.png", "photo.png"],
        ["encode", "-o", "both.clg", "photo.png", "other.png"],
        ["encode", "--range", "5,5", "photo.png"],
        ["encode", "--convert", "XYZ", "photo.png"],
        ["encode", "--quality", "101", "photo.png"],
        ["encode", "--quality", "50", "--bpp", "1", "photo.png"],
        ["encode", "--max-bytes", "0", "photo.png"],
        ["encode", "-o", "-", "photo.png", "other.png"],
        ["encode", "*.nothing"],
        ["encode"],
        ["unheard-of"],
    ],
)
def test_wrong_usage_is_2_and_does_nothing(arguments: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert run(arguments) == 2
    assert "Usage" in capsys.readouterr().err
    assert names() == ["photo.png"]


def test_a_failure_does_not_stop_the_others(capsys: pytest.CaptureFixture[str]) -> None:
    Path("bad.png").write_bytes(b"no picture")
    Path("late.png").write_bytes(Path("photo.png").read_bytes())
    assert run([*ENCODE, "bad.png", "missing.png", "photo.png", "late.png"]) == 1
    lines = capsys.readouterr().err.splitlines()
    assert [line for line in lines if line.startswith("collage: bad.png: ")]
    assert [line for line in lines if line.startswith("collage: missing.png: No such file")]
    assert "2 of 4 files failed" in lines[-1]
    assert names() == ["bad.png", "late.clg", "late.png", "photo.clg", "photo.png"]


@pytest.mark.parametrize("content", [b"", b"not a picture", b"\x89PNG\r\n\x1a\n", b"\x8fCLG\r\n\x1a\n\x01"])
def test_what_is_no_clg_file_is_one_line(content: bytes, capsys: pytest.CaptureFixture[str]) -> None:
    Path("bad.clg").write_bytes(content)
    assert run(["decode", "bad.clg"]) == 1
    assert run(["info", "bad.clg"]) == 1
    said = capsys.readouterr()
    assert said.out == ""
    assert len(said.err.splitlines()) == 2
    assert names() == ["bad.clg", "photo.png"]


def test_a_damaged_tile(capsys: pytest.CaptureFixture[str]) -> None:
    assert run([*ENCODE, "photo.png"]) == 0
    data = bytearray(Path("photo.clg").read_bytes())
    data[-9] ^= 0x55
    Path("photo.clg").write_bytes(data)
    assert run(["decode", "-o", "out.png", "photo.clg"]) == 1
    assert names() == ["photo.clg", "photo.png"]
    assert run(["decode", "--tolerate-damage", "-o", "out.png", "photo.clg"]) == 0
    assert "damaged: tile" in capsys.readouterr().err
    assert pixels("out.png").shape == (61, 83, 3)


def test_folders_keep_their_shape() -> None:
    Path("in/deep").mkdir(parents=True)
    for name in ("in/a.png", "in/deep/b.png"):
        Path(name).write_bytes(Path("photo.png").read_bytes())
    Path("in/notes.txt").write_text("no picture")
    assert run([*ENCODE, "-o", "flat/", "in"]) == 0
    assert names("flat") == ["a.clg"]
    assert run([*ENCODE, "-r", "-o", "all/", "in"]) == 0
    assert names("all") == ["a.clg", "deep/b.clg"]
    assert run(["decode", "-r", "--format", "npy", "-o", "back", "all"]) == 0
    assert names("back") == ["a.npy", "deep/b.npy"]


def test_wildcards_are_expanded() -> None:
    Path("other.png").write_bytes(Path("photo.png").read_bytes())
    assert run([*ENCODE, "*.png"]) == 0
    assert names() == ["other.clg", "other.png", "photo.clg", "photo.png"]


def test_two_inputs_of_one_name_are_refused(capsys: pytest.CaptureFixture[str]) -> None:
    Image.fromarray(scene(5, 5)).save("photo.bmp")
    assert run([*ENCODE, "photo.png", "photo.bmp"]) == 2
    assert "both be written to photo.clg" in capsys.readouterr().err
    assert run([*ENCODE, "-o", "{stem}-{suffix}-{number}.clg", "photo.png", "photo.bmp"]) == 0
    assert names() == ["photo-bmp-2.clg", "photo-png-1.clg", "photo.bmp", "photo.png"]


def test_json_has_the_figures(capsys: pytest.CaptureFixture[str]) -> None:
    Path("bad.png").write_bytes(b"no picture")
    assert run([*ENCODE, "--json", "photo.png", "bad.png"]) == 1
    good, bad = map(json.loads, capsys.readouterr().out.splitlines())
    size = Path("photo.clg").stat().st_size
    assert (good["bytes"], good["width"], good["height"]) == (size, 83, 61)
    assert good["bpp"] == round(8 * size / (83 * 61), 4)
    error = np.square(pixels("photo.png").astype(float) - collagecodec.read("photo.clg")).mean()
    assert good["psnr"] == pytest.approx(10 * np.log10(255**2 / error), abs=0.001)
    assert bad["input"] == "bad.png"
    assert "not a picture" in bad["error"]
    assert run(["decode", "--json", "-o", "out.png", "photo.clg"]) == 0
    assert json.loads(capsys.readouterr().out)["output"] == "out.png"


@pytest.mark.parametrize("channels", [1, 2, 4])
def test_other_modes_and_metadata(channels: int) -> None:
    image = Image.fromarray(scene(40, 30, channels))
    exif = Image.Exif()
    exif[0x010F] = "A camera"
    image.save("mode.png", exif=exif)
    assert run([*ENCODE, "mode.png"]) == 0
    assert run(["decode", "-o", "out.png", "mode.clg"]) == 0
    with Image.open("out.png") as decoded:
        assert decoded.mode == image.mode
        assert decoded.getexif()[0x010F] == "A camera"
        if channels != 1:
            np.testing.assert_array_equal(np.asarray(decoded)[..., -1], np.asarray(image)[..., -1])


def test_several_processes_make_the_same_files() -> None:
    for number in range(3):
        Image.fromarray(scene(40, 40, seed=number)).save(f"p{number}.png")
    Path("p3.png").write_bytes(b"no picture")
    inputs = [f"p{number}.png" for number in range(4)]
    assert run([*ENCODE, "--jobs", "2", "-o", "two/", *inputs]) == 1
    assert run([*ENCODE, "-o", "one/", *inputs]) == 1
    assert names("two") == names("one") == ["p0.clg", "p1.clg", "p2.clg"]
    for name in names("one"):
        assert Path("one", name).read_bytes() == Path("two", name).read_bytes()


def test_pipes() -> None:
    picture = Path("photo.png").read_bytes()
    encoded = subprocess.run([*COMMAND, *ENCODE, "-"], input=picture, capture_output=True, check=True).stdout
    assert run([*ENCODE, "photo.png"]) == 0
    assert encoded == Path("photo.clg").read_bytes()
    decoded = subprocess.run([*COMMAND, "decode", "-"], input=encoded, capture_output=True, check=True).stdout
    Path("piped.png").write_bytes(decoded)
    np.testing.assert_array_equal(pixels("piped.png"), collagecodec.read("photo.clg"))


def test_empty_standard_input_is_an_error() -> None:
    for command in (ENCODE, ("decode",)):
        result = subprocess.run([*COMMAND, *command, "-"], input=b"", capture_output=True)
        assert result.returncode == 1
        assert result.stdout == b""
        assert b"empty" in result.stderr
        assert b"Traceback" not in result.stderr


def test_decoding_imports_only_what_it_needs() -> None:
    assert run([*ENCODE, "photo.png"]) == 0
    program = (
        "import sys; from collagecodec.cli.main import run; run(['decode', 'photo.clg']);"
        "print([m for m in ('torch', 'scipy', 'pyvips', 'lightning_fabric') if m in sys.modules])"
    )
    result = subprocess.run([sys.executable, "-c", program], check=True, capture_output=True, text=True)
    assert result.stdout == "[]\n"


def test_traceback_is_for_those_who_ask(capsys: pytest.CaptureFixture[str]) -> None:
    Path("bad.clg").write_bytes(b"not a picture")
    assert run(["--traceback", "decode", "bad.clg"]) == 1
    assert "Traceback" in capsys.readouterr().err


def test_the_output_may_be_a_device() -> None:
    assert run([*ENCODE, "-o", os.devnull, "photo.png"]) == 0
    assert not Path(os.devnull).is_file()


def test_a_fourth_channel_that_is_no_alpha(capsys: pytest.CaptureFixture[str]) -> None:
    noise = np.random.default_rng(1).integers(0, 256, (40, 50, 4), np.uint8)
    np.save("four.npy", noise)
    assert run([*ENCODE, "four.npy"]) == 1
    assert "--alpha" in capsys.readouterr().err
    assert run([*ENCODE, "--alpha", "--json", "four.npy"]) == 0
    assert collagecodec.info(Path("four.clg").read_bytes()).mode == "RGBA"
    np.testing.assert_array_equal(collagecodec.read("four.clg")[..., 3], noise[..., 3])
