"""The pool of worker processes: order, deaths, interruptions and the sharing of cores."""

from __future__ import annotations

import builtins
import os
import signal
import subprocess
import sys
import textwrap
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path

import click
import pytest

from collagecodec.cli import batch, workers

VARIABLES = ("COLLAGE_THREADS", *workers.LIBRARY_VARIABLES)
evaluate: Callable[[str], object] = builtins.eval  # spawned processes can import it, unlike functions of a test
SHOWN = "__import__('collagecodec.sampling.threads', fromlist=['x']).thread_count()"


def _died(task: str, reason: str) -> object:
    return f"{task}: {reason}"


def _libraries(monkeypatch: pytest.MonkeyPatch, value: str | None = None) -> None:
    for name in workers.LIBRARY_VARIABLES:
        if value is None:
            monkeypatch.delenv(name, raising=False)
        else:
            monkeypatch.setenv(name, value)


@pytest.mark.parametrize(("total", "jobs", "share"), [(6, 2, 3), (7, 2, 3), (2, 2, 1), (1, 3, 1)])
def test_processes_share_the_threads(monkeypatch: pytest.MonkeyPatch, total: int, jobs: int, share: int) -> None:
    _libraries(monkeypatch)
    monkeypatch.setenv("COLLAGE_THREADS", str(total))
    shares = list(workers.run(os.getenv, VARIABLES, jobs, _died))
    assert shares == [str(share)] * len(VARIABLES)
    assert os.environ["COLLAGE_THREADS"] == str(total)
    assert not any(name in os.environ for name in workers.LIBRARY_VARIABLES)


def test_without_a_variable_processes_share_the_cores(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("COLLAGE_THREADS", raising=False)
    for jobs in (1, 2):
        (share,) = workers.run(evaluate, [SHOWN], jobs, _died)
        assert share == max(1, workers.cores() // jobs)
    assert "COLLAGE_THREADS" not in os.environ


def test_limits_of_libraries_set_by_the_user_stay(monkeypatch: pytest.MonkeyPatch) -> None:
    _libraries(monkeypatch, "5")
    monkeypatch.setenv("COLLAGE_THREADS", "4")
    assert sorted(workers.run(os.getenv, VARIABLES, 2, _died)) == ["2"] + ["5"] * len(workers.LIBRARY_VARIABLES)


def test_a_given_number_of_threads_overrides_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    _libraries(monkeypatch, "5")
    monkeypatch.setenv("COLLAGE_THREADS", "4")
    assert list(workers.run(os.getenv, VARIABLES, 2, _died, threads=3)) == ["3"] * len(VARIABLES)
    assert os.environ["COLLAGE_THREADS"] == "4"
    assert os.environ["OMP_NUM_THREADS"] == "5"


def _batch(tasks: list[str], jobs: int) -> int:
    work = batch.Batch(evaluate, tasks, tasks, str, lines_on_stdout=True)  # type: ignore[arg-type]
    with click.Context(click.Command("test")) as context:
        return batch.run(work, jobs, context)


def test_a_batch_shares_the_threads(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setenv("COLLAGE_THREADS", "8")
    assert _batch([SHOWN] * 3, 2) == 0
    assert capsys.readouterr().out == "4\n" * 3
    assert _batch([SHOWN] * 3, 9) == 0  # no more processes than tasks
    assert capsys.readouterr().out == "2\n" * 3


def test_a_batch_refuses_a_wrong_number_of_threads(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLLAGE_THREADS", "many")
    with pytest.raises(click.ClickException, match="COLLAGE_THREADS"):
        _batch(["1", "2"], 2)


def test_a_batch_reports_in_order_and_a_death_costs_one_file(capsys: pytest.CaptureFixture[str]) -> None:
    slow = "__import__('time').sleep(1) or 'slow'"
    dies = "__import__('os')._exit(3)"
    assert _batch([slow, "'a'", dies, "'b'", "'c'"], 2) == 1
    said = capsys.readouterr()
    assert said.out == "slow\na\nb\nc\n"
    assert said.err.splitlines() == [
        f"collage: {dies}: its process died, perhaps for lack of memory; use fewer --jobs",
        "collage: 1 of 5 files failed",
    ]


def test_every_task_runs_although_several_die() -> None:
    dies = "__import__('os')._exit(3)"
    results = list(workers.run(evaluate, ["1", dies, "2", dies, "3"], 2, _died))
    assert sorted(map(str, results)) == ["1", "2", "3", *[f"{dies}: its process died"] * 2]


def test_an_interruption_ends_every_process_and_unwinds_tasks(tmp_path: Path) -> None:
    script = tmp_path / "work.py"
    script.write_text(
        textwrap.dedent("""
            import pathlib, sys, time
            from collagecodec.cli import workers

            def work(name):
                path = pathlib.Path(name)
                path.write_text("")
                try:
                    time.sleep(60)
                finally:
                    path.unlink()

            if __name__ == "__main__":
                list(workers.run(work, sys.argv[1:], 2, lambda task, reason: None))
        """)
    )
    partial_files = [tmp_path / name for name in ("a", "b")]
    process = subprocess.Popen(
        [sys.executable, str(script), *map(str, partial_files)],
        start_new_session=True,
        stderr=subprocess.PIPE,
        text=True,
        # A test run in the background ignores SIGINT, and its children inherit that.
        preexec_fn=partial(signal.signal, signal.SIGINT, signal.SIG_DFL),
    )
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline and not all(path.exists() for path in partial_files):
        time.sleep(0.05)
    started = time.monotonic()
    os.killpg(process.pid, signal.SIGINT)
    _, said = process.communicate(timeout=60)  # until every process has closed its standard error
    assert time.monotonic() - started < 30
    assert said.count("Traceback") == 1  # of the parent, which has no command line around it
    assert "KeyboardInterrupt" in said
    assert not any(path.exists() for path in partial_files)
