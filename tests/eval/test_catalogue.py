from pathlib import Path

import pytest

from collagecodec.codecs import registry
from collagecodec.codecs.base import Codec
from eval.harness import catalogue
from eval.harness.catalogue import NoSuchSweepError

FAULTY = str(Path(__file__).with_name("faulty.py"))


def _labels(spec: str) -> list[str]:
    return [sweep.label for sweep in catalogue.resolve(spec)]


def test_names_patterns_and_files() -> None:
    assert _labels("jpeg") == ["jpeg"]
    assert _labels("jpeg2000-*") == ["jpeg2000-rate", "jpeg2000-psnr"]
    assert _labels(FAULTY) == ["faulty"]
    assert set(_labels("default")) < set(_labels("all"))


def test_changed_settings_make_another_label() -> None:
    (sweep,) = catalogue.resolve("avif-420-s6@speed=9,quality=20/40")
    assert sweep.label == "avif-420-s6@speed=9,quality=20/40"
    assert sweep.values == (20, 40)
    assert sweep.codec(20).config == {
        "name": "avif", "quality": 20, "subsampling": "4:2:0", "speed": 9, "tune": "", "threads": 1,
    }  # fmt: skip


@pytest.mark.parametrize("spec", ["none-such", "absent.py", str(Path(__file__))])
def test_what_is_not_there(spec: str) -> None:
    with pytest.raises(NoSuchSweepError):
        catalogue.resolve(spec)


@pytest.mark.parametrize("spec", ["jpeg@quality", "jpeg@quality=high", "jpeg@quality=true", "jpeg@=3"])
def test_settings_that_cannot_be_read(spec: str) -> None:
    with pytest.raises(ValueError, match=r"separated by slashes|write key=value"):
        catalogue.resolve(spec)


def test_what_cannot_be_measured_is_left_out_with_a_word(monkeypatch: pytest.MonkeyPatch) -> None:
    entry = registry.Entry(1, "no_such_module", "Codec", extra="train")
    monkeypatch.setattr(registry, "ENTRIES", {"collage": entry})
    chosen, left_out = catalogue.choose(["collage", "jpeg", "jpeg"])
    assert [sweep.label for _, sweep in chosen] == ["jpeg"]
    assert "pip install 'collagecodec[train]'" in left_out["collage"]
    monkeypatch.setattr(registry, "ENTRIES", {})
    assert catalogue.problem(catalogue.known()["collage"]) == "not part of this version"


def test_no_two_sweeps_share_a_label() -> None:
    labels = _labels("all")
    assert len(labels) == len(set(labels))


def test_the_registry_knows_only_codecs_that_exist() -> None:
    for name in registry.names():
        made = registry.codec_class(name)
        assert issubclass(made, Codec)
        assert made.name == name


def test_the_registry_refuses_what_it_does_not_know() -> None:
    with pytest.raises(registry.UnknownCodecError, match="no codec named 'gif'"):
        registry.get("gif")
    with pytest.raises(ValueError, match="'name'"):
        registry.from_config({"quality": 3})
