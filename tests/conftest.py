"""Fixtures shared by all tests."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings

sys.path.insert(0, str(Path(__file__).parent))
if "PYTEST_XDIST_WORKER" in os.environ:
    # PyTorch's threads wait for each other in busy loops: with as many workers as cores they take turns to stall.
    # OpenBLAS keeps its threads, which some tests count.
    os.environ.setdefault("OPENBLAS_NUM_THREADS", str(os.cpu_count() or 1))
    os.environ.setdefault("OMP_NUM_THREADS", "1")


# A busy machine is no failure: times belong into benchmarks.
settings.register_profile("untimed", settings(), deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("untimed")


@pytest.fixture(scope="session")
def tiny_model(tmp_path_factory: pytest.TempPathFactory) -> Iterator[object]:
    """The network behind the model 'tiny', which is installed while the fixture lives."""
    from tiny_model import models_in, write_model

    root = tmp_path_factory.mktemp("models")
    network = write_model(root)
    with models_in(root):
        yield network
