import re
from collections.abc import Callable
from pathlib import Path

import pytest
from click.testing import Result

from eval.store import read_rows

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
