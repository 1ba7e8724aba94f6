"""One picture of an archive: read, encode, verify by decoding, write. Runs on workers."""

from __future__ import annotations

import hashlib
import math
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from collagecodec import api
from collagecodec.archive import manifest
from collagecodec.archive.manifest import DONE, FAILED, Row
from collagecodec.archive.ms_ssim import ms_ssim
from collagecodec.archive.places import Object, Place
from collagecodec.archive.settings import Settings
from collagecodec.archive.stac import item
from collagecodec.errors import CollageError, LimitError
from collagecodec.io.opening import open_source
from collagecodec.io.sources import Source, alpha_of

QUALITIES = (30.0, 45.0, 60.0, 70.0, 80.0, 90.0, 100.0)
"""Qualities that are tried, from below, for a floor."""
ERRORS = (8, 5, 3, 2, 1, 0)
"""Promised errors that are tried after them: noise in the colours can keep quality 100 below a floor."""


@dataclass(frozen=True)
class Task:
    """A picture to store: an object of the source, and its key in the archive."""

    source: Object
    target: str


def store(tasks: Sequence[Task], source: Place, archive: Place, settings: Settings) -> list[Row]:
    """Store a batch and add its rows to the manifest; every picture has a row, whatever happens to it.

    A failure costs its own picture. If the manifest cannot be written, the rows say so: what is not in the
    manifest is done again by the next run.
    """
    rows = [_stored(task, source, archive, settings) for task in tasks]
    try:
        manifest.add(archive, rows)
    except Exception as error:
        lost = f"the manifest could not be written: {_line(error)}"
        return [replace(row, status=FAILED, error=row.error or lost) for row in rows]
    return rows


def _stored(task: Task, source: Place, archive: Place, settings: Settings) -> Row:
    begun = time.perf_counter()
    row = Row(task.source.key, task.source.mark, settings.digest, FAILED, bytes_before=task.source.size)
    try:
        with source.local(task.source.key) as path:
            row = replace(row, sha256=_digest(path))
            opened = open_source(path)
            data, row = _verified(opened, settings, row)
            extra = item(task.source.key, task.target, opened, data) if settings.stac else None
        archive.write(task.target, data)
        if extra is not None:
            archive.write(f"{task.target}.json", extra)
    except Exception as error:
        return replace(row, error=_line(error), seconds=time.perf_counter() - begun)
    return replace(
        row, status=DONE, target=task.target, bytes=len(data), seconds=round(time.perf_counter() - begun, 3)
    )


def _verified(source: Source, settings: Settings, row: Row) -> tuple[bytes, Row]:
    """Return the file of a picture that meets the floors, and its row; LimitError if none does."""
    for options in _attempts(settings):
        data = api.encode(source, **options)
        row = _measured(source, data, settings, row)
        if (settings.ms_ssim is None or row.ms_ssim >= settings.ms_ssim) and (
            settings.min_psnr is None or row.psnr >= settings.min_psnr
        ):
            return data, row
    raise LimitError(f"the floor is out of reach: {row.psnr:.2f} dB at the finest")


def _attempts(settings: Settings) -> Iterator[dict[str, Any]]:
    """Yield options of ever higher quality: as the settings say, then qualities, then promised errors."""
    if settings.ms_ssim is None:
        yield settings.options
        if settings.min_psnr is None:
            return
    plain = {name: value for name, value in settings.options.items() if name not in ("quality", "bpp", "psnr")}
    least = 0.0 if settings.ms_ssim is not None else settings.quality or 60.0
    for quality in QUALITIES:
        if quality > least:
            yield {**plain, "quality": quality}
    for error in ERRORS:
        if settings.max_error is None or error < settings.max_error:
            yield {**plain, "max_error": error}


def _measured(source: Source, data: bytes, settings: Settings, row: Row) -> Row:
    """Decode a file and return the row with what was found; the file is checked by being decoded."""
    facts = api.info(data)
    pixels = api.decode(data)
    bands = source.channels - alpha_of(source)
    original = source.rows(0, source.height)
    decoded = pixels.reshape(original.shape)
    if alpha_of(source) and not np.array_equal(original[..., -1], decoded[..., -1]):
        raise CollageError("the alpha of the file is not that of the picture")
    errors = np.square(original[..., :bands].astype(np.float64) - decoded[..., :bands])
    if alpha_of(source):
        errors = errors[original[..., -1] > 0]
    mean = float(errors.mean()) if errors.size else 0.0
    colours = original[..., :bands]
    peak = 255.0 if facts.dtype == "uint8" else float(np.ptp(colours)) or 1.0
    similarity = float("nan")
    if settings.ms_ssim is not None:
        similarity = ms_ssim(colours, decoded[..., :bands], peak)
    return replace(
        row,
        width=facts.width,
        height=facts.height,
        fingerprint=facts.fingerprint,
        psnr=10 * math.log10(peak**2 / mean) if mean else math.inf,
        ms_ssim=similarity,
        pixels_sha256=hashlib.sha256(np.ascontiguousarray(pixels).tobytes()).hexdigest(),
    )


def _digest(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _line(error: Exception) -> str:
    text = str(error) if isinstance(error, CollageError | OSError | ValueError) else repr(error)
    return " ".join(text.split())[:500]
