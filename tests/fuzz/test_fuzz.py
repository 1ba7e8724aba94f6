"""A few seconds of the fuzzer in every test run; `make fuzz` goes on for hours."""

from __future__ import annotations

import os
from random import Random

import hostile
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import collagecodec
from bitstream.container import Reader
from collagecodec.codecs.boundary import UnforeseenError
from collagecodec.codecs.dct.codec import DctCodec
from collagecodec.errors import LimitError

from .files import SEEDS, mutated
from .run import FailureError, attempt, fuzz, request
from .symbols import hostile as hostile_payload

SECONDS = float(os.environ.get("COLLAGE_FUZZ_SECONDS", "6"))


def test_no_file_provokes_a_foreign_error() -> None:
    first = Random().randrange(2**40)
    counts, failures = fuzz(first, 10**9, SECONDS)
    assert not failures
    assert counts.total() > 20
    assert counts["decoded"]


@settings(max_examples=30)
@given(st.randoms(use_true_random=False))
def test_no_file_that_hypothesis_finds_does(random: Random) -> None:
    attempt(mutated(random), request(random))


def test_seeds_name_files() -> None:
    assert [mutated(Random(seed)) for seed in range(40)] == [mutated(Random(seed)) for seed in range(40)]
    assert len({mutated(Random(seed)) for seed in range(200)}) > 180


def test_mutated_files_pass_the_checksums() -> None:
    """What the fuzzer is for: most files get past the container, and many are decoded."""
    good = 0
    for seed in range(300):
        try:
            Reader(mutated(Random(seed)), strict=False).check()
        except collagecodec.CollageError:
            continue
        good += 1
    assert good > 150


@pytest.mark.parametrize(
    "name", sorted({"v1-collage-1.clg", "v1-dct.clg", "v1-coin.clg", "v1-ifs.clg", "v1-pifs.clg"})
)
def test_hostile_symbols_reach_the_decoder(name: str) -> None:
    data, random = hostile.golden(name), Random(1)
    assert name in SEEDS
    payloads = {hostile_payload(data, random) for _ in range(8)} - {None}
    assert len(payloads) > 4
    assert bytes(Reader(data).tile(0)) not in payloads


def test_the_fuzzer_notices(monkeypatch: pytest.MonkeyPatch) -> None:
    """An error of another kind, and one that only the boundary has caught, are failures."""
    data = hostile.golden("v1-dct.clg")
    assert attempt(data, {}) == "decoded"
    for error in (KeyError("x"), AssertionError("x"), MemoryError("x")):

        def fail(*_: object, error: Exception = error, **__: object) -> None:
            raise error

        with monkeypatch.context() as patched:
            patched.setattr(DctCodec, "open", fail)
            with pytest.raises(FailureError, match=r"unforeseen|more memory"):
                attempt(data, {})
            with pytest.raises(LimitError if isinstance(error, MemoryError) else UnforeseenError):
                collagecodec.decode(data)
        with monkeypatch.context() as patched:
            patched.setattr(collagecodec, "decode", fail)
            with pytest.raises(FailureError, match="foreign"):
                attempt(data, {})
