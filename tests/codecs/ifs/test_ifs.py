"""The codec `ifs`: exact decoding, sizes and regions, what it refuses."""

from __future__ import annotations

import subprocess
import sys
from dataclasses import replace
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bitstream.container import Header, Reader, write
from collagecodec.codecs.ifs import code
from collagecodec.codecs.ifs.codec import ColourDroppedWarning, FitRestartedWarning, IfsCodec
from collagecodec.codecs.ifs.decoder import rendered
from collagecodec.codecs.ifs.format import packed
from collagecodec.errors import FormatError, LimitError, UnsupportedImageError
from collagecodec.fractals import chaos_game
from collagecodec.fractals.chaos_game import KERNELS, SETTLING, WALKERS, Frame, Game, draw
from collagecodec.fractals.ifs import IFS
from collagecodec.sampling.request import Request

MAPS = np.array(
    [[32, 0, 0, 32, -32, -32], [32, 0, 0, 32, 32, -32], [30, -9, 9, 30, 3, 35], [-12, 5, 2, 20, 1, -7]], np.int64
)
GAME = Game(MAPS, bits=6, kernel=4, gain=1200, density=40, seed=7)


def small_disk(side: int = 24) -> np.ndarray:
    rows, columns = np.mgrid[:side, :side]
    inside = (rows - side / 2 + 0.5) ** 2 + (columns - side / 2 + 0.5) ** 2 < (side / 3) ** 2
    return np.where(inside, 255, 0).astype(np.uint8)


def file_of(game: Game, width: int = 23, height: int = 17, flags: int = 0, channels: int = 1) -> bytes:
    return packed(game, flags, width, height, channels)


