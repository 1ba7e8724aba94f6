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


@dataclass(frozen=True)
class Naming:
    """How outputs are named: with `suffix`, beside an input with `mark` before the suffix.

    With `strict`, a file that is given by name must have that suffix, or none.
    """

    suffix: str
    mark: str = ""
    strict: bool = False


def outputs(items: Sequence[Item], output: str | None, naming: Naming) -> list[str]:
    """Return the path to write for each item: `output`, a file in that folder, or one that follows its template.

    `output` is a template if it holds one of `FIELDS` in braces, otherwise a file if there is a single item and
    it is not a folder and does not end in a slash; '-' is standard output. None puts each result beside its
    input, and that of standard input on standard output. Raises click.UsageError if two results would have the
    same path, if a result would replace its input, and for a file name that is not one.
    """
    if output == STANDARD or (output is None and [item.path for item in items] == [STANDARD]):
        if len(items) != 1:
            raise click.UsageError("standard output takes a single picture; give -o a folder")
        return [STANDARD]
    if output is not None and "{" in output:
        paths = [_filled(output, item, number) for number, item in enumerate(items, 1)]
    elif output is not None and not _is_folder(output) and (len(items) == 1 or Path(output).suffix):
        if len(items) > 1:
            raise click.UsageError(
                f"{output} is the name of one file, and there are {len(items)} inputs: name a folder, as in "
                f"'{Path(output).stem}/', or a template such as '{{stem}}{naming.suffix}'"
            )
        paths = [output]
    else:
        paths = [_output(item, output, naming) for item in items]
    for item, path in zip(items, paths, strict=True):
        _check_name(item, path, naming)
    _check_distinct(items, paths)
    return paths


def _check_name(item: Item, path: str, naming: Naming) -> None:
    suffix, device = Path(path).suffix.lower(), Path(path).exists() and not Path(path).is_file()
    if naming.strict and suffix not in ("", naming.suffix) and not device:
        raise click.UsageError(
            f"{path} is not the name of a {naming.suffix} file, which this command writes: "
            f"name it {Path(path).with_suffix(naming.suffix)}"
        )
    if item.path != STANDARD and Path(path).resolve() == Path(item.path).resolve() and Path(path).is_file():
        raise click.UsageError(f"{path} would be replaced by what is made from it; name another file with -o")


def _check_distinct(items: Sequence[Item], paths: Sequence[str]) -> None:
    taken: dict[str, Item] = {}
    for item, path in zip(items, paths, strict=True):
        other = taken.setdefault(path, item)
        if other is not item:
            raise click.UsageError(
                f"{other.path} and {item.path} would both be written to {path}; tell them apart with a template, "
                "as in -o '{name}" + Path(path).suffix + "'"
            )


FIELDS = ("stem", "name", "suffix", "folder", "number")
"""What a template may hold: of photo.png the stem is photo, the name photo.png, the suffix png."""


def _filled(template: str, item: Item, number: int) -> str:
    path = Path("stdin") if item.path == STANDARD else Path(item.path)
    values = {"stem": path.stem, "name": path.name, "suffix": path.suffix[1:], "number": number}
    try:
        return template.format(**values, folder=item.below.parent)
    except (KeyError, ValueError, IndexError, AttributeError) as error:
        fields = ", ".join(f"{{{field}}}" for field in FIELDS)
        raise click.UsageError(f"{template!r} is not a template; it may hold {fields}") from error


def _is_folder(output: str) -> bool:
    return Path(output).is_dir() or output.endswith(("/", os.sep))


def _output(item: Item, output: str | None, naming: Naming) -> str:
    if item.path == STANDARD:
        if output is None:
            raise click.UsageError("standard input among other files needs -o with a folder")
        return str(Path(output) / f"stdin{naming.suffix}")
    if output is None:
        return str(Path(item.path).with_suffix(naming.mark + naming.suffix))
    return str(Path(output) / item.below.with_suffix(naming.suffix))
