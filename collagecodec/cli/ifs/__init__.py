"""`collage ifs`: pictures as iterated function systems."""

from __future__ import annotations

import click

from collagecodec.cli.ifs.fitting import fit
from collagecodec.cli.ifs.rendering import render


@click.group()
def ifs() -> None:
    """Learn a picture as a few affine maps, and draw them at any size.

    \b
    collage ifs fit drawing.png                    writes drawing.clg
    collage ifs render drawing.clg --size 4096     writes drawing-4096.png
    """


ifs.add_command(fit)
ifs.add_command(render)
