"""What a new user runs into: names that could hurt, surprising results, pictures that must be converted first."""

import xml.etree.ElementTree as ET
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner
from PIL import Image, ImageCms
from tiny_model import scene

import collagecodec
from bitstream.container import MAGIC
from collagecodec.cli.main import group, run

ENCODE = ("encode", "--codec", "dct")


@pytest.fixture(autouse=True)
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    Image.fromarray(scene(61, 83)).save("photo.png")
    return tmp_path


def said(capsys: pytest.CaptureFixture[str]) -> str:
    return capsys.readouterr().err


def test_a_clg_file_is_not_encoded_onto_itself(capsys: pytest.CaptureFixture[str]) -> None:
    assert run([*ENCODE, "photo.png"]) == 0
    before = Path("photo.clg").read_bytes()
    assert run([*ENCODE, "-f", "photo.clg"]) == 2
    assert "replaced by what is made from it" in said(capsys)
    assert Path("photo.clg").read_bytes() == before
    assert run([*ENCODE, "-o", "again.clg", "photo.clg"]) == 0
    assert "note: photo.clg was a lossy copy already" in said(capsys)


def test_a_result_larger_than_its_source_is_said(capsys: pytest.CaptureFixture[str]) -> None:
    Image.fromarray(scene(200, 200)[..., 0] > 100).save("scan.tif", compression="group4")
    assert run([*ENCODE, "--quality", "90", "scan.tif"]) == 0
    size = Path("scan.tif").stat().st_size
    assert f"note: larger than scan.tif ({size} bytes)" in said(capsys)
    assert run([*ENCODE, "photo.png"]) == 0
    assert "note" not in said(capsys)


@pytest.mark.usefixtures("tiny_model")
def test_a_rate_beyond_the_finest_quality_makes_the_file_of_that_quality() -> None:
    picture = scene(64, 64)
    finest = collagecodec.encode(picture, model="tiny", effort=0, quality=100)
    assert collagecodec.encode(picture, model="tiny", effort=0, bpp=60) == finest


def test_a_dry_run_writes_nothing(capsys: pytest.CaptureFixture[str]) -> None:
    assert run([*ENCODE, "-n", "-o", "deep/er/photo.clg", "photo.png"]) == 0
    assert "photo.png -> deep/er/photo.clg: 83x61, not written" in said(capsys)
    assert run([*ENCODE, "photo.png"]) == 0
    assert run(["decode", "-n", "--scale", "2", "photo.clg"]) == 0
    assert "photo.clg -> photo.decoded.png: 166x122, not written" in said(capsys)
    assert sorted(path.name for path in Path().rglob("*")) == ["photo.clg", "photo.png"]


def test_verbose_says_how(capsys: pytest.CaptureFixture[str]) -> None:
    assert run([*ENCODE, "-v", "--set", "step=20", "photo.png"]) == 0
    assert "codec dct, step 20, " in said(capsys)


def test_gigapixels_are_not_written_by_accident(capsys: pytest.CaptureFixture[str]) -> None:
    assert run([*ENCODE, "photo.png"]) == 0
    assert run(["decode", "--scale", "1000", "photo.clg"]) == 1
    assert "83000x61000 pixels is over the limit" in said(capsys)
    assert run(["decode", "--scale", "2", "--max-pixels", "20251", "photo.clg"]) == 1
    assert "--limit-pixels 20252" in said(capsys)
    assert run(["decode", "--scale", "2", "--max-pixels", "20252", "photo.clg"]) == 0


def test_a_page_is_chosen(capsys: pytest.CaptureFixture[str]) -> None:
    pages = [Image.fromarray(scene(40, 50, seed=seed)) for seed in range(3)]
    pages[0].save("scan.tif", save_all=True, append_images=pages[1:])
    pages[0].save("film.gif", save_all=True, append_images=pages[1:])
    assert run([*ENCODE, "scan.tif"]) == 1
    assert "choose one of them with page=1 (--page 1)" in said(capsys)
    assert run([*ENCODE, "--page", "4", "scan.tif"]) == 1
    assert "3 pages, and page 4" in said(capsys)
    for name in ("scan.tif", "film.gif"):
        for number, page in enumerate(pages, 1):
            assert run([*ENCODE, "-q", "90", "--page", str(number), "-f", "-o", "p.clg", name]) == 0
            error = collagecodec.read("p.clg").astype(int) - np.asarray(page)
            assert np.abs(error).mean() < 6


