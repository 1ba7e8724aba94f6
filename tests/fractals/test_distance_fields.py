"""Distance fields of systems of maps: the functions, the union, pruned rendering, the fit."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from collagecodec.errors import LimitError, UnsupportedImageError
from collagecodec.fractals.distance_fields import fitting
from collagecodec.fractals.distance_fields.fitting import CheckpointError, DivergedError, Fit, Settings, fit
from collagecodec.fractals.distance_fields.kinds import KINDS, maps, numbers_of
from collagecodec.fractals.distance_fields.rendering import View, bands, field, pixels
from collagecodec.fractals.distance_fields.shapes import FUNCTIONS, image_distances, smooth_union, spans
from collagecodec.fractals.distance_fields.system import NoSystemError, System
from collagecodec.fractals.distance_fields.target import Target, grid_points

SIDE = 48


def turn(angle: float, mirror: float = 1) -> np.ndarray:
    cosine, sine = math.cos(angle), math.sin(angle)
    return np.array(((cosine, -sine * mirror), (sine, cosine * mirror)))


def outline(shape: str, count: int = 4000) -> np.ndarray:
    """Points of the boundary of a shape at its own size."""
    along = np.linspace(-1, 1, count)
    if shape == "disk":
        return np.stack((np.cos(np.pi * along), np.sin(np.pi * along)), 1)
    if shape == "line":
        return np.stack((along, 0 * along), 1)
    ones = np.ones(count)
    sides = [(along, ones), (along, -ones), (ones, along), (-ones, along)]
    return np.concatenate([np.stack(side, 1) for side in sides])


def inside(shape: str, points: np.ndarray) -> np.ndarray:
    if shape == "disk":
        return (points**2).sum(-1) < 1
    return (np.abs(points) < 1).all(-1) & (shape == "rectangle")


@pytest.mark.parametrize("shape", FUNCTIONS)
@settings(max_examples=20, deadline=None)
@given(
    angle=st.floats(-3, 3), size=st.floats(0.1, 2), mirror=st.sampled_from((-1.0, 1.0)),
    x=st.floats(-1, 1), y=st.floats(-1, 1),
)  # fmt: skip
def test_distances_of_similarities_are_exact(
    shape: str, angle: float, size: float, mirror: float, x: float, y: float
) -> None:
    matrix, offset = size * turn(angle, mirror), np.array((x, y))
    points = np.random.default_rng(1).uniform(-3, 3, (60, 2))
    distances = image_distances(shape, matrix[None], offset[None], points, np)[:, 0]  # type: ignore[arg-type]
    edge = outline(shape) @ matrix.T + offset
    nearest = np.sqrt(((points[:, None] - edge) ** 2).sum(2)).min(1)
    signs = np.where(inside(shape, (points - offset) @ np.linalg.inv(matrix).T), -1, 1)
    np.testing.assert_allclose(distances, signs * nearest, atol=3e-3 * size)


@pytest.mark.parametrize("shape", FUNCTIONS)
def test_distances_of_affine_images(shape: str) -> None:
    matrix, offset = np.array(((0.9, 0.3), (-0.1, 0.2))), np.array((0.2, -0.1))
    points = np.random.default_rng(2).uniform(-1.3, 1.3, (600, 2))
    distances = image_distances(shape, matrix[None], offset[None], points, np)[:, 0]  # type: ignore[arg-type]
    edge = outline(shape, 1000) @ matrix.T + offset
    nearest = np.sqrt(((points[:, None] - edge) ** 2).sum(2)).min(1)
    signs = np.where(inside(shape, (points - offset) @ np.linalg.inv(matrix).T), -1, 1)
    if shape == "line":
        np.testing.assert_allclose(distances, nearest, atol=3e-3)
        return
    assert (np.sign(distances) == signs).all()
    near = nearest < 0.02
    assert near.any()
    # Beyond a corner of a slanted rectangle the first order is not enough.
    beside = near & (np.abs((points - offset) @ np.linalg.inv(matrix).T).min(1) < 0.95)
    assert beside.sum() > 10
    np.testing.assert_allclose(distances[beside], (signs * nearest)[beside], atol=0.004)
    # What lets far images be left out: never below the distance to the disk around the image.
    reach = spans(matrix, np)[0] * (1 if shape == "disk" else math.sqrt(2))
    assert (distances >= np.linalg.norm(points - offset, axis=1) - reach - 1e-12).all()


@settings(max_examples=50, deadline=None)
@given(sharpness=st.floats(0.5, 500), seed=st.integers(0, 99), count=st.integers(1, 40))
def test_the_smooth_union_is_bounded(sharpness: float, seed: int, count: int) -> None:
    distances = np.random.default_rng(seed).normal(0, 1, (20, count))
    union, least = smooth_union(distances, sharpness, np), distances.min(1)
    assert (union <= least + 1e-12).all()
    assert (union >= least - math.log(count) / sharpness - 1e-12).all()
    assert (smooth_union(distances, math.inf, np) == least).all()
    on_torch = smooth_union(torch.from_numpy(distances), sharpness, torch)
    np.testing.assert_allclose(on_torch.numpy(), union, atol=1e-12)


def gasket(shape: str = "disk", depth: int = 3) -> System:
    corners = np.array(((0.0, -0.8), (-0.9, 0.7), (0.9, 0.7)))
    base = np.eye(2) * 0.7 if shape != "rectangle" else turn(0.3) * np.array((0.8, 0.5))
    half = np.array([np.eye(2) / 2] * 3)
    return System(half, corners / 2, shape, base, np.array((0.0, 0.1)), 0.01, depth)  # type: ignore[arg-type]


def leaf() -> System:
    """Affine maps of very different sizes, one of them mirrored."""
    matrices = np.stack(
        (0.8 * turn(0.05), 0.3 * turn(0.9, -1), turn(-0.8) @ np.diag((0.45, 0.2)), 0.25 * turn(2))
    )
    offsets = np.array(((0.02, -0.15), (-0.1, 0.3), (0.2, 0.2), (0, 0.6)))
    return System(matrices, offsets, "disk", np.diag((0.5, 0.4)), np.array((0.05, 0.1)), 0.0, 4)


@pytest.mark.parametrize("system", [gasket(), gasket("line"), gasket("rectangle"), leaf()])
@pytest.mark.parametrize("sharpness", [math.inf, 60.0])
@pytest.mark.parametrize("depth", [1, 4])
def test_pruned_rendering_is_the_unpruned_one(system: System, sharpness: float, depth: int) -> None:
    view = View(61, 47, depth, sharpness)
    matrices, offsets = system.images(depth)
    points = grid_points(47, 61).reshape(-1, 2)
    everything = image_distances(system.shape, matrices, offsets, points, np)
    expected = smooth_union(everything, sharpness, np) - system.stroke
    clipped = np.clip(expected, -view.unit / 2, view.unit / 2).reshape(47, 61)
    assert len(np.unique(clipped)) > 5
    np.testing.assert_allclose(field(system, view), clipped, atol=1e-12)


def test_the_disk_holds_everything() -> None:
    for system in (gasket(), gasket("rectangle"), leaf()):
        centre, radius = system.disk()
        for depth in (0, 1, 5):
            matrices, offsets = system.images(depth)
            points = outline(system.shape, 50) @ matrices.transpose(0, 2, 1) + offsets[:, None]
            assert np.linalg.norm(points - centre, axis=-1).max() <= radius + 1e-9


def test_tiles_and_bands_are_cut_from_the_whole(monkeypatch: pytest.MonkeyPatch) -> None:
    from collagecodec.fractals.distance_fields import rendering

    view = View(100, 70, 5)
    whole, picture = field(leaf(), view), pixels(leaf(), view)
    assert (field(leaf(), view, (33, 20, 41, 27)) == whole[20:47, 33:74]).all()
    monkeypatch.setattr(rendering, "TILE", 32)
    assert (np.concatenate(list(bands(leaf(), view))) == picture).all()


def test_as_deep_as_pixels_show() -> None:
    # Every map halves: the images of the disk of radius 0.7 are below one and a half of 64 pixels at depth 4.
    assert (pixels(gasket(), View(64, 64, 0)) == pixels(gasket(), View(64, 64, 4))).all()
    with pytest.raises(LimitError, match="pixels a side"):
        View(2**20, 4)


def test_edges_are_smoothed_by_coverage() -> None:
    disk = System(np.array([np.eye(2) * 0.5] * 2), np.zeros((2, 2)), "disk", np.eye(2) * 0.8)
    share = pixels(disk, View(64, 64, 1)).sum() / 255 / 64**2
    assert share == pytest.approx(np.pi * 0.4**2 / 4, rel=2e-3)


def test_systems_are_stored_and_checked(tmp_path: Path) -> None:
    leaf().save(tmp_path / "s.json")
    again = System.load(tmp_path / "s.json")
    assert (again.matrices == leaf().matrices).all()
    assert again.to_json() == leaf().to_json()
    for text in ("", "[]", "{}", leaf().to_json().replace("disk", "cat"), leaf().to_json().replace("0.5", "NaN")):
        with pytest.raises(NoSystemError):
            System.from_json(text)
    with pytest.raises(NoSystemError, match="contract"):
        System(np.array([np.eye(2)]), np.zeros((1, 2)))
    ifs = leaf().ifs(30, 60)
    point = leaf().matrices[1] @ (0.3, -0.2) + leaf().offsets[1]
    # In the picture twice as wide as high, y = 0.5 of the plane is the lower edge.
    np.testing.assert_allclose(ifs.A[1] @ (0.65, 0.3) + ifs.b[1], (point[0] / 2 + 0.5, point[1] + 0.5))


@pytest.mark.parametrize("kind", KINDS)
def test_numbers_make_the_maps_they_come_from(kind: str) -> None:
    rng = np.random.default_rng(5)
    for mirror in (1.0, -1.0):
        size = rng.uniform(0.1, 0.9, 2) if kind == "affine" else np.full(2, 0.6)
        matrix = turn(rng.uniform(-3, 3)) * size @ turn(rng.uniform(-3, 3), mirror)
        offset = rng.uniform(-1, 1, 2)
        numbers = torch.tensor(numbers_of(kind, matrix, offset))[None]  # type: ignore[arg-type]
        matrices, moved = maps(kind, numbers, torch.tensor([mirror]))  # type: ignore[arg-type]
        np.testing.assert_allclose(matrices[0], matrix, atol=1e-6)
        np.testing.assert_allclose(moved[0], offset, atol=1e-6)
    wild = torch.from_numpy(rng.normal(0, 50, (9, 6 if kind == "affine" else 4)))
    matrices, _ = maps(kind, wild, torch.ones(9))  # type: ignore[arg-type]
    assert float(spans(matrices, torch)[0].max()) < 1


def sierpinski_target() -> Target:
    return Target(pixels(gasket(), View(SIDE, SIDE, 3)) >= 128)


def test_the_distances_of_a_target() -> None:
    target = Target(np.pad(np.ones((6, 6), bool), 5))
    distances = target.distances() / target.unit
    assert distances[8, 8] == pytest.approx(-2.5)
    assert distances[5, 8] == pytest.approx(-0.5)
    assert distances[4, 8] == pytest.approx(0.5)
    assert distances[8, 0] == pytest.approx(4.5)
    with pytest.raises(UnsupportedImageError, match="empty"):
        Target(np.zeros((4, 4), bool))


SHORT = Settings(maps=3, kind="square", steps=60, points=200, depth=3, seed=1)


def test_a_gasket_is_recovered() -> None:
    target = sierpinski_target()
    system = fit(target, SHORT)
    assert spans(system.matrices, np)[0] == pytest.approx(0.5, abs=0.03)
    drawn = pixels(system, View(SIDE, SIDE, 3)) >= 128
    assert (drawn & target.mask).sum() / (drawn | target.mask).sum() > 0.7


def test_a_checkpoint_goes_on_to_the_same_result(tmp_path: Path) -> None:
    target, settings_, path = (
        sierpinski_target(),
        Settings(maps=3, steps=9, points=60, depth=2),
        tmp_path / "c.pt",
    )
    straight = fit(target, settings_)

    def stop(step: int, loss: float, current: Fit) -> None:
        if step == 5:
            current.save(path)
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        fit(target, settings_, watch=stop)
    seen: list[int] = []
    resumed = fit(target, settings_, checkpoint=path, watch=lambda step, *_: seen.append(step))
    assert seen == [6, 7, 8, 9]
    assert resumed.to_json() == straight.to_json()
    with pytest.raises(CheckpointError, match="other settings"):
        fit(target, Settings(maps=3, steps=10, points=60, depth=2), checkpoint=path)
    path.write_bytes(b"nothing")
    with pytest.raises(CheckpointError, match="not a checkpoint"):
        fit(target, settings_, checkpoint=path)


def test_divergence_is_caught_and_the_seeds_named(monkeypatch: pytest.MonkeyPatch) -> None:
    step, messages = Fit.step, list[str]()

    def broken(self: Fit) -> float:
        loss = step(self)
        if self.settings.seed < bound:
            with torch.no_grad():
                self.numbers[0, 0] = torch.nan
        return loss

    monkeypatch.setattr(fitting.Fit, "step", broken)
    quick = Settings(maps=2, steps=2, points=20, depth=1, seed=4)
    bound = 5
    assert np.isfinite(fit(sierpinski_target(), quick, on_restart=messages.append).matrices).all()
    assert messages == ["the fit diverged with seed 4; restarted with seed 5"]
    bound = 99
    with pytest.raises(DivergedError, match=r"seeds 4 \.\. 6"):
        fit(sierpinski_target(), quick)


@pytest.mark.parametrize("setting", [{"maps": 1}, {"kind": "wavy"}, {"steps": 0}, {"maps": 60, "depth": 9}])
def test_settings_out_of_range(setting: dict[str, object]) -> None:
    with pytest.raises(ValueError, match=r"maps|kinds|steps"):
        Settings(**setting)  # type: ignore[arg-type]
