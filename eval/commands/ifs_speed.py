"""`python -m eval ifs-speed`: the forms of the fractal embedding layer and of the rendering, against each
other.
"""

from __future__ import annotations

import json
from pathlib import Path

import click

from eval.commands.options import out_option
from eval.harness import facts
from eval.harness.store import write_json


@click.command("ifs-speed")
@out_option
@click.option("--repeats", type=click.IntRange(1), default=5, help="Runs of each; the fastest counts.")
def ifs_speed(out: Path, repeats: int) -> None:
    """Measure loop against scan and plain against separable rendering, each with its gradient, on one core.

    Sequences of 300 points of IFS of 10 maps, pictures of 32x32 pixels. Seconds are those of the processor, so
    that other work on the machine counts little. In the folder: forms.jsonl, forms.json, forms.md.
    """
    from eval.studies.learned_ifs import speed  # late, as it needs PyTorch

    out.mkdir(parents=True, exist_ok=True)
    lines = []
    with (out / "forms.jsonl").open("w", encoding="utf-8") as file:
        for line in speed.measured(repeats):
            lines.append(line)
            file.write(json.dumps(line) + "\n")
    write_json(out / "forms.json", {"machine": facts.machine(), "versions": facts.versions(), "repeats": repeats})
    text = speed.markdown(lines)
    (out / "forms.md").write_text(text, encoding="utf-8")
    click.echo(text)
