"""Files keep what a user has set, are on the disk when they have their name, and spare originals."""

from __future__ import annotations

import os
import signal
import stat
import subprocess
import sys
import time
from pathlib import Path

import pytest

from collagecodec.io import files
from collagecodec.io.files import (
    OriginalError,
    OutputExistsError,
    SameFileError,
    atomic,
    check_distinct,
    check_original,
    is_finished,
    write_bytes_atomic,
)

posix = pytest.mark.skipif(os.name == "nt", reason="rights and links of POSIX")


@posix
@pytest.mark.parametrize("mode", [0o600, 0o640, 0o444, 0o755])
def test_rights_survive(tmp_path: Path, mode: int) -> None:
    path = tmp_path / "p"
    path.write_bytes(b"old")
    path.chmod(mode)
    write_bytes_atomic(path, b"new", force=True)
    assert (path.read_bytes(), stat.S_IMODE(path.stat().st_mode)) == (b"new", mode)


@posix
@pytest.mark.skipif(hasattr(os, "geteuid") and os.geteuid() != 0, reason="only root changes owners")
def test_the_owner_survives(tmp_path: Path) -> None:
    path = tmp_path / "p"
    path.write_bytes(b"old")
    os.chown(path, 1234, 4321)
    write_bytes_atomic(path, b"new", force=True)
    assert (path.stat().st_uid, path.stat().st_gid, path.read_bytes()) == (1234, 4321, b"new")


@posix
def test_hard_links_survive(tmp_path: Path) -> None:
    path, other = tmp_path / "p", tmp_path / "q"
    path.write_bytes(b"a longer one")
    os.link(path, other)
    write_bytes_atomic(path, b"new", force=True)
    assert other.read_bytes() == path.read_bytes() == b"new"
    assert path.stat().st_nlink == 2
    assert sorted(file.name for file in tmp_path.iterdir()) == ["p", "q"]
    with pytest.raises(OutputExistsError):
        write_bytes_atomic(path, b"newer")


def test_file_and_folder_are_synchronised_around_the_move(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path, calls = tmp_path / "p", []
    monkeypatch.setattr(files, "synchronise", lambda what: calls.append((what.name, path.exists())))
    write_bytes_atomic(path, b"new")
    assert calls[0][0].endswith(".partial")
    assert [exists for _, exists in calls] == [False, True]
    assert calls[1][0] == tmp_path.name


def test_synchronising_can_be_left_out(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    calls = []
    monkeypatch.setattr(files.os, "fsync", calls.append)
    write_bytes_atomic(tmp_path / "p", b"new")
    assert len(calls) == 2
    monkeypatch.setenv("COLLAGE_NO_FSYNC", "1")
    write_bytes_atomic(tmp_path / "q", b"new")
    assert len(calls) == 2


def test_a_file_is_not_written_over_itself(tmp_path: Path) -> None:
    path, link, other = tmp_path / "p", tmp_path / "l", tmp_path / "o"
    path.write_bytes(b"x")
    other.write_bytes(b"x")
    link.symlink_to(path)
    for name in (path, link, tmp_path / "." / "p"):
        with pytest.raises(SameFileError, match="file that is read"):
            check_distinct(path, name)
    for name in ("-", other, tmp_path / "missing"):
        check_distinct(path, name)


def test_a_decode_does_not_replace_the_original(tmp_path: Path) -> None:
    original, file = tmp_path / "photo.png", tmp_path / "photo.clg"
    for age, path in enumerate((original, file)):
        path.write_bytes(b"x")
        os.utime(path, (age, age))
    with pytest.raises(OriginalError, match=r"photo\.png is older than .*photo\.clg"):
        check_original(file, original)
    with pytest.raises(SameFileError):
        check_original(file, file)
    check_original(file, tmp_path / "photo.decoded.png")
    os.utime(original, (1, 1))
    check_original(file, original)
    (tmp_path / "other.png").write_bytes(b"x")
    os.utime(tmp_path / "other.png", (0, 0))
    check_original(file, tmp_path / "other.png")


def test_what_is_finished(tmp_path: Path) -> None:
    source, target = tmp_path / "s", tmp_path / "t"
    source.write_bytes(b"x")
    assert not is_finished(source, target)
    target.write_bytes(b"x")
    for age, finished in ((-1, False), (0, True), (1, True)):
        os.utime(source, (100, 100))
        os.utime(target, (100 + age, 100 + age))
        assert is_finished(source, target) is finished
    assert not is_finished("-", target)
    assert not is_finished(source, "-")


_SLOW = """
import sys, time
from collagecodec.cli import main
from collagecodec.io.files import atomic
import click

@click.command()
def slow():
    with atomic(sys.argv[1]) as partial:
        partial.write_bytes(b"half")
        print("writing", flush=True)
        time.sleep(60)

main.group = slow
sys.exit(main.run([]))
"""


@posix
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_signals_clean_up(tmp_path: Path, number: signal.Signals) -> None:
    command = [sys.executable, "-c", _SLOW, str(tmp_path / "p")]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "writing\n"
        assert len(list(tmp_path.iterdir())) == 1
        time.sleep(0.1)
        process.send_signal(number)
        assert process.wait(30) == 130
    assert list(tmp_path.iterdir()) == []


def test_a_block_that_fails_leaves_the_old_file(tmp_path: Path) -> None:
    path = tmp_path / "p"
    path.write_bytes(b"old")

    def fail() -> None:
        with atomic(path, force=True) as partial:
            partial.write_bytes(b"new")
            raise RuntimeError

    with pytest.raises(RuntimeError):
        fail()
    assert path.read_bytes() == b"old"
    assert len(list(tmp_path.iterdir())) == 1