def test_colours_are_converted(capsys: pytest.CaptureFixture[str]) -> None:
    picture = Image.fromarray(scene(40, 50))
    lab = ImageCms.buildTransform(ImageCms.createProfile("sRGB"), ImageCms.createProfile("LAB"), "RGB", "LAB")
    ImageCms.applyTransform(picture, lab).save("lab.tif")
    picture.convert("CMYK").save("cmyk.tif")
    for name in ("lab.tif", "cmyk.tif"):
        assert run([*ENCODE, name]) == 1
        assert 'convert="RGB" (--convert RGB)' in said(capsys)
        assert run([*ENCODE, "-q", "90", "--convert", "RGB", "-f", "-o", "p.clg", name]) == 0
        assert np.abs(collagecodec.read("p.clg").astype(int) - np.asarray(picture)).mean() < 4
    picture.quantize(16).save("palette.png")
    assert run([*ENCODE, "--convert", "L", "-f", "-o", "p.clg", "palette.png"]) == 0
    assert collagecodec.read("p.clg").shape == (40, 50)


def test_sixteen_bits_are_scaled(capsys: pytest.CaptureFixture[str]) -> None:
    deep = scene(40, 50)[..., 0].astype(np.uint16) * 7 + 300
    Image.fromarray(deep).save("deep.png")
    assert run([*ENCODE, "-v", "-q", "95", "--to-8bit", "deep.png"]) == 0
    low, high = deep.min(), deep.max()
    assert f"{low} to {high} became 0 to 255" in said(capsys)
    expected = (deep - float(low)) * 255 / (high - low)
    assert np.abs(collagecodec.read("deep.clg") - expected).mean() < 2
    assert run([*ENCODE, "-q", "95", "--range", "0,4095", "-o", "range.clg", "deep.png"]) == 0
    assert np.abs(collagecodec.read("range.clg") - deep * 255.0 / 4095).mean() < 1


def test_python_takes_what_the_command_takes() -> None:
    deep = scene(40, 50).astype(np.uint16) * 9
    data = collagecodec.encode(deep, codec="dct", to_8bit=True)
    assert collagecodec.info(data).mode == "RGB"
    grey = collagecodec.encode(scene(40, 50), codec="dct", convert="L")
    assert collagecodec.info(grey).mode == "L"
    with pytest.raises(ValueError, match="converted to one of"):
        collagecodec.encode(scene(4, 4), convert="CMYK")  # type: ignore[arg-type]


def test_files_come_as_bytes_paths_and_streams() -> None:
    content = Path("photo.png").read_bytes()
    with Path("photo.png").open("rb") as stream:
        made = {
            collagecodec.encode(file, codec="dct") for file in ("photo.png", Path("photo.png"), content, stream)
        }
    assert len(made) == 1
    data = made.pop()
    Path("photo.clg").write_bytes(data)
    with Path("photo.clg").open("rb") as stream:
        pictures = [collagecodec.decode(file) for file in ("photo.clg", Path("photo.clg"), data, stream)]
    assert len({picture.tobytes() for picture in pictures}) == 1
    assert collagecodec.info("photo.clg") == collagecodec.info(data)
    with pytest.raises(TypeError, match="a list is not a file"):
        collagecodec.decode([1, 2])  # type: ignore[arg-type]


def test_errors_for_files_and_libraries_are_at_the_top() -> None:
    with pytest.raises(collagecodec.OutputExistsError):
        collagecodec.write("photo.png", scene(4, 4))
    assert issubclass(collagecodec.MissingLibraryError, collagecodec.CollageError)


def test_the_desktop_learns_the_format(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    home = tmp_path / "share"
    assert run(["install-desktop", "--data-home", str(home)]) == 0
    kind = ET.parse(home / "mime" / "packages" / "collage.xml").getroot()[0]
    assert kind.attrib["type"] == Image.MIME["CLG"] == "image/vnd.collage"
    magic = kind.find(".//{*}match")
    assert magic is not None
    assert magic.attrib["value"].encode().decode("unicode_escape").encode("latin-1") == MAGIC
    lines = (home / "thumbnailers" / "collage.thumbnailer").read_text().splitlines()
    command = next(line for line in lines if line.startswith("Exec=")).removeprefix("Exec=collage ")
    assert run([*ENCODE, "photo.png"]) == 0
    arguments = command.replace("%s", "32").replace("%o", "small.png").replace("%i", "photo.clg").split()
    assert run(arguments) == 0
    with Image.open("small.png") as small:
        assert small.size == (32, 24)
    assert run(["install-desktop", "--data-home", str(home), "--remove"]) == 0
    assert not (home / "thumbnailers" / "collage.thumbnailer").exists()


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_shells_complete(shell: str) -> None:
    script = CliRunner().invoke(group, ["completion", shell], standalone_mode=False)
    assert "_COLLAGE_COMPLETE" in script.output
    asked = {"_COLLAGE_COMPLETE": "bash_complete", "COMP_WORDS": "collage enc", "COMP_CWORD": "1"}
    answer = CliRunner().invoke(group, [], env=asked, prog_name="collage")
    assert "encode" in answer.output