def reference(game: Game, frame: Frame) -> list[list[int]]:
    """The picture by the words of FORMAT.md, in Python's integers, one point after the other."""
    mask = 2**64 - 1
    shares = [abs(a * d - b * c) + 1 for a, b, c, d, _, _ in game.maps.tolist()]
    ends = [(sum(shares[: n + 1]) << 32) // sum(shares) for n in range(len(shares))]
    (x0, y0, w, h), (width, height) = frame.region, frame.size
    taps, times = KERNELS[game.kernel], frame.spread(game)
    steps = max(1, -(-frame.pixels * game.density // (16 * WALKERS * times)))
    # The kernel between its taps is linear.
    line = {j: (taps[abs(j)] if abs(j) < len(taps) else 0) for j in range(-len(taps), len(taps) + 1)}
    wide = {
        o: line[o // times] * (times - o % times) + line[o // times + 1] * (o % times)
        for o in range(-len(taps) * times, len(taps) * times)
    }
    rim = len(taps) * times - 1
    hits: dict[tuple[int, int], int] = {}
    for walker in range(WALKERS):
        x = y = 0
        for step in range(SETTLING + steps):
            z = ((game.seed << 40) + step * WALKERS + walker + 1) * 0x9E3779B97F4A7C15 & mask
            z = (z ^ z >> 30) * 0xBF58476D1CE4E5B9 & mask
            z = (z ^ z >> 27) * 0x94D049BB133111EB & mask
            draw_ = (z ^ z >> 31) >> 32
            a, b, c, d, s, t = game.maps[next(n for n, end in enumerate(ends) if draw_ < end)].tolist()
            half, unit = 1 << game.bits - 1, 1 << 24 - game.bits - 1
            x, y = (
                min(max((p * x + q * y + half >> game.bits) + r * unit, -(2**26)), 2**26)
                for p, q, r in ((a, b, s), (c, d, t))
            )
            if step >= SETTLING:
                column = ((x + 2**23) * frame.width - x0 * 2**24) * width // (w * 2**24)
                row = ((y + 2**23) * frame.height - y0 * 2**24) * height // (h * 2**24)
                if -rim <= column < width + rim and -rim <= row < height + rim:
                    hits[row, column] = hits.get((row, column), 0) + 1
    points = steps * WALKERS
    divisor = points * times**4
    factor = ((game.gain * frame.pixels << 33) + divisor) // (2 * divisor)
    sums = [[0] * width for _ in range(height)]
    for (row, column), count in hits.items():
        for down in range(max(0, row - rim), min(height, row + rim + 1)):
            for across in range(max(0, column - rim), min(width, column + rim + 1)):
                sums[down][across] += count * wide[row - down] * wide[column - across]
    return [[min(255, one * factor + 2**51 >> 52) for one in line_] for line_ in sums]


@pytest.mark.parametrize(
    "frame",
    [Frame(23, 17, (0, 0, 23, 17), (23, 17)), Frame(23, 17, (3, 2, 11, 9), (11, 9)),
     Frame(11, 9, (0, 0, 11, 9), (33, 27)), Frame(300, 5, (250, 1, 50, 3), (70, 9))],
)  # fmt: skip
def test_pictures_are_those_of_the_specification(frame: Frame, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(chaos_game, "WALKERS", 64)
    monkeypatch.setitem(globals(), "WALKERS", 64)
    found = draw(GAME, frame)
    assert found.max() > 100 > found.min()
    assert found.tolist() == reference(GAME, frame)


def test_kernels_are_gaussians() -> None:
    for taps, tau in zip(KERNELS[1:], (0.25, 0.5, 0.75, 1, 1.5, 2, 3), strict=True):
        expected = [round(256 * np.exp(-(j**2) / tau)) for j in range(len(taps) + 1)]
        assert list(taps) == expected[:-1]
        assert expected[-1] == 0


def test_random_numbers_are_splitmix64() -> None:
    # The third number of the generator with the seed 0, by its authors' program.
    assert int(chaos_game.random32(0, 0)[0]) == 0xE220A8397B1DCDAF >> 32
    assert int(chaos_game.random32(0, 0)[2]) == 0x06C45D188009454F >> 32


@settings(max_examples=20, deadline=None)
@given(x=st.integers(0, 22), y=st.integers(0, 16), data=st.data())
def test_a_region_is_cut_from_the_whole(x: int, y: int, data: st.DataObject) -> None:
    w, h = data.draw(st.integers(1, 23 - x)), data.draw(st.integers(1, 17 - y))
    whole = IfsCodec().decode(file_of(GAME))
    assert (IfsCodec().decode(file_of(GAME), region=(x, y, w, h)) == whole[y : y + h, x : x + w]).all()


@pytest.mark.parametrize("scale", [0.3, 0.5, 1, 2, 3.7])
@pytest.mark.parametrize("fine", [False, True])
def test_scales_show_the_same_picture(scale: float, fine: bool) -> None:
    game = Game(MAPS, 6, 4, 700, 96, 1, fine)
    native, other = (IfsCodec().decode(file_of(game, 40, 40), scale=one).astype(float) for one in (1, scale))
    side = -(-40 * Fraction(scale).limit_denominator(4096) // 1)
    assert other.shape == (side, side)
    rows = np.arange(side) * 40 // side
    if fine:
        # The kernel covers less of the picture, the larger it is: the attractor gets thinner, never fatter.
        assert other.mean() < native.mean() + 3
        return
    assert abs(other.mean() - native.mean()) < 5
    assert np.corrcoef(other.ravel(), native[rows][:, rows].ravel())[0, 1] > (0.85 if scale >= 0.5 else 0.75)


def test_maps_come_back() -> None:
    rng = np.random.default_rng(3)
    ifs = IFS(rng.uniform(-0.7, 0.7, (9, 2, 2)), rng.uniform(0, 1, (9, 2)))
    for bits in range(code.MIN_BITS, code.MAX_BITS + 1):
        maps = code.quantised(ifs, bits)
        back = code.unpack(code.pack(maps), 9, bits)
        assert sorted(back.tolist()) == sorted(maps.tolist())
        unit = back[:, :4].reshape(-1, 2, 2) / 2**bits
        nearest = [np.abs(unit - one).max((1, 2)).min() for one in ifs.A]
        assert max(nearest) <= 0.5 / 2**bits + 1e-12


@settings(max_examples=60, deadline=None)
@given(draw_=st.data())
def test_hostile_files_are_refused_or_decode(draw_: st.DataObject) -> None:
    reader = Reader(file_of(GAME))
    params, payload = bytearray(reader.header.params), bytearray(reader.tile(0))
    for part in (params, payload):
        for _ in range(draw_.draw(st.integers(0, 3))):
            part[draw_.draw(st.integers(0, len(part) - 1))] = draw_.draw(st.integers(0, 255))
    header = Header(codec=6, width=23, height=17, channels=1, params=bytes(params))
    for options in ({}, {"scale": 0.3}, {"region": (3, 2, 9, 9)}, {"size": (40, 5)}):
        try:
            found = IfsCodec().decode(write(header, [bytes(payload)]), **options)  # type: ignore[arg-type]
        except FormatError:
            continue
        assert found.dtype == np.uint8


@pytest.mark.parametrize(
    ("width", "height", "options"),
    [(2**20, 4, {}), (9000, 9000, {}), (16, 16, {"size": (2**16, 2**16)}),
     (16000, 16000, {"region": (0, 0, 8, 8), "scale": 64}), (1, 1, {"scale": 8000}),
     (16384, 16384, {"region": (0, 0, 1, 1)})],
)  # fmt: skip
def test_what_would_take_too_long_is_refused(width: int, height: int, options: dict[str, object]) -> None:
    with pytest.raises(LimitError, match=r"size|pixels a side"):
        IfsCodec().decode(file_of(Game(MAPS, 6, 7, 90, 255, 0), width, height), **options)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    "picture",
    [np.zeros((20, 20), np.uint8), np.full((20, 20), 255, np.uint8), np.full((20, 20), 90, np.uint8),
     np.zeros((1, 1), np.uint8)],
)  # fmt: skip
def test_an_empty_picture_is_refused(picture: np.ndarray) -> None:
    with pytest.raises(UnsupportedImageError, match="empty"):
        IfsCodec().encode(picture)


@pytest.mark.parametrize(
    ("shape", "reason"),
    [
        ((0, 4), "no pixels"),
        ((4, 4, 2), "convert it to L,"),
        ((4, 4, 4), "convert it to RGB,"),
        ((4,), "not a picture"),
    ],
)
def test_other_arrays_are_refused(shape: tuple[int, ...], reason: str) -> None:
    with pytest.raises(UnsupportedImageError, match=reason):
        IfsCodec().encode(np.zeros(shape, np.uint8))


@pytest.mark.parametrize(
    "setting", [{"maps": 1}, {"maps": 65}, {"bits": 3}, {"method": "luck"}, {"steps": 0}, {"threshold": 256}]
)
def test_settings_out_of_range(setting: dict[str, object]) -> None:
    with pytest.raises(ValueError, match=next(iter(setting))):
        IfsCodec(**setting)  # type: ignore[arg-type]


QUICK = IfsCodec(maps=4, steps=40, side=12, refine=0)


def test_a_disk_is_learned_and_light_ground_too() -> None:
    disk = small_disk()
    data = QUICK.encode(disk)
    assert len(data) < 90
    decoded = QUICK.decode(data)
    assert set(np.unique(decoded)) == {0, 255}
    assert ((decoded & disk) > 0).sum() / ((decoded | disk) > 0).sum() > 0.6
    # Dark on light is the same shape with a flag.
    assert (QUICK.decode(QUICK.encode(255 - disk)) == 255 - decoded).all()


def test_encoding_is_repeatable_and_refining_helps() -> None:
    disk = small_disk(16)
    rough = QUICK.encode(disk)
    assert rough == QUICK.encode(disk)
    fine = replace(QUICK, refine=1).encode(disk)
    assert (QUICK.decode(fine) != disk).mean() <= (QUICK.decode(rough) != disk).mean()


def test_colours_are_dropped_with_a_warning() -> None:
    coloured = np.stack([small_disk(), small_disk() // 2, small_disk() // 4], -1)
    with pytest.warns(ColourDroppedWarning, match="grey"):
        data = IfsCodec(maps=2, steps=1, refine=0, threshold=60).encode(coloured)
    assert IfsCodec().decode(data).shape == (24, 24, 3)


def test_distance_fields_make_files_too() -> None:
    data = IfsCodec(maps=7, steps=12, method="distance", refine=0).encode(small_disk())
    decoded, disk = IfsCodec().decode(data), small_disk()
    assert ((decoded & disk) > 0).sum() / ((decoded | disk) > 0).sum() > 0.6


def test_other_codecs_files_are_refused() -> None:
    header = Header(codec=3, width=8, height=8, channels=1, params=bytes(8))
    with pytest.raises(FormatError, match="not by 'ifs'"):
        IfsCodec().decode(write(header, [b""]))


def test_decoding_imports_no_torch(tmp_path) -> None:  # type: ignore[no-untyped-def]
    (tmp_path / "p.clg").write_bytes(file_of(GAME))
    program = (
        "import sys, collagecodec; collagecodec.read(sys.argv[1], scale=2); "
        "from collagecodec.cli.main import run; "
        "run(['ifs', 'render', sys.argv[1], '--size', '30', '-o', sys.argv[2]]); "
        "assert not {'torch', 'scipy'} & set(sys.modules)"
    )
    done = subprocess.run(
        [sys.executable, "-c", program, str(tmp_path / "p.clg"), str(tmp_path / "p.png")],
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "p.png").exists()


def test_reductions_average_whole_pixels() -> None:
    whole = rendered(GAME, 1, (20, 12), (0, 0, 20, 12), (20, 12))
    half = rendered(GAME, 1, (20, 12), (0, 0, 20, 12), (10, 6))
    means = whole.reshape(6, 2, 10, 2).astype(int).sum((1, 3))
    assert (half == (2 * means + 4) // 8).all()
    assert Request(Fraction(1, 2)).resolve(20, 12)[1] == (10, 6)


def test_a_restart_names_the_seeds(monkeypatch: pytest.MonkeyPatch) -> None:
    from collagecodec.fractals.distance_fields.fitting import Fit

    step = Fit.step

    def broken(self: Fit) -> float:
        loss = step(self)
        if self.settings.seed == 3:
            self.numbers.data[:] = float("nan")
        return loss

    monkeypatch.setattr(Fit, "step", broken)
    codec = IfsCodec(maps=3, steps=2, method="distance", refine=0, seed=3)
    with pytest.warns(FitRestartedWarning, match="seed 3; restarted with seed 4"):
        codec.encode(small_disk())
