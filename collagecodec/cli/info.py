"""`collage info`: size, codec, model and metadata of `.clg` files."""

from __future__ import annotations

from typing import Any

import click

from collagecodec.cli import batch, inputs
from collagecodec.io.files import load


@click.command(no_args_is_help=True)
@click.argument("files", nargs=-1, required=True)
@click.option("-r", "--recursive", is_flag=True, help="Search folders with their subfolders.")
@click.option("--json", "as_json", is_flag=True, help="Print a JSON object for each file.")
@click.pass_context
def info(context: click.Context, /, files: tuple[str, ...], recursive: bool, as_json: bool) -> int:
    """Show size, codec, model and metadata of .clg files, without decoding them.

    FILES are .clg files, folders, wildcards, or '-' for standard input.
    """
    items = inputs.expand(files, recursive, (".clg",))
    names = [batch.shown(item.path, True) for item in items]
    paths = [item.path for item in items]
    work = batch.Batch(info_of, paths, names, _text, as_json=as_json, lines_on_stdout=True)
    return batch.run(work, 1, context)


def info_of(path: str) -> dict[str, Any]:
    """Return the description of the file at `path`, starting with its name."""
    from collagecodec import api

    return {"input": path, **api.info(load(path)).to_dict()}


def _text(figures: dict[str, Any]) -> str:
    fields = {name: value for name, value in figures.items() if name != "input"}
    lines = [batch.shown(figures["input"], True)]
    return "\n".join(
        lines + [f"  {name.replace('_', ' '):<16} {_shown(value)}" for name, value in fields.items()]
    )


def _shown(value: Any) -> str:
    if isinstance(value, dict):
        return ", ".join(f"{name} {entry}" for name, entry in value.items()) or "none"
    if isinstance(value, float):
        return f"{value:.4g}"
    return "none" if value in (None, "") else str(value)
