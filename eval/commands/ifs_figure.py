"""`python -m eval ifs-figure`: the figure of learned fractals in the documentation."""

from __future__ import annotations

from pathlib import Path

import click


@click.command("ifs-figure")
@click.option(
    "--out", type=click.Path(dir_okay=False, path_type=Path), required=True, help="A PNG file to write."
)
@click.option("--targets", "count", type=click.IntRange(1), default=8, help="Number of random fractals to fit.")
def ifs_figure(out: Path, count: int) -> None:
    """Fit IFS to pictures of random fractals, and draw targets and fits."""
    import torch  # late, because other commands do not need it

    from eval.studies.learned_ifs.figure import figure

    torch.set_num_threads(1)
    figure(count).save(out, optimize=True)
    click.echo(out)
