"""All pictures of a collection: what is missing, in batches, on local processes or a Dask cluster.

Dask brings back a worker that dies and repeats its batch. A batch that goes on killing workers is cut into single
pictures, so that one picture costs itself only. A scheduler that goes away is waited for; what is then missing in
the manifest is submitted again.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import Any

from collagecodec.archive import manifest
from collagecodec.archive.manifest import DONE, FAILED, Row
from collagecodec.archive.pictures import Task, store
from collagecodec.archive.places import REMEDY, Object, Place
from collagecodec.archive.settings import Settings
from collagecodec.errors import CollageError, MissingLibraryError
from collagecodec.sampling.threads import THREADS_VARIABLE, thread_count

_OTHERS = ("jpg", "jpeg", "tif", "tiff", "webp", "bmp", "ppm", "pgm", "pnm", "pam", "npy", "jp2")
SUFFIXES = frozenset(f".{kind}" for kind in ("png", *_OTHERS))
"""Suffixes of objects that are taken for pictures."""
RECONNECTIONS, PAUSE, POLL = 20, 3.0, 0.1
"""How often a scheduler that went away is looked for, the seconds in between, and between looks at the work."""

Report = Callable[[int, int, Row], None]
"""Called with pictures done, pictures in all, and the row of the last one."""


@dataclass(frozen=True)
class Collection:
    """What to store where, and how: `batch` pictures at a time."""

    source: Place
    archive: Place
    settings: Settings
    batch: int = 20

    def __post_init__(self) -> None:
        """Raise ValueError if one of the places lies in the other."""
        if self.source.holds(self.archive) or self.archive.holds(self.source):
            raise ValueError(
                f"{self.archive.address} and {self.source.address} lie in each other: an archive has a place of "
                "its own, so that originals are never touched"
            )

    def tasks(self) -> list[Task]:
        """Return all pictures of the source with their keys in the archive, in the order of the keys."""
        objects = [entry for entry in self.source.objects() if _suffix(entry.key) in SUFFIXES]
        stems: dict[str, int] = {}
        for entry in objects:
            stem = entry.key.rpartition(".")[0]
            stems[stem] = stems.get(stem, 0) + 1
        return [Task(entry, _target(entry, stems)) for entry in objects]

    def missing(self, tasks: Iterable[Task]) -> list[Task]:
        """Return the tasks that the manifest does not know to be done, with these settings, from this object."""
        rows = manifest.read(self.archive)
        return [task for task in tasks if not self._is_done(task, rows.get(task.source.key))]

    def _is_done(self, task: Task, row: Row | None) -> bool:
        if row is None or row.status != DONE:
            return False
        return (row.mark, row.settings) == (task.source.mark, self.settings.digest)


def _suffix(key: str) -> str:
    return "." + key.rpartition(".")[2].lower()


def _target(entry: Object, stems: dict[str, int]) -> str:
    stem = entry.key.rpartition(".")[0]
    # Two pictures of one stem keep their suffixes.
    return f"{stem if stems[stem] == 1 else entry.key}.clg"


def archive(
    collection: Collection, *, jobs: int = 1, scheduler: str | None = None, report: Report | None = None
) -> list[Row]:
    """Store what is missing; return the rows of this run, one for each picture that was missing.

    `jobs` local processes, or the workers of the Dask `scheduler`. Raises MissingLibraryError without the extra
    archive, and CollageError if the scheduler does not come back.
    """
    tasks = collection.missing(collection.tasks())
    done: dict[str, Row] = {}
    failures = 0
    size = collection.batch

    def take(rows: Iterable[Row]) -> None:
        for row in rows:
            done[row.path] = row
            if report is not None:
                report(len(done), len(tasks), row)

    while left := [task for task in tasks if task.source.key not in done]:
        try:
            with _client(jobs, scheduler) as client:
                failures = 0
                for rows in _round(client, collection, left, size):
                    take(rows)
                size = 1
        except _lost_connections() as error:
            failures += 1
            if scheduler is None or failures > RECONNECTIONS:
                raise CollageError(
                    f"the scheduler went away ({error}); run the command again: it goes on where it stopped"
                ) from error
            time.sleep(PAUSE)
            waiting = {task.source.key for task in collection.missing(left)}
            finished = manifest.read(collection.archive)
            take(finished[task.source.key] for task in left if task.source.key not in waiting)
    return list(done.values())


def _round(client: Any, collection: Collection, tasks: Sequence[Task], size: int) -> Iterator[list[Row]]:
    """Yield the rows of batches of `size`. Batches that kill their workers are left out unless `size` is 1."""
    from distributed import KilledWorker

    batches = [list(tasks[start : start + size]) for start in range(0, len(tasks), size)]
    futures = {
        client.submit(store, batch, collection.source, collection.archive, collection.settings, pure=False): batch
        for batch in batches
    }
    for future in _finished(client, set(futures)):
        error = future.exception()
        if error is None:
            yield future.result()
        elif isinstance(error, KilledWorker):
            if size == 1:
                yield _lost(collection, futures[future], "it killed its worker, perhaps for lack of memory")
        else:
            yield _lost(collection, futures[future], repr(error))


def _finished(client: Any, pending: set[Any]) -> Iterator[Any]:
    """Yield futures as they finish; OSError if the scheduler goes away, which `as_completed` would not notice."""
    while pending:
        if client.status != "running" or any(future.status in ("cancelled", "lost") for future in pending):
            raise OSError("the connection to the scheduler was lost")
        finished = [future for future in pending if future.done()]
        if not finished:
            time.sleep(POLL)
        for future in finished:
            pending.remove(future)
            yield future


def _lost(collection: Collection, tasks: Sequence[Task], reason: str) -> list[Row]:
    """Return failed rows for pictures that no worker could report on, and add them to the manifest."""
    rows = [
        Row(
            task.source.key,
            task.source.mark,
            collection.settings.digest,
            FAILED,
            reason,
            bytes_before=task.source.size,
        )
        for task in tasks
    ]
    try:
        manifest.add(collection.archive, rows)
    except OSError as error:
        return [replace(row, error=f"{row.error}; the manifest could not be written: {error}") for row in rows]
    return rows


def _lost_connections() -> tuple[type[BaseException], ...]:
    from asyncio import CancelledError, TimeoutError

    from distributed.client import FutureCancelledError
    from distributed.comm.core import CommClosedError

    return OSError, CommClosedError, FutureCancelledError, CancelledError, TimeoutError


@contextmanager
def _client(jobs: int, scheduler: str | None) -> Iterator[Any]:
    """Yield a client of the scheduler, or of local processes that share the cores of this machine."""
    try:
        from distributed import Client, LocalCluster
    except ImportError as error:
        raise MissingLibraryError(f"archives need dask and distributed ({error}): {REMEDY}") from error
    if scheduler is not None:
        with Client(scheduler, timeout="10s") as client:  # type: ignore[no-untyped-call]
            yield client
        return
    share = str(max(1, thread_count() // jobs))
    before = os.environ.get(THREADS_VARIABLE)
    os.environ[THREADS_VARIABLE] = share
    try:
        cluster = LocalCluster(  # type: ignore[no-untyped-call]
            n_workers=jobs, threads_per_worker=1, processes=True, dashboard_address="127.0.0.1:0", silence_logs=50
        )
        with cluster, Client(cluster) as client:  # type: ignore[no-untyped-call]
            yield client
    finally:
        os.environ.pop(THREADS_VARIABLE, None)
        if before is not None:
            os.environ[THREADS_VARIABLE] = before
