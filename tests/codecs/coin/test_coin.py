"""`coin`: what it reaches, its sizes, its exactness, and fits that are interrupted, settle or diverge."""

from __future__ import annotations

import signal
import subprocess
import sys
from dataclasses import replace
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest
from paper_model import scene

from bitstream.container import Reader
from collagecodec.codecs import registry
from collagecodec.codecs.coin import siren
from collagecodec.codecs.coin.codec import FOLDER_VARIABLE, CoinCodec
from collagecodec.codecs.coin.encoder import fitting
from collagecodec.codecs.coin.encoder.fitting import Fitter, FittingError, Plan, key_of
from collagecodec.codecs.coin.encoder.gradients import Gradients, Pixels, initial
from collagecodec.codecs.coin.sine import pi_fixed, sine, sine_table
from collagecodec.codecs.coin.siren import Shape, coordinates
from collagecodec.errors import LimitError, UnsupportedImageError

PICTURE = scene(40, 56)
SMALL = CoinCodec("3x12", "half", steps=400)


def psnr(one: np.ndarray, other: np.ndarray) -> float:
    return float(10 * np.log10(255**2 / max(1e-9, ((one.astype(float) - other) ** 2).mean())))


@pytest.fixture(scope="module")
def stored() -> bytes:
    return SMALL.encode(PICTURE)


def test_a_small_network_learns_a_small_picture(stored: bytes) -> None:
    found = SMALL.decode(stored)
    assert found.shape == PICTURE.shape
    assert psnr(found, PICTURE) > psnr(PICTURE.mean((0, 1)), PICTURE) + 5
    assert len(Reader(stored).tile(0)) == 2 * Shape(3, 12, 3).count
    assert registry.from_config(SMALL.config) == SMALL


@pytest.mark.parametrize("shape", [(1, 1), (1, 1, 3), (1, 9), (23, 2, 3), (17, 29), (5, 40, 3)])
def test_odd_pictures(shape: tuple[int, ...]) -> None:
    codec = replace(SMALL, steps=60)
    picture = np.random.default_rng(3).integers(0, 256, shape, np.uint8)
    data = codec.encode(picture)
    assert codec.decode(data).shape == shape
    for level in (0, 201):
        flat = np.full(shape, level, np.uint8)
        assert np.abs(SMALL.decode(SMALL.encode(flat)).astype(int) - level).max() <= 2
    outputs = 3 if len(shape) == 3 else 1
    assert len(Reader(data).tile(0)) == 2 * Shape(3, 12, outputs).count


def test_pictures_that_cannot_be_stored() -> None:
    for shape, kind, reason in (
        ((4, 4, 4), np.uint8, "convert it to RGB"),
        ((4, 4), np.uint16, "uint16"),
        ((0, 4), np.uint8, "no pixels"),
        ((4,), np.uint8, "not a picture"),
    ):
        with pytest.raises(UnsupportedImageError, match=reason):
            SMALL.encode(np.zeros(shape, kind))  # type: ignore[arg-type]


@pytest.mark.parametrize(
    "settings", [{"net": "5"}, {"net": "5x200"}, {"net": "0x9"}, {"coding": "zip"}, {"steps": 0}, {"fit": "slow"}]
)
def test_settings_out_of_range(settings: dict[str, object]) -> None:
    with pytest.raises(ValueError, match=r"layers|codings|steps|fits"):
        CoinCodec(**settings)  # type: ignore[arg-type]


def test_the_gradient_is_that_of_the_loss() -> None:
    shape = Shape(3, 7, 3)
    rng = np.random.default_rng(1)
    weights = initial(shape, 4)
    direction = rng.standard_normal(shape.count).astype(np.float32)
    with Gradients(shape, Pixels.of(PICTURE, 0)) as gradients:
        gradients.chunk = 100
        _, gradient = gradients.loss(weights, 50, 750)
        step = np.float32(1e-3)
        above = gradients.loss(weights + step * direction, 50, 750)[0]
        below = gradients.loss(weights - step * direction, 50, 750)[0]
    assert (above - below) / (2 * step) == pytest.approx(float(gradient @ direction), rel=0.01)


