"""The command `python -m eval`: a group; one file a command in `eval.commands`."""

from __future__ import annotations

import click

from eval.commands.blind import blind
from eval.commands.bounded import bounded
from eval.commands.coin import coin
from eval.commands.curves import curves
from eval.commands.demo import demo
from eval.commands.effort import effort
from eval.commands.ifs import ifs
from eval.commands.ifs_codec import ifs_codec
from eval.commands.ifs_figure import ifs_figure
from eval.commands.ifs_gan import ifs_gan
from eval.commands.ifs_shapes import ifs_shapes
from eval.commands.ifs_speed import ifs_speed
from eval.commands.kernels import kernels
from eval.commands.ladder import ladder
from eval.commands.rd import rd
from eval.commands.readme import readme
from eval.commands.report import report
from eval.commands.speed import speed
from eval.commands.table import table
from eval.commands.table1 import table1
from eval.commands.task import task
from eval.commands.timing import timing
from eval.commands.zoom import zoom


@click.group(context_settings={"help_option_names": ["-h", "--help"], "show_default": True})
def main() -> None:
    """Measure codecs, ours and others', and show what was measured."""


for command in (
    blind,
    bounded,
    coin,
    curves,
    demo,
    effort,
    ifs,
    ifs_codec,
    ifs_figure,
    ifs_gan,
    ifs_shapes,
    ifs_speed,
    kernels,
    ladder,
    rd,
    readme,
    report,
    speed,
    table,
    table1,
    task,
    timing,
    zoom,
):
    main.add_command(command)
