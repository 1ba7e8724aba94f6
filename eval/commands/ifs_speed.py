"""`python -m eval ifs-speed`: the speed of the forms of the fractal embedding layer and of the rendering."""

from __future__ import annotations

from pathlib import Path

import click

from eval.commands.options import out_option
from eval.harness import facts
from eval.harness.journal import Journal, JsonLines
from eval.harness.store import write_json


@click.command("ifs-speed")
@out_option
@click.option("--repeats", type=click.IntRange(1), default=5, help="Number of runs, of which the fastest counts.")
def ifs_speed(out: Path, repeats: int) -> None:
    """Compare loop with scan and plain with separable rendering, each with its gradient, on one core.

    Sequences have 300 points of an IFS with 10 maps, and pictures 32x32 pixels. CPU time is measured, which other
    work on the machine affects little. Writes forms.jsonl, forms.json and forms.md.
    """
    from eval.studies.learned_ifs import speed  # late, as it needs PyTorch

    (out / "forms.jsonl").unlink(missing_ok=True)
    with Journal(out / "forms.jsonl", JsonLines(), lambda row: tuple(row[name] for name in speed.KEY)) as journal:
        for row in speed.measured(repeats):
            journal.add(row)
        text = speed.markdown(journal.rows)
    write_json(out / "forms.json", {**facts.environment(), "repeats": repeats})
    (out / "forms.md").write_text(text, encoding="utf-8")
    click.echo(text)
