"""`python -m eval ifs-gan`: Figure 5 of Tu et al. 2023, pre-training on learned and on random fractals."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path

import click

from eval.commands.options import one_line_errors, out_option, root_option, threads_option
from eval.harness import facts
from eval.harness.datasets import DataError
from eval.harness.store import write_json
from eval.report.figures import accuracy_figure
from eval.studies.learned_ifs import idx


@click.command("ifs-gan")
@out_option
@click.option("--sets", default=",".join(idx.SETS), help="Data sets, separated by commas.")
@click.option("--steps", type=click.IntRange(1), default=5000, help="Number of steps of the GAN.")
@click.option("--every", type=click.IntRange(1), default=1000, help="Number of steps between measurements.")
@threads_option
@root_option("the folder mnist")
def ifs_gan(out: Path, sets: str, steps: int, every: int, threads: int, data_root: Path | None) -> None:
    """Learn 100 IFS as generators against a LeNet, then measure pre-training on their pictures.

    Writes a line per snapshot to gan-SET.jsonl with the accuracy of linear evaluation after that number of steps;
    step 0 has random IFS. Complete sets are not repeated. Draws learned-SET.png, gan_accuracy.png and
    gan_accuracy.svg.
    """
    import torch  # late, because other commands do not need it

    from eval.studies.learned_ifs import figure5
    from eval.studies.learned_ifs.gan import GanConfig

    torch.set_num_threads(threads)
    config = GanConfig(steps=steps, every=every)
    with one_line_errors():
        out.mkdir(parents=True, exist_ok=True)
        for name in idx.chosen(sets, tuple(idx.SETS), "set"):
            try:
                figure5.measure(out, name, config, data_root)
            except DataError as error:
                click.echo(f"skipped {name}: {error}", err=True)
        results = {name: lines for name in idx.SETS if (lines := figure5.lines_of(out, name, config))}
        if not results:
            raise DataError("none of these sets is available")
    write_json(out / "gan.json", {"settings": asdict(config), **facts.environment()})
    curves = {name: [(line["step"], line["accuracy"]) for line in lines] for name, lines in results.items()}
    accuracy_figure(curves, out)
    click.echo(figure5.table(results))
