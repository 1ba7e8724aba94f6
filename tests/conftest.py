"""Fixtures shared by all tests."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))


@pytest.fixture(scope="session")
def tiny_model(tmp_path_factory: pytest.TempPathFactory) -> Iterator[object]:
    """The network behind the model 'tiny', which is installed while the fixture lives."""
    from tiny_model import models_in, write_model

    root = tmp_path_factory.mktemp("models")
    network = write_model(root)
    with models_in(root):
        yield network
