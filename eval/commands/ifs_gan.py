"""`python -m eval ifs-gan`: Figure 5 of Tu et al. 2023, pre-training on learned and on random fractals."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path

import click

from eval.commands.options import out_option, told
from eval.harness import facts
from eval.harness.datasets import DataError
from eval.harness.store import write_json
from eval.report.figures import accuracy_figure
from eval.studies.learned_ifs import idx


@click.command("ifs-gan")
@out_option
@click.option("--sets", default=",".join(idx.SETS), help="Of these, commas between.")
@click.option("--steps", type=click.IntRange(1), default=5000, help="Steps of the GAN.")
@click.option("--every", type=click.IntRange(1), default=1000, help="Steps between two measurements.")
@click.option("--threads", type=click.IntRange(1), default=1, help="Cores to use.")
@click.option(
    "--data-root",
    type=click.Path(path_type=Path),
    help="Where the folder mnist lies.  [default: $COLLAGE_DATA or ../shared/data by the checkout]",
)
def ifs_gan(out: Path, sets: str, steps: int, every: int, threads: int, data_root: Path | None) -> None:
    """Learn 100 IFS as generators against a LeNet, then measure pre-training on their pictures.

    A line a snapshot goes to gan-SET.jsonl: accuracy of linear evaluation after so many steps; step 0 is random
    IFS. A set whose lines are all there is not run again. Pictures: learned-SET.png, gan_accuracy.png and .svg.
    """
    import torch  # late, as other commands do without

    from eval.studies.learned_ifs import figure5
    from eval.studies.learned_ifs.gan import GanConfig

    torch.set_num_threads(threads)
    config = GanConfig(steps=steps, every=every)
    with told():
        out.mkdir(parents=True, exist_ok=True)
        for name in idx.chosen(sets, tuple(idx.SETS), "set"):
            try:
                figure5.measure(out, name, config, data_root)
            except DataError as error:
                click.echo(f"left out {name}: {error}", err=True)
        found = {name: lines for name in idx.SETS if (lines := figure5.lines_of(out, name, config))}
        if not found:
            raise DataError("none of these sets is there")
    machine = {"machine": facts.machine(), "versions": facts.versions()}
    write_json(out / "gan.json", {"settings": asdict(config), **machine})
    curves = {name: [(line["step"], line["accuracy"]) for line in lines] for name, lines in found.items()}
    accuracy_figure(curves, out)
    click.echo(figure5.table(found))
