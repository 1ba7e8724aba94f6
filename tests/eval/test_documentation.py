import re
from collections.abc import Callable
from pathlib import Path

import pytest
from click.testing import Result

from eval.commands import readme
from eval.harness.store import read_rows

PAGE = Path(__file__).parents[2] / "docs" / "adding-a-codec.md"


def test_the_example_is_short_and_runs(
    command: Callable[..., Result], folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    found = re.search(r"```python\n(.*?)```", PAGE.read_text(), re.DOTALL)
    assert found is not None
    assert len(found[1].splitlines()) < 30
    (tmp_path / "reduced.py").write_text(found[1])
    monkeypatch.chdir(tmp_path)
    out = tmp_path / "results"
    done = command("rd", "--data", folder, "--codecs", "reduced.py,png", "--out", out, "--psnr-only")
    assert done.exit_code == 0, done.output
    rows = read_rows(out)
    assert len(rows) == 3 * (5 + 1)
    assert all(row.ok for row in rows)
    reduced = sorted(
        (row for row in rows if row.image == "a.png" and row.label == "reduced"), key=lambda row: row.bpp
    )
    assert reduced[0].psnr < reduced[-1].psnr


def test_the_tables_of_the_pages_are_what_the_rows_say(command: Callable[..., Result]) -> None:
    done = command("readme", "--check")
    assert done.exit_code == 0, done.output


def test_a_page_that_says_something_else_is_told(
    command: Callable[..., Result], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    page = tmp_path / "PAGE.md"
    page.write_text("before\n<!-- numbers: kodak -->\n| wrong |\n<!-- end of numbers -->\nafter\n")
    monkeypatch.setattr(readme, "ROOT", tmp_path)
    monkeypatch.setattr(readme, "PAGES", (page,))
    checked = command("readme", "--check")
    assert checked.exit_code == 1
    assert "PAGE.md is not what the rows say" in checked.output
    assert command("readme").exit_code == 0
    assert "| JPEG |" in page.read_text()
    assert page.read_text().startswith("before\n")
    assert command("readme", "--check").exit_code == 0
