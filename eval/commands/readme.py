"""`python -m eval readme`: the tables of README.md, docs/ and the models' cards, from the committed rows."""

from __future__ import annotations

import re
from functools import lru_cache
from pathlib import Path

import click

from eval.commands.report import report
from eval.report.tables import NUMBERS, TABLES

ROOT = Path(__file__).resolve().parents[2]
RESULTS = ROOT / "eval" / "results"
PAGES = (ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md")), *sorted((ROOT / "models").rglob("*.md")))
REPORTS = ("dota-val", "kodak")
"""Folders that `--report` writes the interactive page of."""
_TABLE = re.compile(r"(<!-- numbers: ([a-z0-9-]+) -->\n).*?(<!-- end of numbers -->)", re.DOTALL)
_NUMBER = re.compile(r"(<!-- number: ([a-z0-9-]+) -->)[^<\n]*(<!-- end -->)")


@click.command()
@click.option("--check", is_flag=True, help="Change nothing; fail if a page does not say what the rows say.")
@click.option("--report", "reporting", is_flag=True, help="Also write the interactive reports, without crops.")
@click.pass_context
def readme(context: click.Context, check: bool, reporting: bool) -> None:
    """Write the tables of README.md, of docs/ and of the models' cards from the rows in eval/results.

    A page marks the place of a table with '<!-- numbers: NAME -->' and '<!-- end of numbers -->', and that of a
    number in a sentence with '<!-- number: NAME -->' and '<!-- end -->'.
    """
    changed = []
    for page in PAGES:
        before = page.read_text(encoding="utf-8")
        after = filled(before)
        if after != before:
            changed.append(page.relative_to(ROOT).as_posix())
            if not check:
                page.write_text(after, encoding="utf-8", newline="\n")
    if check and changed:
        raise click.ClickException(f"{', '.join(changed)} is not what the rows say: run `python -m eval readme`")
    click.echo(f"changed: {', '.join(changed) or 'nothing'}")
    for folder in REPORTS if reporting else ():
        context.invoke(report, out=RESULTS / folder, count=0)


def filled(page: str) -> str:
    """Return the text of a page with every table and number made anew; a UsageError for an unknown name."""
    page = _TABLE.sub(lambda place: place[1] + _table(place[2]) + place[3], page)
    return _NUMBER.sub(lambda place: place[1] + _number(place[2]) + place[3], page)


@lru_cache
def _table(name: str) -> str:
    if name not in TABLES:
        raise click.UsageError(f"there is no table {name!r}; the tables are {', '.join(TABLES)}")
    return TABLES[name](RESULTS)


@lru_cache
def _number(name: str) -> str:
    if name not in NUMBERS:
        raise click.UsageError(f"there is no number {name!r}; the numbers are {', '.join(NUMBERS)}")
    return NUMBERS[name](RESULTS)
