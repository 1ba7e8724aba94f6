"""Processing many files, one after another or in several processes. A failure affects only its own file."""

from __future__ import annotations

import json
import traceback
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any, Generic, TypeVar

import click

from collagecodec.cli import workers
from collagecodec.cli.inputs import Item
from collagecodec.cli.progress import Progress
from collagecodec.errors import CollageError
from collagecodec.io.files import STANDARD, is_finished
from collagecodec.sampling.threads import thread_count

T = TypeVar("T")


@dataclass(frozen=True)
class Outcome:
    """The result of one file: its `figures`, or a one-line `error` and its traceback."""

    figures: dict[str, Any]
    error: str = ""
    trace: str = ""


@dataclass(frozen=True)
class Batch(Generic[T]):
    """Files to process: `work` takes one of `tasks` and returns its figures.

    `names` identify the tasks in messages, and `line` formats figures as a sentence. With `as_json` the figures
    are printed as one JSON object per line instead, on standard output unless the picture itself goes there.
    """

    work: Callable[[T], dict[str, Any]]
    tasks: Sequence[T]
    names: Sequence[str]
    line: Callable[[dict[str, Any]], str]
    as_json: bool = False
    quiet: bool = False
    stdout_taken: bool = False
    lines_on_stdout: bool = False


def unfinished(items: Sequence[Item], targets: Sequence[str], resume: bool) -> list[tuple[Item, str]]:
    """Return the items to process with their targets; with `resume`, those without an up-to-date result."""
    pairs = list(zip(items, targets, strict=True))
    if not resume:
        return pairs
    left = [(item, target) for item, target in pairs if not is_finished(item.path, target)]
    if done := len(pairs) - len(left):
        click.echo(f"collage: {done} of {len(pairs)} files are finished already", err=True)
    return left


def run(batch: Batch[T], jobs: int, context: click.Context) -> int:
    """Process all tasks, report each outcome and return the exit status: 0, or 1 if a file failed."""
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
    """Yield the outcomes of the tasks, in their order."""
    jobs = min(jobs, len(batch.tasks))
    if jobs <= 1:
        for task in batch.tasks:
            yield attempt(batch.work, task)
        return
    try:
        thread_count()
    except ValueError as error:
        raise click.ClickException(str(error)) from error
    early: dict[int, Outcome] = {}
    due = 0
    for number, outcome in workers.run(
        partial(_attempt_numbered, batch.work), enumerate(batch.tasks), jobs, _killed
    ):
        early[number] = outcome
        while due in early:
            yield early.pop(due)
            due += 1


def _attempt_numbered(work: Callable[[T], dict[str, Any]], task: tuple[int, T]) -> tuple[int, Outcome]:
    return task[0], attempt(work, task[1])


def _killed(task: tuple[int, T], reason: str) -> tuple[int, Outcome]:
    return task[0], Outcome({}, f"{reason}, perhaps for lack of memory; use fewer --jobs")


def attempt(work: Callable[[T], dict[str, Any]], task: T) -> Outcome:
    """Run one task and turn any failure into a one-line error."""
    try:
        return Outcome(work(task))
    except BrokenPipeError:
        raise
    except Exception as error:
        return Outcome({}, describe(error), traceback.format_exc())


def describe(error: Exception) -> str:
    """Return a one-line description of an error."""
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
    """Return the number of processes: 1 for None, one per core for 0."""
    if jobs is None:
        return 1
    return jobs or workers.cores()


def shown(path: str, reading: bool) -> str:
    """Return a path as shown in messages."""
    if path == STANDARD:
        return "standard input" if reading else "standard output"
    return path
