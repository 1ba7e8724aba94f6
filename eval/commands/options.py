"""The options that several commands share, and the errors that all of them tell in one line."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TypeVar

import click

from eval.harness import catalogue
from eval.harness.datasets import NAMED, Dataset, open_set
from eval.harness.sweep import Sweep

F = TypeVar("F", bound=Callable[..., Any])


def data_options(default: str | None = None) -> Callable[[F], F]:
    """Add --data, --data-root, --limit and --codecs."""

    def add(command: F) -> F:
        for option in (
            click.option(
                "--codecs",
                "specs",
                default="default",
                help="Sweep, commas or semicolons between: labels, patterns ('avif-*'), 'default', 'all', a "
                "label with changed settings ('collage@effort=5,quality=20/60;jpeg'), a file with a SWEEPS.",
            ),
            click.option(
                "--limit", type=click.IntRange(0), default=0, help="At most so many pictures; 0 for all."
            ),
            click.option(
                "--data-root",
                type=click.Path(path_type=Path),
                help="Where the named sets lie.  [default: $COLLAGE_DATA or ../shared/data by the checkout]",
            ),
            click.option(
                "--data",
                default=default,
                required=default is None,
                help=f"A folder of pictures, or a named set: {', '.join(NAMED)}.",
            ),
        ):
            command = option(command)
        return command

    return add


out_option = click.option(
    "--out",
    type=click.Path(file_okay=False, path_type=Path),
    required=True,
    help="The folder of the results.",
)


@contextmanager
def told() -> Iterator[None]:
    """Turn what a user can put right into one line and exit status 1."""
    try:
        yield
    except (ValueError, LookupError, FileNotFoundError, ImportError) as error:
        raise click.ClickException(str(error)) from error
    except KeyboardInterrupt:
        click.echo("\nwhat is measured is kept: the same command goes on from here", err=True)
        raise


def split(specs: str) -> list[str]:
    """Return the single specs. A semicolon separates too, and must where settings hold commas.

    >>> split("jpeg,avif-*")
    ['jpeg', 'avif-*']
    >>> split("collage@effort=5,model=paper;jpeg")
    ['collage@effort=5,model=paper', 'jpeg']
    """
    parts = specs.split(";") if ";" in specs or "@" in specs else specs.split(",")
    return [part.strip() for part in parts if part.strip()]


def chosen_sweeps(specs: str) -> tuple[list[tuple[str, Sweep]], dict[str, str]]:
    """Return what can be measured and what cannot, saying the latter on standard error."""
    chosen, left_out = catalogue.choose(split(specs))
    for label, reason in left_out.items():
        click.echo(f"left out {label}: {reason}", err=True)
    if not chosen:
        raise ValueError("none of these codecs can be measured here")
    return chosen, left_out


def pictures(data: str, root: Path | None, limit: int) -> Dataset:
    """Return the set, saying on standard error what is odd about it."""
    found = open_set(data, root, limit)
    for notice in found.notices:
        click.echo(f"{found.name}: {notice}", err=True)
    return found
