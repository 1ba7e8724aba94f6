import numpy as np
import pytest
import torch
from collages import KINDS, Kind, make

from collagecodec.operator.fixed_point import closed_form, iterate
from collagecodec.operator.torch_operator import CodeTensors, TorchOperator, code_tensors

kinds = pytest.mark.parametrize("kind", KINDS.values(), ids=KINDS)


@kinds
@pytest.mark.parametrize("seed", range(3))
def test_both_maps_are_the_same(kind: Kind, seed: int) -> None:
    operator, code = make(kind, seed)
    twin = TorchOperator(operator.geometry)
    table = operator.auxiliary(operator.geometry.support)
    atoms = torch.tensor(table, dtype=torch.float32) if len(table) else None
    z = np.random.default_rng(seed).normal(size=(2, 3, 12, 24))
    ours = twin(code_tensors(code), atoms, torch.tensor(z, dtype=torch.float32))
    np.testing.assert_allclose(ours.numpy(), operator(code, z), atol=1e-5)
    start = torch.zeros(2, 3, 12, 24)
    fixed = twin.fixed_point(code_tensors(code), atoms, start, 40)
    np.testing.assert_allclose(fixed.numpy(), iterate(operator, code, 40), atol=1e-5)


@kinds
def test_gradients_reach_every_part_of_the_code(kind: Kind) -> None:
    operator, code = make(kind)
    table = operator.auxiliary(operator.geometry.support)
    twin = TorchOperator(operator.geometry).double()
    parts = code_tensors(code, torch.float64)
    learned = [parts.domain, parts.auxiliary, parts.offset, torch.tensor(table)]
    for part in learned:
        part.requires_grad_()
    start = torch.zeros(2, 3, 12, 24, dtype=torch.float64)
    atoms = learned[3] if len(table) else None
    picture = twin.fixed_point(parts, atoms, start, 60)
    weights = torch.tensor(np.random.default_rng(0).normal(size=picture.shape))
    (picture * weights).sum().backward()
    # The derivative along a direction, from the closed form on both sides of the code.
    step = 1e-5
    ahead, behind = (
        closed_form(operator, type(code)(code.domain, code.auxiliary, code.offset + sign * step, code.index))
        for sign in (1, -1)
    )
    slope = ((ahead - behind) * weights.numpy()).sum() / (2 * step)
    assert float(parts.offset.grad.sum()) == pytest.approx(slope, rel=1e-4)
    assert all(part.grad.abs().sum() > 0 for part in learned if part.numel())


def test_codes_keep_their_indices() -> None:
    _, code = make(KINDS["box, sparse, coloured atoms"])
    copied = code_tensors(code)
    assert isinstance(copied, CodeTensors)
    np.testing.assert_array_equal(copied.index.numpy(), code.index)
