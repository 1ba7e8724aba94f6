from dataclasses import replace

import numpy as np
import pytest
import torch

from collagecodec.errors import MissingLibraryError
from collagecodec.fractals.ifs import IFS
from collagecodec.fractals.learning import embedding, native, objective, parameters, rendering
from collagecodec.fractals.learning.config import FitConfig
from collagecodec.fractals.learning.evaluation import errors
from collagecodec.fractals.learning.fitting import Restart, Step, fit

ENGINES = [
    "torch",
    pytest.param("native", marks=pytest.mark.skipif(bool(native.available()), reason="no C++ compiler")),
]
SMALL = FitConfig(maps=3, points=60, batch=6, steps=30)


@pytest.fixture(autouse=True)
def _one_thread():
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


def _systems(count: int, maps: int, dtype: torch.dtype = torch.float32):
    generator = torch.Generator().manual_seed(5)
    numbers = torch.stack([parameters.initial("rotations", maps, generator) for _ in range(count)])
    return numbers.to(dtype).requires_grad_()


def _drawn(numbers, batch: int, length: int):
    A, b = parameters.FORMS["rotations"].maps(numbers)
    uniform = torch.rand(batch, length, generator=torch.Generator().manual_seed(6))
    return A, b, embedding.sample(embedding.bounds(A), uniform), embedding.start(A.float(), b.float()).to(A.dtype)


def _target(side: int = 16) -> np.ndarray:
    half = np.eye(2) / 2
    gasket = IFS([half] * 3, [[0, 0], [0.5, 0], [0, 0.5]]).moved(0.8, (0.1, 0.1))
    points = gasket.points(np.random.default_rng(0).integers(0, 3, (20, 300))).reshape(-1, 2)
    picture = np.zeros((side, side), np.float32)
    x, y = (points * side).astype(int).T
    picture[y, x] = 1
    return picture


@pytest.mark.parametrize("length", [1, 2, 37])
def test_scan_and_loop_agree(length: int) -> None:
    numbers = _systems(2, 4)
    drawn = _drawn(numbers, 3, length)
    points = [form(*drawn) for form in (embedding.loop, embedding.scan)]
    weights = torch.randn(points[0].shape, generator=torch.Generator().manual_seed(0))
    gradients = [torch.autograd.grad((way * weights).sum(), numbers, retain_graph=True)[0] for way in points]
    torch.testing.assert_close(*points)
    torch.testing.assert_close(*gradients, rtol=1e-4, atol=1e-4)


def test_points_are_those_of_the_ifs() -> None:
    A, b, indices, begin = (tensor.detach() for tensor in _drawn(_systems(1, 3), 2, 9))
    points = embedding.loop(A, b, indices, begin)
    frame = IFS(A[0].numpy(), b[0].numpy())
    assert points[0].numpy() == pytest.approx(frame.points(indices[0].numpy()), abs=1e-5)
    picture = IFS(*(part[0].numpy() for part in parameters.to_picture(A.double(), b.double())))
    placed = picture.points(indices[0].numpy()) * (13, 7) - 0.5  # 13 columns, 7 rows
    assert torch.stack(rendering.pixels(points, 7, 13), -1)[0].numpy() == pytest.approx(placed, abs=1e-4)
    back = parameters.to_frame(*parameters.to_picture(A.double(), b.double()))
    torch.testing.assert_close(back, (A, b))


def test_separable_and_plain_rendering_agree() -> None:
    numbers = _systems(2, 4)
    points = embedding.loop(*_drawn(numbers, 3, 20))
    pictures = [form(points, 9, 14, 1.7) for form in (rendering.separable, rendering.plain)]
    gradients = [torch.autograd.grad(part.square().sum(), numbers, retain_graph=True)[0] for part in pictures]
    torch.testing.assert_close(*pictures)
    torch.testing.assert_close(*gradients, rtol=1e-4, atol=1e-4)


def test_gradients_are_finite_differences() -> None:
    numbers = _systems(1, 3, torch.float64)
    _, _, indices, begin = _drawn(numbers, 2, 12)

    def pictures(given):
        # The gradient of a sign is made up: differences do not see it.
        A, b = parameters.FORMS["rotations"].maps(
            torch.cat([given[..., :4], numbers[..., 4:6].detach(), given[..., 4:]], -1)
        )
        return rendering.separable(embedding.loop(A, b, indices, begin), 6, 5, 1.0)

    given = torch.cat([numbers[..., :4], numbers[..., 6:]], -1).detach().requires_grad_()
    assert torch.autograd.gradcheck(pictures, (given,), eps=1e-6, atol=1e-6)


