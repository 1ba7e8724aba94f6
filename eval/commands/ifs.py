"""`python -m eval ifs`: Table 1 of Tu et al. 2023, with its numbers and ours."""

from __future__ import annotations

from pathlib import Path

import click

from eval.commands.options import one_line_errors, out_option, root_option, threads_option
from eval.harness.store import write_json
from eval.studies.learned_ifs import idx

_SETS = ("fractaldb", *idx.SETS)
_ROWS = ("F", "D", "E", "C", "A", "B")


@click.command()
@out_option
@click.option("--sets", default=",".join(_SETS), help="Data sets, separated by commas.")
@click.option(
    "--rows", "labels", default=",".join(_ROWS), help="Rows of the table in this order, separated by commas."
)
@click.option("--targets", "count", type=click.IntRange(1), default=100, help="Number of targets of each set.")
@threads_option
@root_option("the folder mnist")
def ifs(out: Path, sets: str, labels: str, count: int, threads: int, data_root: Path | None) -> None:
    """Repeat Table 1 of Learning Fractals by Gradient Descent and print its numbers beside ours.

    Fits 100 targets of each set for each row: F is the complete method, E uses fixed sequences, D no noisy SGD,
    C no clamp, A plain parameters, and B the inverse encoder. Writes a line per target to SET-ROW.jsonl; targets
    in that file are not fitted again. MNIST, FMNIST and KMNIST are read from IDX files in the folder mnist under
    --data-root, whereas 'fractaldb' needs no files.
    """
    import torch  # late, because other commands do not need it

    from eval.studies.learned_ifs import table1

    torch.set_num_threads(threads)
    with one_line_errors():
        present = table1.present(out, idx.chosen(sets, _SETS, "set"), count, data_root)
        out.mkdir(parents=True, exist_ok=True)
        write_json(out / "run.json", table1.facts_of(count, threads))
        for label in idx.chosen(labels, _ROWS, "row"):
            for name, pictures in present.items():
                table1.measure(out, name, label, pictures)
    results = table1.results(out, list(present))
    write_json(out / "summary.json", table1.summaries(results))
    text = table1.markdown(results, list(present))
    (out / "table.md").write_text(text, encoding="utf-8")
    click.echo(text)
