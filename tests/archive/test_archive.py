"""Collections: names, floors, resuming; a picture, a worker, a disk or a scheduler that fails."""

from __future__ import annotations

import json
import math
import os
import signal
import threading
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image
from tiny_model import scene

import collagecodec
from collagecodec.archive import manifest, pictures, report, run
from collagecodec.archive.manifest import DONE, FAILED, Row
from collagecodec.archive.ms_ssim import ms_ssim
from collagecodec.archive.places import Place
from collagecodec.archive.settings import Settings
from collagecodec.cli.main import run as collage

for library in ("distributed", "obstore", "pyarrow"):
    pytest.importorskip(library, reason="the extra archive is not installed")

DCT = Settings(codec="dct", quality=60)


@pytest.fixture
def source(tmp_path: Path) -> Place:
    """Five pictures in two folders, two of them of one stem, and a file that is none."""
    (tmp_path / "source" / "deep").mkdir(parents=True)
    for number, name in enumerate(("a.png", "b.png", "b.jpg", "deep/c.tif", "deep/d.png")):
        Image.fromarray(scene(60, 80, seed=number)).save(tmp_path / "source" / name)
    (tmp_path / "source" / "bad.png").write_bytes(b"no picture")
    (tmp_path / "source" / "notes.txt").write_text("no picture either")
    return Place(str(tmp_path / "source"))


@pytest.fixture
def archive(tmp_path: Path) -> Place:
    return Place(str(tmp_path / "archive"))


def files(place: Place) -> list[str]:
    return [entry.key for entry in place.objects() if not entry.key.startswith(manifest.FOLDER)]


def here(collection: run.Collection) -> list[Row]:
    """Store what is missing in this process."""
    tasks = collection.missing(collection.tasks())
    return pictures.store(tasks, collection.source, collection.archive, collection.settings) if tasks else []


def test_every_picture_has_a_row_and_a_file(source: Place, archive: Place) -> None:
    collection = run.Collection(source, archive, DCT)
    rows = {row.path: row for row in here(collection)}
    assert files(archive) == ["a.clg", "b.jpg.clg", "b.png.clg", "deep/c.clg", "deep/d.clg"]
    assert {path for path, row in rows.items() if row.status == FAILED} == {"bad.png"}
    assert "not a picture" in rows["bad.png"].error
    good = rows["deep/d.png"]
    data = archive.read("deep/d.clg")
    original = np.asarray(Image.open(Path(source.address, "deep/d.png")))
    error = np.square(collagecodec.decode(data).astype(float) - original).mean()
    assert good.psnr == pytest.approx(10 * math.log10(255**2 / error))
    assert (good.bytes, good.width, good.height) == (len(data), 80, 60)
    assert manifest.read(archive).keys() == rows.keys()


def test_only_what_is_missing_is_done_again(source: Place, archive: Place) -> None:
    collection = run.Collection(source, archive, DCT)
    here(collection)
    assert [task.source.key for task in collection.missing(collection.tasks())] == ["bad.png"]
    Image.fromarray(scene(60, 80, seed=9)).save(Path(source.address, "bad.png"))
    Image.fromarray(scene(60, 80, seed=8)).save(Path(source.address, "a.png"))
    assert [row.path for row in here(collection)] == ["a.png", "bad.png"]
    assert here(collection) == []
    other = run.Collection(source, archive, Settings(codec="dct", quality=80))
    assert len(other.missing(other.tasks())) == 6


@pytest.mark.parametrize("settings", [{"min_psnr": 38.0, "quality": 20.0}, {"ms_ssim": 0.99}, {"min_psnr": 52.0}])
def test_floors_hold(source: Place, archive: Place, settings: dict[str, Any]) -> None:
    rows = [row for row in here(run.Collection(source, archive, Settings(codec="dct", **settings))) if row.sha256]
    good = [row for row in rows if row.path != "bad.png"]
    assert len(good) == 5
    assert all(row.psnr >= settings.get("min_psnr", 0) for row in good)
    assert all(row.ms_ssim >= settings["ms_ssim"] for row in good if "ms_ssim" in settings)


def test_originals_have_a_place_of_their_own(source: Place) -> None:
    for address in (source.address, f"{source.address}/inside", str(Path(source.address).parent)):
        with pytest.raises(ValueError, match="lie in each other"):
            run.Collection(source, Place(address), DCT)
    assert not Place("s3://one/a").holds(Place("s3://one/ab"))
    assert Place("s3://one/a").holds(Place("s3://one/a/b"))