@pytest.mark.skipif(bool(native.available()), reason="no C++ compiler")
@pytest.mark.parametrize("tau", [0.25, 1.0, 4.0, 20.0])
@pytest.mark.parametrize("batch", [2, 7])
def test_the_compiled_form_agrees(tau: float, batch: int) -> None:
    numbers, size = _systems(3, 5), (11, 19)
    A, b, indices, begin = _drawn(numbers, batch, 33)
    b = b * 4  # so that many points lie outside, and at the border
    points = native.embed(A, b, indices, begin), embedding.loop(A, b, indices, begin)
    torch.testing.assert_close(*points)
    pictures = native.render(points[0], *size, tau), rendering.separable(points[1], *size, tau)
    torch.testing.assert_close(*pictures, rtol=1e-5, atol=2e-5)
    weights = torch.randn(pictures[0].shape, generator=torch.Generator().manual_seed(0))
    _same_gradients(numbers, *((picture * weights).sum() for picture in pictures))
    targets = torch.rand(3, *size, generator=torch.Generator().manual_seed(1))
    for clamp in (True, False):
        cut = pictures[1].clamp(max=1) if clamp else pictures[1]
        errors = (
            native.errors(A, b, indices, begin, targets, tau, clamp),
            (cut - targets[:, None]).square().mean((-2, -1)),
        )
        torch.testing.assert_close(*errors, rtol=1e-5, atol=1e-6)
        _same_gradients(numbers, *((losses * weights[..., 0, 0]).sum() for losses in errors))


def _same_gradients(numbers, *values) -> None:
    first, second = (torch.autograd.grad(value, numbers, retain_graph=True)[0] for value in values)
    assert (first - second).abs().max() < 1e-4 * second.abs().max()


@pytest.mark.parametrize("engine", ENGINES)
def test_points_that_run_away_are_noticed(engine: str) -> None:
    # A sequence that leaves the picture for good does not show in it.
    A, b = torch.full((1, 1, 2, 2), 3.0), torch.ones(1, 1, 2)
    A.requires_grad_()
    indices = torch.zeros(1, 4, 90, dtype=torch.uint8)
    renderer = objective.Renderer(8, 8, 1.0, engine)
    loss = renderer.errors(A, b, indices, torch.ones(1, 8, 8), True).sum()
    (gradient,) = torch.autograd.grad(loss, A)
    assert not (torch.isfinite(loss) and torch.isfinite(gradient).all())


@pytest.mark.skipif(bool(native.available()), reason="no C++ compiler")
def test_threads_do_not_change_the_result() -> None:
    numbers = _systems(5, 4)
    A, b, indices, _ = _drawn(numbers, 3, 20)
    gradients = []
    for threads in (1, 3):
        torch.set_num_threads(threads)
        renderer = objective.Renderer(12, 12, 1.0, "native")
        loss = renderer.errors(
            A, b, indices, torch.rand(5, 12, 12, generator=torch.Generator().manual_seed(0)), True
        )
        gradients.append(torch.autograd.grad(loss.sum(), numbers, retain_graph=True)[0])
    assert torch.equal(*gradients)


def test_a_large_window_is_not_compiled() -> None:
    assert "tau is 50" in str(native.available(50.0))
    assert objective.Renderer(8, 8, 50.0).engine == "torch"
    with pytest.raises(MissingLibraryError, match="tau is 50"):
        objective.Renderer(8, 8, 50.0, "native")


def test_singular_values_stay_between_0_and_1() -> None:
    numbers = torch.randn(200, 4, 6, generator=torch.Generator().manual_seed(0)) * 30
    values = torch.linalg.svdvals(parameters.from_rotations(numbers))
    assert values.max() <= 1 + 1e-5
    asked = torch.sigmoid(numbers[..., 2:4]).sort(-1, descending=True).values
    torch.testing.assert_close(values, asked, rtol=1e-4, atol=1e-5)
    signs = torch.where(numbers[..., 4:6] < 0, -1.0, 1.0).prod(-1)
    torch.testing.assert_close(
        torch.linalg.det(parameters.from_rotations(numbers)), signs * asked.prod(-1), rtol=1e-3, atol=1e-5
    )


def test_both_forms_begin_with_the_same_ifs() -> None:
    maps = [
        parameters.FORMS[form].maps(parameters.initial(form, 6, torch.Generator().manual_seed(1)))
        for form in ("rotations", "plain")
    ]
    torch.testing.assert_close(*maps)


@pytest.mark.parametrize("engine", ENGINES)
def test_a_picture_of_an_ifs_is_found_again(engine: str) -> None:
    config = FitConfig(maps=3, points=150, batch=8, steps=200, learning_rate=0.1, engine=engine)
    target = _target()[None]
    fitted = fit(target, config)
    assert fitted.losses[0, 0] > 0.3
    # The IFS that the target was made with, its three maps of the same size, has 0.126.
    assert fitted.losses[0, -20:].mean() < 0.12
    assert fitted.ifs(0).contraction < 1
    assert not fitted.diverged.any()
    least = errors(fitted.A, fitted.b, target, points=150).min()
    assert least < 0.1
    mirrored = errors(fitted.A, fitted.b, target[:, ::-1].copy(), points=150).min()
    assert mirrored > 3 * least


