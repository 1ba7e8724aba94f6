"""`python -m eval ifs`: Table 1 of Tu et al. 2023, its numbers beside ours."""

from __future__ import annotations

from pathlib import Path

import click

from eval.commands.options import out_option, told
from eval.harness.store import write_json
from eval.studies.learned_ifs import idx

_SETS = ("fractaldb", *idx.SETS)
_ROWS = ("F", "D", "E", "C", "A", "B")


@click.command()
@out_option
@click.option("--sets", default=",".join(_SETS), help="Of these, commas between.")
@click.option("--rows", "labels", default=",".join(_ROWS), help="Of these, in this order, commas between.")
@click.option("--targets", "count", type=click.IntRange(1), default=100, help="Of each set.")
@click.option("--threads", type=click.IntRange(1), default=1, help="Cores to use.")
@click.option(
    "--data-root",
    type=click.Path(path_type=Path),
    help="Where the folder mnist lies.  [default: $COLLAGE_DATA or ../shared/data by the checkout]",
)
def ifs(out: Path, sets: str, labels: str, count: int, threads: int, data_root: Path | None) -> None:
    """Re-run Table 1 of Learning Fractals by Gradient Descent and print its numbers beside ours.

    Fits 100 targets of each set for each row: F is the whole method, E with fixed sequences, D without noisy SGD,
    C without clamp, A with plain parameters, B the inverse encoder. A line a target goes to SET-ROW.jsonl; what
    is there already is not fitted again. MNIST, FMNIST and KMNIST are read from IDX files in the folder mnist
    under --data-root; 'fractaldb' needs no files.
    """
    import torch  # late, as other commands do without

    from eval.studies.learned_ifs import table1

    torch.set_num_threads(threads)
    with told():
        present = table1.present(out, idx.chosen(sets, _SETS, "set"), count, data_root)
        out.mkdir(parents=True, exist_ok=True)
        write_json(out / "run.json", table1.facts_of(count, threads))
        for label in idx.chosen(labels, _ROWS, "row"):
            for name, pictures in present.items():
                table1.measure(out, name, label, pictures)
    found = table1.found(out, list(present))
    write_json(out / "summary.json", table1.summaries(found))
    text = table1.markdown(found, list(present))
    (out / "table.md").write_text(text, encoding="utf-8")
    click.echo(text)