def test_a_full_disk_loses_nothing(source: Place, archive: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    write = Place.write
    left = [3]

    def full(self: Place, key: str, content: bytes) -> None:
        left[0] -= 1
        if left[0] < 0:
            raise OSError(28, "No space left on device")
        write(self, key, content)

    monkeypatch.setattr(Place, "write", full)
    rows = here(run.Collection(source, archive, DCT))
    # The manifest did not fit either: no picture counts as done.
    assert {row.status for row in rows} == {FAILED}
    assert any("No space left" in row.error for row in rows)
    monkeypatch.setattr(Place, "write", write)
    again = here(run.Collection(source, archive, DCT))
    assert sorted(row.path for row in again if row.status == DONE) == [
        "a.png", "b.jpg", "b.png", "deep/c.tif", "deep/d.png",
    ]  # fmt: skip


def test_errors_of_places_are_one_line(tmp_path: Path, source: Place) -> None:
    (tmp_path / "taken").write_text("a file where a folder should be")
    with pytest.raises(OSError, match="taken") as caught:
        Place(str(tmp_path / "taken" / "deeper")).write("a.clg", b"x")
    assert "\n" not in str(caught.value)
    with pytest.raises(OSError, match="nothing"):
        source.read("nothing.png")


def test_a_killed_worker_costs_nothing(source: Place, archive: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    from distributed import Client

    killed: list[int] = []
    original = Client.submit

    def watched(self: Client, *arguments: Any, **options: Any) -> Any:
        if not killed:
            killed.append(next(iter(self.run(os.getpid).values())))
            threading.Timer(0.05, os.kill, (killed[0], signal.SIGKILL)).start()
        return original(self, *arguments, **options)

    monkeypatch.setattr(Client, "submit", watched)
    rows = run.archive(run.Collection(source, archive, DCT, batch=2), jobs=1)
    assert killed
    assert sorted((row.path, row.status) for row in rows) == [
        ("a.png", DONE), ("b.jpg", DONE), ("b.png", DONE), ("bad.png", FAILED), ("deep/c.tif", DONE),
        ("deep/d.png", DONE),
    ]  # fmt: skip
    assert {path for path, row in manifest.read(archive).items() if row.status == DONE} == {
        row.path for row in rows if row.status == DONE
    }


def test_the_command(source: Place, archive: Place, capsys: pytest.CaptureFixture[str]) -> None:
    place = {"crs": "EPSG:32633"}
    rasterio = pytest.importorskip("rasterio")
    transform = rasterio.Affine(1, 0, 4e5, 0, -1, 5.8e6)
    with rasterio.open(
        Path(source.address, "geo.tif"), "w", driver="GTiff", width=80, height=60, count=3, dtype="uint8",
        transform=transform, **place,
    ) as file:  # fmt: skip
        file.write(scene(60, 80).transpose(2, 0, 1))
    arguments = ["archive", "--codec", "dct", "--quality", "60", "--stac", "--jobs", "1"]
    assert collage([*arguments, "-n", source.address, archive.address]) == 0
    assert "geo.tif -> geo.clg" in capsys.readouterr().out
    assert collage([*arguments, source.address, archive.address]) == 1
    said = capsys.readouterr().err
    assert "7 pictures, 7 of them to be stored" in said
    assert "6 stored, 1 failed" in said
    item = json.loads(archive.read("geo.clg.json"))
    assert item["assets"]["data"]["type"] == "image/vnd.collage"
    assert item["bbox"][0] == pytest.approx(13.53, abs=0.05)
    page = archive.read(report.NAME).decode()
    assert page.index("bad.png") < page.index("a.png")
    assert collage(["archive", source.address, source.address]) == 2


def test_the_report_puts_the_worst_first() -> None:
    rows = [
        Row("good", "", "", DONE, psnr=40.0, bytes_before=1000, bytes=100),
        Row("bad <b>", "", "", FAILED, "why & how"),
        Row("worse", "", "", DONE, psnr=30.0, bytes_before=1000, bytes=300),
        Row("lossless", "", "", DONE, psnr=math.inf, bytes_before=1000, bytes=900),
    ]
    page = report.page(rows).decode()
    places = [page.index(f">{name}<") for name in ("bad &lt;b&gt;", "worse", "good", "lossless")]
    assert places == sorted(places)
    assert "why &amp; how" in page
    assert "57 %" in page


def test_the_newest_row_counts_and_done_stays_done() -> None:
    done = Row("p", "1", "s", DONE, time=1.0)
    late = Row("p", "1", "s", FAILED, time=2.0)
    changed = Row("p", "2", "s", FAILED, time=3.0)
    assert manifest.newest([late, done]) == {"p": done}
    assert manifest.newest([late, done, changed]) == {"p": changed}


def test_ms_ssim_is_that_of_others() -> None:
    one = scene(200, 210)[..., 0]
    noisy = np.clip(one + np.random.default_rng(1).normal(0, 12, one.shape), 0, 255).astype(np.uint8)
    assert ms_ssim(one, one, 255) == pytest.approx(1)
    torch = pytest.importorskip("torch")
    metrics = pytest.importorskip("torchmetrics.functional.image")
    tensors = [torch.from_numpy(picture.astype(np.float32))[None, None] for picture in (one, noisy)]
    theirs = float(
        metrics.multiscale_structural_similarity_index_measure(*tensors, data_range=255.0, gaussian_kernel=True)
    )
    assert ms_ssim(one, noisy, 255) == pytest.approx(theirs, abs=0.01)


def test_a_scheduler_that_comes_back(source: Place, archive: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    from distributed import LocalCluster

    monkeypatch.setattr(run, "PAUSE", 0.2)

    def cluster(port: int) -> Any:
        return LocalCluster(
            n_workers=1, threads_per_worker=1, processes=False, protocol="tcp://", host="127.0.0.1",
            scheduler_port=port, dashboard_address="127.0.0.1:0", silence_logs=50,
        )  # fmt: skip

    first = cluster(0)
    seen: list[Row] = []
    second: list[Any] = []

    def restart(done: int, total: int, row: Row) -> None:
        seen.append(row)
        if not second:
            first.close()
            second.append(cluster(int(first.scheduler_address.rpartition(":")[2])))

    collection = run.Collection(source, archive, DCT, batch=1)
    try:
        rows = run.archive(collection, scheduler=first.scheduler_address, report=restart)
    finally:
        for running in second:
            running.close()
    assert second
    assert sorted(row.path for row in rows) == sorted(task.source.key for task in collection.tasks())
    assert sum(row.status == DONE for row in rows) == 5
    assert [task.source.key for task in collection.missing(collection.tasks())] == ["bad.png"]
