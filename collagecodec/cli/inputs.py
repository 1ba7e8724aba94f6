"""The files of a command line: those to read, and the names of those to write."""

from __future__ import annotations

import glob
import os
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from pathlib import Path

import click

from collagecodec.io.files import STANDARD

_KINDS = "png jpg jpeg tif tiff webp bmp ppm pgm pnm pam npy avif jp2 gif tga"

PICTURES = frozenset(f".{kind}" for kind in _KINDS.split())
"""Suffixes of pictures in a folder; a file given by name may have any suffix."""


@dataclass(frozen=True)
class Item:
    """A file to read: its `path`, or '-', and its path `below` the folder that was searched."""

    path: str
    below: Path


def expand(arguments: Sequence[str], recursive: bool, suffixes: Collection[str]) -> list[Item]:
    """Return the files that files, folders, wildcards and '-' stand for, each once, in order.

    A folder stands for its files with one of `suffixes`, with `recursive` also for those in its subfolders.
    Raises click.UsageError for a folder or wildcard without such files.
    """
    expanded: dict[str, Item] = {}
    for argument in arguments:
        for path in _matches(argument):
            items = _files(path, recursive, suffixes) if path != STANDARD else [Item(path, Path(path))]
            for item in items:
                expanded.setdefault(item.path, item)
    return list(expanded.values())


def _matches(argument: str) -> list[str]:
    # Shells leave a pattern without match as it is, and some systems never expand any.
    if argument == STANDARD or not glob.has_magic(argument) or Path(argument).exists():
        return [argument]
    matches = sorted(glob.iglob(argument, recursive=True))  # noqa: PTH207 (Path.glob takes no absolute pattern)
    if not matches:
        raise click.UsageError(f"no file matches {argument!r}")
    return matches


def _files(path: str, recursive: bool, suffixes: Collection[str]) -> list[Item]:
    folder = Path(path)
    if not folder.is_dir():
        return [Item(path, Path(folder.name))]
    entries = sorted(folder.rglob("*") if recursive else folder.iterdir())
    files = [entry for entry in entries if entry.suffix.lower() in suffixes and entry.is_file()]
    if not files:
        more = "" if recursive else " (subfolders are searched with -r)"
        raise click.UsageError(f"the folder {path} holds no {_kinds(suffixes)} files{more}")
    return [Item(str(file), file.relative_to(folder)) for file in files]


def _kinds(suffixes: Collection[str]) -> str:
    return "picture" if len(suffixes) > 1 else "".join(suffixes)


def outputs(items: Sequence[Item], output: str | None, suffix: str) -> list[str]:
    """Return the path to write for each item: `output`, or a file with `suffix` in that folder.

    `output` is a file if there is a single item, and `output` is not a folder and does not end in a slash; '-' is
    standard output. None puts each result beside its input, and that of standard input on standard output.
    Raises click.UsageError if two results would have the same path.
    """
    if output == STANDARD or (output is None and [item.path for item in items] == [STANDARD]):
        if len(items) != 1:
            raise click.UsageError("standard output takes a single picture; give -o a folder")
        return [STANDARD]
    if output is not None and len(items) == 1 and not _is_folder(output):
        return [output]
    paths = [_output(item, output, suffix) for item in items]
    taken: dict[str, Item] = {}
    for item, path in zip(items, paths, strict=True):
        other = taken.setdefault(path, item)
        if other is not item:
            raise click.UsageError(
                f"{other.path} and {item.path} would both be written to {path}; process them separately with -o"
            )
    return paths


def _is_folder(output: str) -> bool:
    return Path(output).is_dir() or output.endswith(("/", os.sep))


def _output(item: Item, output: str | None, suffix: str) -> str:
    if item.path == STANDARD:
        if output is None:
            raise click.UsageError("standard input among other files needs -o with a folder")
        return str(Path(output) / f"stdin{suffix}")
    if output is None:
        return str(Path(item.path).with_suffix(suffix))
    return str(Path(output) / item.below.with_suffix(suffix))
