"""Options shared by several commands, and the conversion of errors into one-line messages."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TypeVar

import click

from eval.harness import catalogue
from eval.harness.datasets import NAMED, Dataset, open_set
from eval.sweep import Sweep

F = TypeVar("F", bound=Callable[..., Any])

limit_option = click.option(
    "--limit", type=click.IntRange(0), default=0, help="Maximum number of pictures; 0 for all."
)
out_option = click.option(
    "--out", type=click.Path(file_okay=False, path_type=Path), required=True, help="Folder for the results."
)
threads_option = click.option("--threads", type=click.IntRange(1), default=1, help="Number of cores to use.")


def root_option(folder: str) -> Callable[[F], F]:
    """Add --data-root, which contains `folder`."""
    return click.option(
        "--data-root",
        type=click.Path(path_type=Path),
        help=f"Location of {folder}.  [default: $COLLAGE_DATA or ../shared/data beside the checkout]",
    )


def data_option(default: str | None) -> Callable[[F], F]:
    """Add --data, required if there is no default."""
    return click.option(
        "--data",
        default=default,
        required=default is None,
        help=f"A folder of pictures, or a named set: {', '.join(NAMED)}.",
    )


def data_options(default: str | None = None) -> Callable[[F], F]:
    """Add --data, --data-root, --limit and --codecs."""
    codecs_option = click.option(
        "--codecs",
        "specs",
        default="default",
        help="Sweeps, separated by commas or semicolons: labels, patterns ('avif-*'), 'default', 'all', a label "
        "with overridden settings ('collage@effort=5,quality=20/60;jpeg'), a file that defines SWEEPS.",
    )

    def add(command: F) -> F:
        for option in (codecs_option, limit_option, root_option("the named sets"), data_option(default)):
            command = option(command)
        return command

    return add


@contextmanager
def one_line_errors() -> Iterator[None]:
    """Report errors that the user can correct in one line, with exit status 1."""
    try:
        yield
    except (ValueError, LookupError, FileNotFoundError, ImportError) as error:
        raise click.ClickException(str(error)) from error
    except KeyboardInterrupt:
        click.echo("\nfinished measurements are kept: repeat the command to resume", err=True)
        raise


def split(specs: str) -> list[str]:
    """Return the specs in a list. Semicolons separate them if there are any or if settings contain commas.

    >>> split("jpeg,avif-*")
    ['jpeg', 'avif-*']
    >>> split("collage@effort=5,model=paper;jpeg")
    ['collage@effort=5,model=paper', 'jpeg']
    """
    parts = specs.split(";") if ";" in specs or "@" in specs else specs.split(",")
    return [part.strip() for part in parts if part.strip()]


def chosen_sweeps(specs: str) -> tuple[list[tuple[str, Sweep]], dict[str, str]]:
    """Return the sweeps that can be measured and, by label, why others cannot. Reports the latter."""
    chosen, left_out = catalogue.choose(split(specs))
    for label, reason in left_out.items():
        click.echo(f"skipped {label}: {reason}", err=True)
    if not chosen:
        raise ValueError("none of these codecs can be measured here")
    return chosen, left_out


def pictures(data: str, root: Path | None, limit: int) -> Dataset:
    """Return the data set and report its notices on standard error."""
    dataset = open_set(data, root, limit)
    for notice in dataset.notices:
        click.echo(f"{dataset.name}: {notice}", err=True)
    return dataset
