"""Zoom: what is compared with what, and the command from pictures to rows."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from click.testing import Result
from PIL import Image
from tiny_model import models_in, scene, write_model

from collagecodec.codecs.dct.codec import DctCodec
from eval.studies.zoom import METHODS, measure, spectral_slope, with_domains


def test_rows_of_a_picture():
    picture = scene(353, 362)
    rows = list(measure("a.png", picture, 2, "step=4", DctCodec(step=4.0)))
    by_method = {row["method"]: row for row in rows}
    assert set(by_method) == {"collage", "lanczos", "bicubic", "bicubic+domains"}
    for method, psnr, ms_ssim, slope in (
        ("collage", 33.28, 18.49, -4.98),
        ("lanczos", 33.32, 18.40, -4.98),
        ("bicubic", 33.20, 18.39, -4.65),
        ("bicubic+domains", 33.26, 18.21, -3.77),
    ):
        measured = [by_method[method][name] for name in ("psnr", "ms_ssim", "slope")]
        assert measured == pytest.approx([psnr, ms_ssim, slope], abs=0.02)
    assert {row["bpp"] for row in rows} == {2.99548}
    assert [row["slope_original"] for row in rows] == pytest.approx([-2.81] * 4, abs=0.02)


def test_spectral_slope_of_known_spectra():
    rng = np.random.default_rng(0)
    noise = rng.normal(0, 1, (256, 256))
    frequency = np.hypot(np.fft.fftfreq(256)[:, None], np.fft.fftfreq(256)[None])
    frequency[0, 0] = 1
    for power in (0.0, 2.0):
        values = np.real(np.fft.ifft2(np.fft.fft2(noise) * frequency ** (-power / 2)))
        grey = 128 + 40 * values / values.std()
        picture = np.repeat(np.clip(grey, 0, 255).astype(np.uint8)[..., None], 3, 2)
        assert spectral_slope(picture) == pytest.approx(-power, abs=0.2)


def test_domains_bring_back_a_texture_that_repeats_itself_at_half_the_size():
    size = 256
    y, x = np.mgrid[0:size, 0:size]
    edges = ((x // 64 + y // 64) % 2 * 120 + 60).astype(np.uint8)
    picture = np.repeat(edges[..., None], 3, 2)
    reduced = np.asarray(Image.fromarray(picture).reduce(2))
    plain = np.asarray(Image.fromarray(reduced).resize((size, size), Image.Resampling.BICUBIC))
    enlarged = with_domains(reduced, 2)
    assert enlarged.shape == picture.shape

    def error(one):
        return np.square(one.astype(float) - picture).mean()

    assert error(enlarged) < 0.7 * error(plain)
    assert with_domains(reduced, 4).shape == (512, 512, 3)


def test_an_interrupted_command_resumes(command: Callable[..., Result], tmp_path: Path) -> None:
    write_model(tmp_path / "models", "aerial")
    folder = tmp_path / "pictures"
    folder.mkdir()
    Image.fromarray(scene(360, 360)).save(folder / "one.png")
    words = ["zoom", "--data", folder, "--out", tmp_path / "out", "--factors", "2", "--qualities"]
    path = tmp_path / "out" / "zoom.jsonl"
    with models_in(tmp_path / "models"):
        assert command(*words, "40").exit_code == 0
        first = path.read_text()
        both = command(*words, "40,80")
        lines = path.read_text().splitlines(keepends=True)
        # Of the second setting, one method is complete and another is torn.
        path.write_text("".join(lines[:5]) + lines[5][:40])
        torn = command(*words, "40,80")
        wrong = command(*words, "much")
    assert both.exit_code == torn.exit_code == 0, torn.output
    assert "".join(lines[:4]) == first
    assert torn.output == both.output
    rows = [json.loads(line) for line in path.read_text().splitlines()]
    assert [row["method"] for row in rows] == [*METHODS, "collage", *METHODS]
    assert rows[4] == rows[5]
    assert len(both.output.splitlines()) == 2 + 2 * len(METHODS)
    assert wrong.exit_code == 1
    assert "integers from 0 to 100" in wrong.output