def test_every_part_of_the_order_is_spread() -> None:
    pixels = Pixels.of(scene(32, 48), 0)
    assert len(np.unique(pixels.inputs[:2], axis=1).T) == 32 * 48
    first = pixels.inputs[:2, : 32 * 48 // 16]
    cells = {(int((y + 2 / 3) * 24 // 4), int((x + 1) * 24 // 4)) for y, x in first.T}
    assert len(cells) == 8 * 12


def test_threads_do_not_change_a_bit(monkeypatch: pytest.MonkeyPatch) -> None:
    found = []
    for threads in ("1", "3"):
        monkeypatch.setenv("COLLAGE_THREADS", threads)
        data = replace(SMALL, steps=30).encode(scene(70, 80))
        found.append((data, SMALL.decode(data, scale=1.7).tobytes()))
    assert found[0] == found[1]


def test_the_sine_table_is_the_sine() -> None:
    import hashlib

    assert abs(pi_fixed() / 2**96 - np.pi) < 1e-15
    exact = 2**29 * np.sin(np.arange(4096) * np.pi / 2048)
    assert np.abs(sine_table() - exact).max() <= 0.5 + 1e-5
    digest = hashlib.sha256(sine_table().astype("<i4").tobytes()).hexdigest()
    assert digest.startswith("73a26067474cfc2e")
    phase = np.arange(0, 2**23, 997, dtype=np.int32)
    assert np.abs(sine(phase) / 2**20 - np.sin(phase * (2 * np.pi / 2**23))).max() < 1e-6
    assert siren.FREQUENCY == 80105306
    document = Path(siren.__file__).parents[3].joinpath("bitstream", "FORMAT.md").read_text(encoding="utf-8")
    assert all(number in document for number in ("`73a26067474cfc2e`", "`c603d77e2dbfb5e3`", "A * 80105306"))


def reference(data: bytes, column: Fraction, row: Fraction) -> list[int]:
    """The levels at a place in stored pixels, in Python's whole numbers, as FORMAT.md has it."""
    reader = Reader(data)
    header, table = reader.header, sine_table().tolist()
    layers, width, _ = header.params
    values = [int(v * 2**24) for v in np.frombuffer(reader.tile(0), "<f2").astype(float).tolist()]
    longest = max(header.width, header.height)
    middle = ((2 * row - header.height) / longest, (2 * column - header.width) / longest)
    inputs = [int((value * 2**20 + Fraction(1, 2)) // 1) for value in middle]
    for layer in range(layers + 1):
        last = layer == layers
        outputs = []
        for _ in range(header.channels if last else width):
            weights, values = values[: len(inputs) + 1], values[len(inputs) + 1 :]
            if not last:
                weights = [(w * 80105306 + 2**23) // 2**24 for w in weights]
            total = sum(w * x for w, x in zip(weights, [*inputs, 2**20], strict=True))
            if last:
                outputs.append(min(max((total // 2**14 * 255 + 2**29) // 2**30, 0), 255))
                continue
            phase = (total + 2**20) // 2**21 % 2**23
            one, other = table[phase // 2048], table[(phase // 2048 + 1) % 4096]
            between = one + ((other - one) * (phase % 2048) + 2**10) // 2**11
            outputs.append((between + 2**8) // 2**9)
        inputs = outputs
    assert not values
    return inputs


def test_decoding_is_what_the_format_says(stored: bytes) -> None:
    found = SMALL.decode(stored)
    for row, column in ((0, 0), (39, 55), (17, 31), (5, 50)):
        half = Fraction(1, 2)
        assert found[row, column].tolist() == reference(stored, column + half, row + half)
    large = SMALL.decode(stored, scale=3, region=(10, 7, 20, 11))
    for row, column in ((0, 0), (32, 59), (16, 20)):
        place = 10 + Fraction(2 * column + 1, 6), 7 + Fraction(2 * row + 1, 6)
        assert large[row, column].tolist() == reference(stored, *place)


def test_whole_numbers_lose_nothing_against_the_network() -> None:
    shape, plan = Shape(4, 16, 3), Plan.annealed(400, 0, 0)
    state = Fitter(PICTURE, shape, plan).run()
    weights = [np.rint(part * 2.0**24).astype(np.int64) for part in shape.split(state.best.astype(np.float64))]
    rows, columns = coordinates(0, 40, 40, 40, 56), coordinates(0, 56, 56, 56, 56)
    exact = siren.Siren(weights).render(rows, columns)
    assert abs(psnr(exact, PICTURE) - max(state.history)) < 0.02


def test_sizes_scales_and_regions(stored: bytes) -> None:
    whole, double = SMALL.decode(stored), SMALL.decode(stored, scale=2)
    assert double.shape == (80, 112, 3)
    assert psnr(double.reshape(40, 2, 56, 2, 3).mean((1, 3)), whole) > 30
    np.testing.assert_array_equal(SMALL.decode(stored, region=(9, 3, 31, 30)), whole[3:33, 9:40])
    np.testing.assert_array_equal(SMALL.decode(stored, scale=2, region=(9, 3, 31, 30)), double[6:66, 18:80])
    np.testing.assert_array_equal(SMALL.decode(stored, size=(112, 80)), double)
    # An odd enlargement has the pixels' own centres among its own.
    np.testing.assert_array_equal(SMALL.decode(stored, scale=3)[1::3, 1::3], whole)
    assert SMALL.decode(stored, scale=0.3).shape == (12, 17, 3)
    with pytest.raises(LimitError, match="output of 56000x40000 pixels is over the limit"):
        SMALL.decode(stored, scale=1000)
    with pytest.raises(ValueError, match="does not lie"):
        SMALL.decode(stored, region=(0, 0, 57, 1))


def test_only_what_is_asked_for_is_evaluated(stored: bytes, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(siren, "BLOCK", 64)
    before = SMALL.decode(stored)
    seen: list[int] = []
    original = siren.Siren.samples
    monkeypatch.setattr(
        siren.Siren, "samples", lambda self, rows, cols: seen.append(len(rows)) or original(self, rows, cols)
    )
    part = SMALL.decode(stored, region=(3, 4, 10, 10))
    assert sum(seen) == 100
    assert max(seen) <= 64
    np.testing.assert_array_equal(part, before[4:14, 3:13])


def test_coordinates_of_huge_pictures_are_exact() -> None:
    total, count = 2**24, 7
    found = coordinates(5, total - 5, count, total, total)
    for index in range(count):
        place = 5 + Fraction(2 * index + 1, 2 * count) * (total - 5)
        assert found[index] == ((2 * place - total) / total * 2**20 + Fraction(1, 2)) // 1


def test_decoding_needs_no_torch(stored: bytes, tmp_path: Path) -> None:
    (tmp_path / "p.clg").write_bytes(stored)
    code = (
        "import sys, collagecodec; collagecodec.read('p.clg');"
        "assert not {'torch', 'collagecodec.encoder'} & set(sys.modules), 'torch'"
    )
    subprocess.run([sys.executable, "-c", code], cwd=tmp_path, check=True)


@pytest.mark.parametrize("fit", ["annealed", "published"])
def test_an_interrupted_fit_continues_to_the_same_bits(tmp_path: Path, fit: str) -> None:
    codec = replace(SMALL, fit=fit, steps=90, checkpoint=str(tmp_path / "fit"))
    expected = replace(codec, checkpoint="").encode(PICTURE)
    for at in (0.3, 0.7):

        def stop(share: float, note: str, at: float = at) -> None:
            if share > at:
                raise KeyboardInterrupt

        with pytest.raises(KeyboardInterrupt, match=r"step \d+ of 90 is kept in .*fit; the same command"):
            codec.encode(PICTURE, stop)
    shares: list[float] = []
    assert codec.encode(PICTURE, lambda share, note: shares.append(share)) == expected
    assert min(shares) > 0.7
    shares.clear()
    assert codec.encode(PICTURE, lambda share, note: shares.append(share)) == expected
    assert shares == []


def test_a_checkpoint_of_another_fit_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "fit"
    codec = replace(SMALL, steps=20, checkpoint=str(path))
    codec.encode(PICTURE)
    for other, picture in (
        (replace(codec, net="2x9"), PICTURE),
        (codec, PICTURE[::-1]),
        (replace(codec, seed=1), PICTURE),
    ):
        with pytest.raises(FittingError, match="another picture or to other settings"):
            other.encode(picture)
    for damaged in (b"", b"nothing", path.read_bytes()[:900]):
        path.write_bytes(damaged)
        with pytest.raises(FittingError, match="remove it"):
            codec.encode(PICTURE)
    monkeypatch.setenv(FOLDER_VARIABLE, str(tmp_path))
    replace(codec, checkpoint="").encode(PICTURE)
    assert len(list(tmp_path.glob("coin-3x12-*.fit"))) == 1


def test_a_plateau_ends_the_fit(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(fitting, "CHECK", 10)
    shape = Shape(2, 8, 1)
    flat = np.full((20, 20), 90, np.uint8)
    state = Fitter(flat, shape, Plan.annealed(1000, 0.01, 0)).run()
    assert 200 <= state.step < 1000
    assert Fitter(flat, shape, Plan.annealed(state.step + 100, 0, 0)).run().step == state.step + 100
    # A picture that is still being learned is no plateau.
    assert Fitter(PICTURE, Shape(3, 12, 3), Plan.annealed(400, 0.01, 0)).run().step == 400


def test_the_best_state_is_kept() -> None:
    shape, plan = Shape(3, 12, 3), Plan(120, 0, 0.02, False, 0, 0)
    state = Fitter(PICTURE, shape, plan).run()
    with Gradients(shape, Pixels.of(PICTURE, 0)) as gradients:
        found = 10 * np.log10(255**2 / gradients.squared_error(state.best))
    assert found == pytest.approx(max(state.history))


def test_a_fit_that_diverges_is_slowed_and_in_the_end_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    shape = Shape(3, 12, 3)
    with monkeypatch.context() as patch:
        nothing = np.full(shape.count, np.nan, np.float32)
        patch.setattr(Gradients, "loss", lambda *_: (float("nan"), nothing))
        with pytest.raises(FittingError, match="smaller rate"):
            Fitter(PICTURE, shape, Plan.annealed(60, 0, 0)).run()
    monkeypatch.setattr(fitting, "CHECK", 30)
    fitter = Fitter(PICTURE, shape, Plan.annealed(200, 0, 0))
    good = fitter.run()
    assert fitter.plan.interval == 10
    fallen = replace(good, weights=np.zeros_like(good.weights))
    with Gradients(shape, fitter.pixels) as gradients:
        for checks in (1, 2):
            fallen = fitter._checked(fallen, gradients)
            assert (fallen.slowed, len(fallen.history)) == (0, len(good.history) + checks)
        fallen = fitter._checked(fallen, gradients)
        # At the smallest rate there is nothing left to try: the fit goes on.
        lost = replace(fallen, weights=np.zeros_like(good.weights), slowed=4)
        assert fitter._checked(lost, gradients).slowed == 4
    assert fallen.slowed == 1
    assert fallen.weights is good.best
    assert fallen.calm == good.step


def test_keys_of_fits() -> None:
    shape, plan = Shape(3, 12, 3), Plan.published(1000, 0.01, 0)
    key = key_of(PICTURE, shape, plan)
    # At a constant rate more steps may follow, as long as the checks come at the same steps.
    more = replace(plan, steps=20_000, plateau=0.5)
    assert key_of(PICTURE, shape, more) == key_of(PICTURE, shape, replace(more, steps=30_000))
    assert key != key_of(PICTURE, shape, replace(plan, rate=1e-3))
    annealed = Plan.annealed(20_000, 0.01, 0)
    assert key_of(PICTURE, shape, annealed) != key_of(PICTURE, shape, replace(annealed, steps=30_000))


def test_ctrl_c_on_the_command_line(tmp_path: Path) -> None:
    from PIL import Image

    Image.fromarray(PICTURE).save(tmp_path / "p.png")
    command = [sys.executable, "-m", "collagecodec.cli.main", "encode", "--codec", "coin", "--set", "net=3x12"]
    command += ["--set", "coding=half", "--steps"]
    code = (
        "import os, signal, sys\n"
        "from collagecodec.codecs.coin.encoder import fitting\n"
        "from collagecodec.cli.main import run\n"
        "original = fitting.Fitter._report\n"
        "def report(self, step, loss):\n"
        "    original(self, step, loss)\n"
        "    if step == 40: os.kill(os.getpid(), signal.SIGINT)\n"
        "fitting.Fitter._report = report\n"
        "sys.exit(run(sys.argv[1:]))\n"
    )
    stopped = subprocess.run(
        [sys.executable, "-c", code, *command[3:], "100", "p.png"], cwd=tmp_path, capture_output=True, text=True
    )
    assert stopped.returncode == 128 + signal.SIGINT, stopped.stderr
    assert "of 100 is kept in p.clg.fit; the same command continues" in stopped.stderr
    assert (tmp_path / "p.clg.fit").exists()
    subprocess.run([*command, "100", "p.png"], cwd=tmp_path, check=True, capture_output=True)
    assert not (tmp_path / "p.clg.fit").exists()
    assert (tmp_path / "p.clg").read_bytes() == replace(SMALL, steps=100).encode(PICTURE)
