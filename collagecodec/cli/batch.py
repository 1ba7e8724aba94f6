"""Many files: one after another or in several processes; a failure costs its own file only."""

from __future__ import annotations

import json
import os
import signal
import sys
import traceback
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Generic, NoReturn, TypeVar

import click

from collagecodec.cli.progress import Progress
from collagecodec.errors import CollageError
from collagecodec.io.files import STANDARD

T = TypeVar("T")

_THREAD_VARIABLES = (
    "COLLAGE_THREADS",
    "OPENBLAS_NUM_THREADS",
    "OMP_NUM_THREADS",
    "MKL_NUM_THREADS",
    "VECLIB_MAXIMUM_THREADS",
    "VIPS_CONCURRENCY",
)


@dataclass(frozen=True)
class Outcome:
    """What became of one file: its `figures`, or one line that says what went wrong and the `trace`."""

    figures: dict[str, Any]
    error: str = ""
    trace: str = ""


@dataclass(frozen=True)
class Batch(Generic[T]):
    """Files to process: `work` takes one of `tasks` and returns its figures.

    `names` are the names for messages, `line` makes a sentence of figures. With `as_json` the figures are
    printed as one JSON object a line instead, on standard output unless that takes the picture itself.
    """

    work: Callable[[T], dict[str, Any]]
    tasks: Sequence[T]
    names: Sequence[str]
    line: Callable[[dict[str, Any]], str]
    as_json: bool = False
    quiet: bool = False
    stdout_taken: bool = False
    lines_on_stdout: bool = False


def run(batch: Batch[T], jobs: int, context: click.Context) -> int:
    """Process everything, say what happened, return the exit status: 0, or 1 if a file failed."""
    show_trace = bool((context.obj or {}).get("traceback"))
    failed = 0
    progress = Progress(len(batch.tasks))
    for done, (name, outcome) in enumerate(zip(batch.names, _outcomes(batch, jobs), strict=True), 1):
        progress.clear()
        if outcome.error:
            failed += 1
            click.echo(f"collage: {name}: {outcome.error}", err=True)
            if show_trace:
                click.echo(outcome.trace, err=True)
        _report(batch, name, outcome)
        progress.update(done, name)
    progress.clear()
    if failed and len(batch.tasks) > 1:
        click.echo(f"collage: {failed} of {len(batch.tasks)} files failed", err=True)
    return 1 if failed else 0


def _report(batch: Batch[T], name: str, outcome: Outcome) -> None:
    if batch.as_json:
        record = {"input": name, "error": outcome.error} if outcome.error else outcome.figures
        click.echo(json.dumps(record), err=batch.stdout_taken)
    elif not outcome.error and not batch.quiet:
        click.echo(batch.line(outcome.figures), err=not batch.lines_on_stdout)


def _outcomes(batch: Batch[T], jobs: int) -> Iterator[Outcome]:
    """Yield what became of the tasks, in their order."""
    jobs = min(jobs, len(batch.tasks))
    if jobs <= 1:
        for task in batch.tasks:
            yield attempt(batch.work, task)
        return
    import multiprocessing
    from concurrent.futures import ProcessPoolExecutor
    from concurrent.futures.process import BrokenProcessPool

    _share_cores(jobs)
    # Fork would carry over the state of libraries that run threads.
    pool = ProcessPoolExecutor(jobs, multiprocessing.get_context("spawn"), _prepare_worker)
    try:
        futures = [pool.submit(attempt, batch.work, task) for task in batch.tasks]
        for future in futures:
            try:
                yield future.result()
            except BrokenProcessPool:
                yield Outcome({}, "its process was killed, perhaps for lack of memory; use fewer --jobs")
    finally:
        pool.shutdown(cancel_futures=True)


def _share_cores(jobs: int) -> None:
    """Let every process that is started from now on use its share of the cores."""
    threads = str(max(1, (os.cpu_count() or 1) // jobs))
    for variable in _THREAD_VARIABLES:
        os.environ.setdefault(variable, threads)


def _prepare_worker() -> None:
    # Ctrl-C reaches every process. This ends a worker without a traceback, its partial file being removed.
    signal.signal(signal.SIGINT, _leave)


def _leave(*_: object) -> NoReturn:
    sys.exit(130)


def attempt(work: Callable[[T], dict[str, Any]], task: T) -> Outcome:
    """Do one task; every failure becomes one line."""
    try:
        return Outcome(work(task))
    except BrokenPipeError:
        raise
    except Exception as error:
        return Outcome({}, describe(error), traceback.format_exc())


def describe(error: Exception) -> str:
    """Return one line that says what is wrong."""
    if isinstance(error, CollageError):
        text = str(error)
    elif isinstance(error, OSError):
        text = (error.strerror or str(error)) + (f": {error.filename}" if error.filename else "")
    elif isinstance(error, MemoryError):
        text = "there is not enough memory; use fewer --jobs or decode a --region"
    elif isinstance(error, ValueError):
        text = str(error)
    else:
        text = f"internal error, please report it with what 'collage --traceback' shows: {error!r}"
    return " ".join(text.split())


def job_count(jobs: int | None) -> int:
    """Return the number of processes: as many as cores for 0, 1 for None."""
    if jobs is None:
        return 1
    return jobs or os.cpu_count() or 1


def shown(path: str, reading: bool) -> str:
    """Return a path for people."""
    if path == STANDARD:
        return "standard input" if reading else "standard output"
    return path
