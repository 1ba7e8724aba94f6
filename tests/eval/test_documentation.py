import re
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from click.testing import Result

from eval.commands import readme
from eval.harness import catalogue
from eval.harness.store import read_rows

PAGE = Path(__file__).parents[2] / "docs" / "adding-a-codec.md"


@pytest.fixture
def package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """The folder with the package of the documented codec, which is importable and has its entry point."""
    text = PAGE.read_text(encoding="utf-8")
    source, sweeps = re.findall(r"```python\n(.*?)```", text, re.DOTALL)
    (tmp_path / "reduced.py").write_text(source)
    (tmp_path / "sweeps.py").write_text(sweeps)
    metadata = tmp_path / "reduced-1.0.dist-info"
    metadata.mkdir()
    (metadata / "METADATA").write_text("Metadata-Version: 2.1\nName: reduced\nVersion: 1.0\n")
    (metadata / "entry_points.txt").write_text("[collagecodec.codecs]\nreduced = reduced:ReducedCodec\n")
    monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.chdir(tmp_path)
    yield tmp_path
    sys.modules.pop("reduced", None)
    catalogue.resolve.cache_clear()


def test_the_documented_codec_can_be_measured(
    command: Callable[..., Result], folder: Path, package: Path
) -> None:
    out = package / "results"
    done = command("rd", "--data", folder, "--codecs", "sweeps.py,png", "--out", out, "--psnr-only")
    assert done.exit_code == 0, done.output
    rows = read_rows(out)
    assert [row.error for row in rows] == [""] * 3 * (5 + 1)
    for name in ("a.png", "b.png", "c.png"):
        points = [(row.value, row.bpp, row.psnr) for row in rows if (row.image, row.label) == (name, "reduced")]
        assert [value for value, _, _ in points] == [10, 20, 35, 50, 75]
        assert points == sorted(points, key=lambda point: point[1])
        assert points[0][2] < points[-1][2]


def test_the_tables_of_the_pages_are_what_the_rows_say(command: Callable[..., Result]) -> None:
    done = command("readme", "--check")
    assert done.exit_code == 0, done.output


def test_a_page_with_other_numbers_is_reported(
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
