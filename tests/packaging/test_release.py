"""What is said in several files about a release is the same everywhere."""

import re
import tomllib
from pathlib import Path

import pytest

import collagecodec

ROOT = Path(__file__).parents[2]
PYTHONS = ["3.11", "3.12", "3.13", "3.14"]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]


def read(name: str) -> str:
    return (ROOT / name).read_text(encoding="utf-8")


def test_the_version_is_the_same_everywhere() -> None:
    version = collagecodec.__version__
    assert f"\nversion: {version}\n" in read("CITATION.cff")
    heading = re.search(r"^## (\S+), (unreleased|\d{4}-\d\d-\d\d)$", read("CHANGELOG.md"), re.MULTILINE)
    assert heading is not None
    assert heading[1] == version


def test_supported_pythons_are_the_same_everywhere() -> None:
    named = [line.rpartition(" ")[2] for line in PROJECT["classifiers"] if re.search(r":: 3\.\d+$", line)]
    assert named == PYTHONS
    assert PROJECT["requires-python"] == f">={PYTHONS[0]}"
    matrix = ", ".join(f'"{one}"' for one in PYTHONS)
    assert f"python: [{matrix}]" in read(".github/workflows/test.yml")
    assert f"Python {PYTHONS[0]} to {PYTHONS[-1]}" in read("README.md")


@pytest.mark.parametrize("extra", ["train", "eval", "docs", "dev"])
def test_make_installs_what_continuous_integration_installs(extra: str) -> None:
    for name in ("Makefile", ".github/workflows/test.yml"):
        (extras,) = set(re.findall(r"-e ['\"]\.\[([\w,]+)\]['\"]", read(name))) - {"train,eval,dev"}
        assert extra in extras.split(",")


def test_lint_is_the_same_here_and_in_continuous_integration() -> None:
    (recipe,) = re.findall(r"^lint:.*\n((?:\t.*\n)+)", read("Makefile"), re.MULTILINE)
    for command in re.findall(r"^\t\$\(BIN\)/(.+)$", recipe, re.MULTILINE):
        assert f"- run: {command}\n" in read(".github/workflows/test.yml")
    assert "mkdocs build --strict" in read(".github/workflows/test.yml")


def test_every_link_of_the_project_is_the_repository_that_is_cited() -> None:
    (repository,) = re.findall(r"^repository-code: (.+)$", read("CITATION.cff"), re.MULTILINE)
    assert all(url.startswith(repository) for url in PROJECT["urls"].values())
    assert f"repo_url: {repository}\n" in read("mkdocs.yml")
    assert f'REPOSITORY = "{repository}/blob/main/"' in read("docs/links.py")
