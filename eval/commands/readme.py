"""`python -m eval readme`: the tables of the README and of the model's card, from the committed rows."""

from __future__ import annotations

import re
from pathlib import Path

import click

from eval.commands.options import told
from eval.commands.report import report
from eval.commands.table import RATES, psnr_at
from eval.harness import aggregate
from eval.harness.store import read_rows

ROOT = Path(__file__).resolve().parents[2]
RESULTS = ROOT / "eval" / "results"
PAGES = (ROOT / "README.md", ROOT / "models" / "aerial" / "README.md")
SETS = ("dota-val", "kodak")
OURS, REFINED = "collage", "collage-e5"
ROWS = {
    OURS: "**collage**",
    REFINED: "**collage, effort 5**",
    "jpeg": "JPEG",
    "webp": "WebP",
    "jpeg2000-psnr": "JPEG 2000",
    "avif-420-s4": "AVIF 4:2:0",
    "avif-444-s4": "AVIF 4:4:4",
    "avif-420-s4-psnr": "AVIF 4:2:0, `tune=psnr`",
    "dct": "block-DCT with our entropy coder",
}
"""Series of a table and what they are called there."""
_PLACE = re.compile(r"(<!-- numbers: ([a-z0-9-]+) -->\n).*?(<!-- end of numbers -->)", re.DOTALL)


@click.command()
@click.option("--check", is_flag=True, help="Change nothing; fail if a page does not say what the rows say.")
@click.option("--report", "reporting", is_flag=True, help="Also write the interactive reports, without crops.")
@click.pass_context
def readme(context: click.Context, check: bool, reporting: bool) -> None:
    """Write the tables of README.md and of the model's card from the rows in eval/results.

    A page marks the place of a table with '<!-- numbers: SET -->' and '<!-- end of numbers -->'.
    """
    changed = []
    for page in PAGES:
        before = page.read_text(encoding="utf-8")
        after = _PLACE.sub(lambda place: place[1] + numbers(place[2]) + place[3], before)
        if after != before:
            changed.append(page.relative_to(ROOT).as_posix())
            if not check:
                page.write_text(after, encoding="utf-8")
    if check and changed:
        raise click.ClickException(f"{', '.join(changed)} is not what the rows say: run `python -m eval readme`")
    click.echo(f"changed: {', '.join(changed) or 'nothing'}")
    for folder in SETS if reporting else ():
        context.invoke(report, out=RESULTS / folder, count=0)


def numbers(folder: str) -> str:
    """The Markdown table of a folder of results: of its rates and PSNR, or the one that lies there."""
    if not (RESULTS / folder / "rows.csv").exists():
        return (RESULTS / folder / "table.md").read_text(encoding="utf-8")
    with told():
        found = aggregate.curves(read_rows(RESULTS / folder))
    labels = [label for label in ROWS if label in found]
    tests = [label for label in (OURS, REFINED) if label in found]
    head = [""]
    for test in tests:
        head.append(
            "bits of " + ("the collage" if test == OURS else "effort 5") + " against it" + _part(found, test)
        )
    lines = [head + [f"{rate} bpp" for rate in RATES], ["---"] * (len(head) + len(RATES))]
    for label in labels:
        if _part(found, label):
            continue  # the mean over other pictures would stand beside means that it cannot be compared with
        cells = [ROWS[label]]
        for test in tests:
            rate = None if label == test else aggregate.compare(found, label, test, "psnr").rate
            cells.append("" if rate is None or (test == OURS and label in tests) else f"{rate:+.1f} %")
        curve = aggregate.mean_curve(found[label])
        values = [psnr_at(curve, rate) for rate in RATES]
        cells += [value if value == "-" else f"{value} dB" for value in values]
        lines.append(cells)
    return "".join("| " + " | ".join(cells) + " |\n" for cells in lines)


def _part(found: aggregate.Curves, label: str) -> str:
    """' (8 pictures)' for a series that was measured on fewer pictures than the collage, '' for others."""
    count = len(found[label])
    return f" ({count} pictures)" if count < len(found[OURS]) else ""
