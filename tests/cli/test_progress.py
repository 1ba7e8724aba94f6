"""The progress bar: when it shows, what it says, and that it leaves the line empty."""

import io
import subprocess
import sys
from collections.abc import Callable
from types import SimpleNamespace

import pytest

from collagecodec.cli.progress import DELAY, Progress


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True

    def said(self) -> str:
        """Return what was written since the last call."""
        text = self.getvalue()
        self.seek(0)
        self.truncate()
        return text


@pytest.fixture
def terminal(monkeypatch: pytest.MonkeyPatch) -> Terminal:
    stream = Terminal()
    # Between fixture and test pytest puts its own stream in the place of sys.stderr.
    monkeypatch.setattr("collagecodec.cli.progress.sys", SimpleNamespace(stderr=stream))
    monkeypatch.setenv("COLUMNS", "81")
    return stream


@pytest.fixture
def wait(monkeypatch: pytest.MonkeyPatch) -> Callable[[float], None]:
    """Return a function that lets the clock of the bar go on by some seconds."""
    now = [1000.0]
    monkeypatch.setattr("tqdm.std.time", lambda: now[0])

    def add(seconds: float) -> None:
        now[0] += seconds

    return add


def test_no_bar_without_a_terminal(capsys: pytest.CaptureFixture[str], wait: Callable[[float], None]) -> None:
    bar = Progress(3)
    wait(60)
    bar.update(2, "done")
    bar.share(0.5, "done")
    bar.clear()
    assert capsys.readouterr() == ("", "")


def test_tqdm_is_not_imported_without_a_terminal() -> None:
    program = (
        "import sys; from collagecodec.cli.progress import Progress;"
        "Progress(3).update(1); print('tqdm' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", program], check=True, capture_output=True, text=True)
    assert (done.stdout, done.stderr) == ("False\n", "")


def test_no_bar_without_standard_error(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.stderr", None)
    Progress(3).update(2)


def test_the_bar_shows_after_a_while(terminal: Terminal, wait: Callable[[float], None]) -> None:
    bar = Progress(10, unit=" files")
    wait(DELAY / 2)
    bar.update(1, "early")
    assert terminal.said().strip() == ""
    wait(4 - DELAY / 2)
    bar.update(4, "later")
    said = terminal.said()
    assert said.startswith("\r4/10 |")
    assert said.endswith("|  1.00 files/s, 00:06 left  later")
    assert len(said) == len("\r") + 80


def test_the_time_left_counts_from_where_the_work_began(
    terminal: Terminal, wait: Callable[[float], None]
) -> None:
    bar = Progress(100, 60)
    wait(10)
    bar.update(80)
    assert "2.00it/s, 00:10 left" in terminal.said()


def test_a_bar_is_drawn_ten_times_a_second(terminal: Terminal, wait: Callable[[float], None]) -> None:
    bar = Progress(1000)
    wait(5)
    bar.update(1, "first")
    wait(0.05)
    bar.update(2, "second")
    wait(0.06)
    bar.update(3, "third")
    said = terminal.said()
    assert "first" in said
    assert "second" not in said
    assert "third" in said


def test_shares_count_from_the_first(terminal: Terminal, wait: Callable[[float], None]) -> None:
    bar = Progress(1000)
    bar.share(0.4)
    wait(10)
    bar.share(0.5, "31.2 dB")
    said = terminal.said()
    assert said.startswith("\r 50% |")
    assert said.endswith("| 00:50 left  31.2 dB")


def test_shares_may_start_again(terminal: Terminal, wait: Callable[[float], None]) -> None:
    bar = Progress(1000)
    bar.share(0.5)
    wait(10)
    bar.share(1.0)
    assert "100%" in terminal.said()
    wait(10)
    bar.share(0.25)
    assert "\r 25% |" in terminal.said()
    wait(5)
    bar.share(0.5)
    assert "\r 50% |" in (said := terminal.said())
    assert "00:10 left" in said


def test_the_delay_is_not_waited_for_again(terminal: Terminal, wait: Callable[[float], None]) -> None:
    bar = Progress(1000)
    bar.share(0.5)
    wait(DELAY / 2)
    bar.share(0.1)
    wait(DELAY / 2)
    bar.share(0.2)
    assert "\r 20% |" in terminal.said()


def test_clear_leaves_an_empty_line(terminal: Terminal, wait: Callable[[float], None]) -> None:
    bar = Progress(10)
    wait(5)
    bar.update(3, "text")
    width = len(terminal.said()) - 1
    bar.clear()
    assert terminal.said() == "\r" + " " * width + "\r"
    wait(1)
    bar.update(4, "text")
    assert "4/10" in terminal.said()


def test_a_second_bar_takes_the_same_line(terminal: Terminal, wait: Callable[[float], None]) -> None:
    first, second = Progress(10), Progress(10)
    wait(5)
    first.update(1)
    second.update(1)
    assert "\n" not in terminal.said()


@pytest.mark.skipif(sys.platform == "win32", reason="needs a pseudoterminal")
def test_a_terminal_that_reports_no_size(monkeypatch: pytest.MonkeyPatch, wait: Callable[[float], None]) -> None:
    import os

    ours, theirs = os.openpty()
    with os.fdopen(theirs, "w", encoding="utf-8") as stream, os.fdopen(ours, "rb", buffering=0) as screen:
        monkeypatch.setattr("collagecodec.cli.progress.sys", SimpleNamespace(stderr=stream))
        bar = Progress(10)
        wait(5)
        bar.update(4, "text")
        stream.flush()
        assert b"4/10 |" in screen.read(1000)
        bar.clear()
        del bar