@pytest.mark.parametrize("engine", ENGINES)
@pytest.mark.parametrize("objective", ["expectation", "fixed"])
def test_the_seed_decides(engine: str, objective: str) -> None:
    config, target = replace(SMALL, engine=engine, objective=objective), _target()[None]
    first, again = fit(target, config), fit(target, config)
    assert (first.A == again.A).all()
    assert (first.losses == again.losses).all()
    assert not np.allclose(first.A, fit(target, replace(config, seed=1)).A)


def test_fixed_keeps_the_sequences() -> None:
    target = _target()[None]
    still = replace(SMALL, noise=0.0, learning_rate=1e-9)
    assert np.ptp(fit(target, replace(still, objective="fixed")).losses) < 1e-5
    assert np.ptp(fit(target, still).losses) > 1e-4


def test_a_target_does_not_depend_on_those_beside_it() -> None:
    targets = np.stack([_target(), _target()[::-1], _target()[:, ::-1]])
    together, alone = fit(targets, SMALL), fit(targets[1:2], SMALL)
    assert together.A[1] == pytest.approx(alone.A[0], abs=1e-5)


@pytest.mark.parametrize("change", [{"noise": 0.0}, {"clamp": False}, {"clip": 1e-4}, {"tau": 0.5}])
def test_settings_have_an_effect(change: dict[str, float]) -> None:
    config = replace(SMALL, learning_rate=0.2)
    assert not np.allclose(fit(_target()[None], config).A, fit(_target()[None], replace(config, **change)).A)


def test_what_diverges_is_restarted_with_the_seed_named() -> None:
    restarts: list[Restart] = []
    config = replace(SMALL, form="plain", learning_rate=3.0, seed=7, restarts=2)
    fitted = fit(_target()[None], config, on_restart=restarts.append)
    assert [restart.seed for restart in restarts] == [7, 8, 9]
    assert "diverged at step" in str(restarts[0])
    assert "restarted with seed 8" in str(restarts[0])
    assert "given up" in str(restarts[-1])
    assert fitted.restarts == tuple(restarts)
    assert fitted.diverged.all()
    assert np.isfinite(fitted.A).all()
    assert np.isnan(fitted.losses[0, -1])


def test_only_what_diverged_is_fitted_again(monkeypatch: pytest.MonkeyPatch) -> None:
    real, calls = objective.Renderer.errors, []

    def failing(self, A, b, indices, targets, clamp):
        losses = real(self, A, b, indices, targets, clamp)
        calls.append(len(targets))
        return losses * torch.tensor([1.0, torch.nan]).unsqueeze(1) if len(calls) == 4 else losses

    monkeypatch.setattr(objective.Renderer, "errors", failing)
    steps: list[tuple[int, list[int]]] = []
    targets = np.stack([_target(), _target()[::-1]])
    fitted = fit(
        targets, replace(SMALL, steps=6), on_step=lambda step: steps.append((step.number, step.targets.tolist()))
    )
    assert calls == [2] * 6 + [1] * 6
    assert fitted.seeds.tolist() == [0, 1]
    assert [(restart.target, restart.step, restart.next_seed) for restart in fitted.restarts] == [(1, 4, 1)]
    assert steps[0] == (1, [0, 1])
    assert steps[-1] == (6, [1])
    assert not fitted.diverged.any()


def test_a_step_tells_the_maps_so_far() -> None:
    seen: list[Step] = []
    maps = []

    def look(step: Step) -> None:
        seen.append(step)
        maps.append(step.maps())

    fitted = fit(_target()[None], replace(SMALL, steps=5), on_step=look)
    assert [step.number for step in seen] == [1, 2, 3, 4, 5]
    assert maps[-1][0] == pytest.approx(fitted.A)
    assert maps[-1][1] == pytest.approx(fitted.b)
    assert not np.allclose(maps[0][0], maps[1][0])
    assert seen[2].losses == pytest.approx(fitted.losses[:, 2])


@pytest.mark.parametrize(
    ("targets", "message"),
    [
        (np.zeros((4, 4)), "shape"),
        (np.full((1, 4, 4), 2.0), "from 0"),
        (np.full((1, 4, 4), np.nan), "from 0"),
        (np.zeros((2, 4, 4)), "target 0 is empty"),
    ],
)
def test_bad_targets_are_refused(targets: np.ndarray, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        fit(targets, SMALL)


@pytest.mark.parametrize(
    "change",
    [{"maps": 0}, {"maps": 256}, {"points": 0}, {"tau": 0.0}, {"noise": -1.0}, {"objective": "x"}, {"form": "x"}],
)
def test_bad_settings_are_refused(change: dict[str, object]) -> None:
    with pytest.raises(ValueError, match=next(iter(change))):
        replace(SMALL, **change)
