import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path

import numpy as np
import pytest
from click.testing import Result
from PIL import Image
from scenes import scene

from eval.harness.journal import JournalError
from eval.harness.store import open_rows, read_rows

from .faulty import TRIGGER

FAULTY = Path(__file__).with_name("faulty.py")
Command = Callable[..., Result]


def _with_trigger(folder: Path) -> None:
    image = np.asarray(Image.open(folder / "b.png")).copy()
    image[0, 0] = TRIGGER
    Image.fromarray(image).save(folder / "b.png")


def test_a_run_and_its_files(command: Command, folder: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    done = command("rd", "--data", folder, "--codecs", "jpeg@quality=20/60/90;png", "--out", out)
    assert done.exit_code == 0, done.output
    rows = read_rows(out)
    assert len(rows) == 3 * 4
    assert all(row.ok and row.bytes > 0 for row in rows)
    assert [row.bpp for row in rows] == pytest.approx([8 * row.bytes / (96 * 64) for row in rows])
    run = json.loads((out / "run.json").read_text())
    assert run["series"]["png"]["settings"] == {"name": "png", "level": [9]}
    assert run["versions"]["pillow"]
    assert run["machine"]["cores"] >= 1
    text = json.dumps(run)
    assert str(folder.parent) not in text
    assert os.uname().nodename not in run["machine"].values()
    summary = json.loads((out / "summary.json").read_text())
    curve = summary["mean_curves"]["jpeg@quality=20/60/90"]
    assert [point["value"] for point in curve] == [20, 60, 90]
    assert curve[0]["psnr"] == pytest.approx(np.mean([row.psnr for row in rows if row.value == 20]), abs=1e-3)
    assert curve[0]["psnr_of_mse"] < curve[0]["psnr"]
    assert summary["failed"] == []


def test_what_is_measured_is_not_measured_again(command: Command, folder: Path, tmp_path: Path) -> None:
    words = ("rd", "--data", folder, "--out", tmp_path / "out", "--psnr-only", "--codecs")
    assert "6 measured" in command(*words, "webp@quality=20/60").output
    before = (tmp_path / "out" / "rows.csv").read_bytes()
    assert "\n0 measured" in command(*words, "webp@quality=20/60").output
    assert (tmp_path / "out" / "rows.csv").read_bytes() == before
    assert "6 measured" in command(*words, "webp@quality=20/60", "--again").output
    assert (tmp_path / "out" / "rows.csv").read_bytes().startswith(before)


def test_a_later_run_adds_to_what_is_recorded(command: Command, folder: Path, tmp_path: Path) -> None:
    words = ("rd", "--data", folder, "--out", tmp_path / "out", "--psnr-only", "--codecs")
    assert command(*words, "webp@quality=20/60").exit_code == 0
    assert command(*words, "png", "--limit", 1).exit_code == 0
    run = json.loads((tmp_path / "out" / "run.json").read_text())
    assert list(run["series"]) == ["webp@quality=20/60", "png"]
    assert [picture["name"] for picture in run["pictures"]] == ["a.png", "b.png", "c.png"]


def test_all_metrics_only_where_they_are_needed(command: Command, folder: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    words = ("rd", "--data", folder, "--limit", 1, "--out", out, "--codecs", "jpeg@quality=3/5/20/60/80/90/96")
    assert "6 measured" in command(*words, "--every", 2, "--within", 1, 2.2).output
    rows = sorted(read_rows(out), key=lambda row: row.bpp)
    assert [row.value for row in rows] == [3, 20, 80, 96]
    assert rows[1].bpp < 1 < rows[2].bpp < rows[3].bpp
    known = [row.ssimulacra2 == row.ssimulacra2 for row in rows]
    assert known == [_needed(row.bpp, [other.bpp for other in rows]) for row in rows]
    assert "\n0 measured" in command(*words, "--every", 2, "--within", 1, 2.2).output
    assert f"\n{7 - sum(known)} measured" in command(*words).output


def _needed(rate: float, rates: list[float]) -> bool:
    """Whether a rate lies in 1 to 2.2 bits per pixel or next to them."""
    return max(r for r in rates if r <= 1) <= rate <= min((r for r in rates if r >= 2.2), default=rates[-1])


def test_a_changed_picture_is_measured_again(command: Command, folder: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    words = ("rd", "--data", folder, "--out", out, "--psnr-only", "--codecs", "png")
    assert "3 measured" in command(*words).output
    Image.fromarray(scene(9)).save(folder / "a.png")
    assert "1 measured" in command(*words).output
    assert len(read_rows(out)) == 3


@pytest.mark.parametrize(("fault", "jobs", "reason"), [("raises", 1, "cannot code this"), ("dies", 2, "died")])
def test_a_codec_that_fails_on_one_picture(
    command: Command, folder: Path, tmp_path: Path, fault: str, jobs: int, reason: str
) -> None:
    _with_trigger(folder)
    out = tmp_path / "out"
    done = command(
        "rd",
        "--data",
        folder,
        "--codecs",
        f"{FAULTY}@fault={fault}",
        "--out",
        out,
        "--psnr-only",
        "--jobs",
        jobs,
    )
    assert done.exit_code == 0, done.output
    rows = read_rows(out)
    failed = [row for row in rows if not row.ok]
    assert {row.image for row in failed} == {"b.png"}
    assert all(reason in row.error for row in failed)
    assert len([row for row in rows if row.ok]) == len(rows) - len(failed) > 0
    assert "b.png" in done.output


def test_every_process_gets_its_number_of_threads(command: Command, folder: Path, tmp_path: Path) -> None:
    words = ("--codecs", f"{FAULTY}@fault=threads", "--psnr-only", "--jobs", 2, "--threads", 3)
    assert command("rd", "--data", folder, "--out", tmp_path, *words).exit_code == 0
    assert {row.error for row in read_rows(tmp_path)} == {"RuntimeError: 3 3"}


def test_a_codec_that_returns_another_size(command: Command, folder: Path, tmp_path: Path) -> None:
    done = command(
        "rd", "--data", folder, "--codecs", f"{FAULTY}@fault=resizes", "--out", tmp_path, "--psnr-only"
    )
    assert done.exit_code == 0
    rows = read_rows(tmp_path)
    assert len(rows) == 6
    assert all("96x63" in row.error and "96x64" in row.error for row in rows)


def test_killed_and_run_again(command: Command, folder: Path, tmp_path: Path) -> None:
    words = [
        "rd",
        "--data",
        folder,
        "--codecs",
        f"{FAULTY}@fault=slow,quality=5/4/3/2",
        "--out",
        tmp_path,
        "--psnr-only",
    ]
    journal = tmp_path / "rows.csv"
    process = subprocess.Popen(
        [sys.executable, "-m", "eval", *map(str, words)], start_new_session=True, stdout=subprocess.DEVNULL
    )
    try:
        deadline = time.monotonic() + 60
        while time.monotonic() < deadline and (not journal.exists() or journal.read_text().count("\n") < 3):
            time.sleep(0.05)
    finally:
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()
    before = journal.read_text()
    kept = before.count("\n") - 1
    assert kept >= 2
    # The row in hand may be torn.
    journal.write_text(before + 'a.png,"torn')
    done = command(*words)
    assert done.exit_code == 0, done.output
    assert journal.read_text().startswith(before)
    assert len(read_rows(tmp_path)) == 3 * 4
    assert journal.read_text().count("\n") == 1 + 3 * 4  # nothing is measured twice


def test_an_interruption_says_that_nothing_is_lost(folder: Path, tmp_path: Path) -> None:
    words = ["rd", "--data", folder, "--codecs", f"{FAULTY}@fault=slow", "--out", tmp_path, "--psnr-only"]
    process = subprocess.Popen(
        [sys.executable, "-m", "eval", *map(str, words)],
        start_new_session=True,
        stderr=subprocess.PIPE,
        text=True,
        # Where the tests run in the background, SIGINT is ignored, and would be so here.
        preexec_fn=partial(signal.signal, signal.SIGINT, signal.SIG_DFL),
    )
    deadline = time.monotonic() + 60
    journal = tmp_path / "rows.csv"
    while time.monotonic() < deadline and (not journal.exists() or journal.read_text().count("\n") < 2):
        time.sleep(0.05)
    os.killpg(process.pid, signal.SIGINT)
    _, said = process.communicate(timeout=60)
    assert process.returncode == 1
    assert "finished measurements are kept" in said
    assert "Traceback" not in said


def test_a_file_that_is_no_journal_is_left_alone(tmp_path: Path) -> None:
    path = tmp_path / "rows.csv"
    path.write_text("some,other,table\n1,2,3\n")
    with pytest.raises(JournalError, match="other columns"):
        open_rows(path)
    assert path.read_text() == "some,other,table\n1,2,3\n"


def test_unreadable_and_repeated_pictures_are_reported(command: Command, folder: Path, tmp_path: Path) -> None:
    (folder / "bad.png").write_bytes(b"no picture")
    Image.fromarray(scene(3)).save(folder / "a.bmp")
    done = command("rd", "--data", folder, "--codecs", "png", "--out", tmp_path, "--psnr-only")
    assert done.exit_code == 0
    assert "bad.png skipped" in done.output
    assert "2 pictures are named a" in done.output
    assert sorted(row.image for row in read_rows(tmp_path)) == ["a.bmp", "a.png", "b.png", "c.png"]


def test_codecs_that_are_not_there(command: Command, folder: Path, tmp_path: Path) -> None:
    done = command("rd", "--data", folder, "--codecs", "nothing", "--out", tmp_path)
    assert done.exit_code == 1
    assert "no sweep matches 'nothing'" in done.output
    done = command("rd", "--data", folder, "--codecs", "png@strange=1", "--out", tmp_path)
    assert done.exit_code == 1
    assert "skipped png@strange=1" in done.output


def test_an_empty_folder(command: Command, tmp_path: Path) -> None:
    done = command("rd", "--data", tmp_path, "--codecs", "png", "--out", tmp_path / "out")
    assert done.exit_code == 1
    assert "no pictures in" in done.output
