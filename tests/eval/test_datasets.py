import math
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from scenes import scene

from eval.harness.datasets import DataError, centre, default_root, open_set


def test_a_folder(folder: Path) -> None:
    dataset = open_set(str(folder))
    assert [picture.name for picture in dataset.pictures] == ["a.png", "b.png", "c.png"]
    assert dataset.notices == ()
    assert np.array_equal(dataset.pictures[1].load(), scene(1))
    assert (dataset.pictures[0].width, dataset.pictures[0].height) == (96, 64)
    assert len(open_set(str(folder), limit=2).pictures) == 2


def test_two_pictures_of_one_name(folder: Path) -> None:
    (folder / "more").mkdir()
    Image.fromarray(scene(7)).save(folder / "more" / "a.png")
    Image.fromarray(scene(8)).save(folder / "b.bmp")
    dataset = open_set(str(folder))
    names = [picture.name for picture in dataset.pictures]
    assert names == ["a.png", "b.bmp", "b.png", "c.png", "more/a.png"]
    assert [notice for notice in dataset.notices if "named a" in notice or "named b" in notice] == list(
        dataset.notices
    )
    assert len(dataset.notices) == 2


def test_duplicate_pixels_are_reported(folder: Path) -> None:
    Image.fromarray(scene(0)).save(folder / "copy.png")
    assert any("copy.png has the same pixels" in notice for notice in open_set(str(folder)).notices)


def test_an_unreadable_picture_is_skipped_and_reported(folder: Path) -> None:
    (folder / "bad.png").write_bytes(b"no picture")
    torn = (folder / "a.png").read_bytes()
    (folder / "torn.png").write_bytes(torn[: len(torn) // 2])
    Image.fromarray(np.zeros((8, 8), np.uint16)).save(folder / "deep.png")
    dataset = open_set(str(folder))
    assert len(dataset.pictures) == 3
    assert [notice.split()[0] for notice in dataset.notices] == ["bad.png", "deep.png", "torn.png"]
    assert not any(str(folder) in notice for notice in dataset.notices)


@pytest.mark.parametrize("content", [None, b"", b"text"])
def test_nothing_to_measure(tmp_path: Path, content: bytes | None) -> None:
    if content is not None:
        (tmp_path / "x.png").write_bytes(content)
    with pytest.raises(DataError, match="no picture"):
        open_set(str(tmp_path))
    with pytest.raises(DataError, match="no folder"):
        open_set(str(tmp_path / "absent"))


def test_a_named_set_is_cropped_around_the_centre(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "dota" / "val").mkdir(parents=True)
    large = np.tile(np.arange(1300, dtype=np.uint16)[None, :, None] // 6, (1250, 1, 3)).astype(np.uint8)
    for number in range(11):
        Image.fromarray(large if number == 0 else scene(number)).save(
            tmp_path / "dota" / "val" / f"{number:02}.png"
        )
    monkeypatch.setenv("COLLAGE_DATA", str(tmp_path))
    assert default_root() == tmp_path
    dataset = open_set("dota-val")
    assert len(dataset.pictures) == 10
    assert (dataset.pictures[0].width, dataset.pictures[0].height) == (1200, 1200)
    assert np.array_equal(dataset.pictures[0].load(), large[25:1225, 50:1250])
    assert open_set("dota-val-full", tmp_path).pictures[0].width == 1300


@pytest.mark.parametrize(
    ("shape", "side", "expected"),
    [((5, 8), 3, (1, 2, 3, 3)), ((6, 3), 4, (1, 0, 4, 3)), ((4, 4), 4, (0, 0, 4, 4)), ((2, 3), 9, (0, 0, 2, 3))],
)
def test_the_centre_of_a_picture(shape: tuple[int, int], side: int, expected: tuple[int, int, int, int]) -> None:
    image = np.arange(math.prod(shape) * 3, dtype=np.uint8).reshape(*shape, 3)
    top, left, height, width = expected
    assert np.array_equal(centre(image, side), image[top : top + height, left : left + width])


def test_other_modes_become_rgb(tmp_path: Path) -> None:
    Image.fromarray(scene(1)).convert("LA").save(tmp_path / "grey.png")
    assert open_set(str(tmp_path)).pictures[0].load().shape == (64, 96, 3)
