"""What has been done: rows in Parquet parts, one part for each batch, in the folder `_manifest` of an archive.

Parts are only ever added. The row of a picture is the newest one, so that a repeated batch does no harm.
"""

from __future__ import annotations

import io
import time
import uuid
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from collagecodec.archive.places import REMEDY, Place
from collagecodec.errors import MissingLibraryError

FOLDER = "_manifest"
DONE, FAILED = "done", "failed"


@dataclass(frozen=True)
class Row:
    """A picture: where it came from and went to, and how it fared.

    path          key in the source
    mark          changes with the source object
    sha256        of the source object, '' if it could not be read
    target        key in the archive, '' if nothing was written
    settings      `Settings.digest`
    fingerprint   of the model that wrote the file
    bytes_before  bytes of the source object
    bytes         bytes of the file
    psnr          dB, infinite without loss; NaN if it failed
    ms_ssim       0..1, NaN if it was not wanted
    status        'done' or 'failed'
    error         one line, '' if there was none
    """

    path: str
    mark: str
    settings: str
    status: str
    error: str = ""
    sha256: str = ""
    target: str = ""
    fingerprint: str = ""
    pixels_sha256: str = ""
    width: int = 0
    height: int = 0
    bytes_before: int = 0
    bytes: int = 0
    psnr: float = float("nan")
    ms_ssim: float = float("nan")
    seconds: float = 0.0
    time: float = 0.0


def _parquet() -> Any:
    try:
        import pyarrow
        import pyarrow.parquet
    except ImportError as error:
        raise MissingLibraryError(f"archives need pyarrow ({error}): {REMEDY}") from error
    return pyarrow


def add(place: Place, rows: Sequence[Row]) -> None:
    """Write rows as a new part; OSError if the place does not take it."""
    pyarrow = _parquet()
    now = time.time()
    table = pyarrow.Table.from_pylist([{**asdict(row), "time": now} for row in rows])
    stream = io.BytesIO()
    pyarrow.parquet.write_table(table, stream, compression="zstd")
    place.write(f"{FOLDER}/part-{int(now)}-{uuid.uuid4().hex[:12]}.parquet", stream.getvalue())


def read(place: Place) -> dict[str, Row]:
    """Return the newest row of every picture by its path."""
    pyarrow = _parquet()
    rows: list[Row] = []
    for part in place.objects(FOLDER):
        if part.key.endswith(".parquet"):
            table = pyarrow.parquet.read_table(io.BytesIO(place.read(part.key)))
            rows += [Row(**row) for row in table.to_pylist()]
    return newest(rows)


def newest(rows: Iterable[Row]) -> dict[str, Row]:
    """Return the newest row of every path; a picture that was done once stays done."""
    found: dict[str, Row] = {}
    for row in sorted(rows, key=lambda row: row.time):
        before = found.get(row.path)
        same = before is not None and (before.mark, before.settings) == (row.mark, row.settings)
        if same and before is not None and before.status == DONE and row.status != DONE:
            continue
        found[row.path] = row
    return found
