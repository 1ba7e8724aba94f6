import numpy as np
import pytest
from collages import KINDS, Kind, make
from hypothesis import given, settings
from hypothesis import strategies as st

from collagecodec.operator.code import Code


@pytest.mark.parametrize("kind", KINDS.values(), ids=KINDS)
@settings(deadline=None, max_examples=20)
@given(seed=st.integers(0, 2**32))
def test_the_factors_multiply_to_the_code(kind: Kind, seed: int) -> None:
    _, code = make(kind, seed)
    a, gamma = code.a, code.gamma
    np.testing.assert_allclose(a * gamma, code.terms, atol=1e-12)
    np.testing.assert_allclose(gamma.sum(-1), 1)
    assert (gamma >= 0).all()
    # One magnitude a range cell: the canonical choice.
    np.testing.assert_allclose(np.abs(a), np.broadcast_to(np.abs(a[..., :1]), a.shape))


@settings(deadline=None, max_examples=20)
@given(seed=st.integers(0, 2**32), terms=st.integers(1, 6), auxiliary=st.integers(0, 4))
def test_codes_are_built_from_the_paper_s_parameters(seed: int, terms: int, auxiliary: int) -> None:
    rng = np.random.default_rng(seed)
    shape = (2, 3, 4, terms + auxiliary)
    a, b = np.tanh(rng.normal(size=(2, *shape)))
    gamma = rng.dirichlet(np.ones(terms + auxiliary), size=shape[:3])
    code = Code.from_factors(a, b, gamma, auxiliary=auxiliary)
    assert code.domain.shape[-1] == terms
    np.testing.assert_allclose(code.terms, gamma * a)
    np.testing.assert_allclose(code.b, (gamma * b).sum(-1))
    again = Code.from_factors(code.a, code.b, code.gamma, auxiliary=auxiliary)
    np.testing.assert_allclose(again.terms, code.terms)


def test_no_terms_weigh_the_same() -> None:
    code = Code(np.zeros((1, 1, 1, 2)), np.zeros((1, 1, 1, 2)), np.zeros((1, 1, 1)))
    np.testing.assert_array_equal(code.gamma, np.full((1, 1, 1, 4), 0.25))
    np.testing.assert_array_equal(code.a, np.zeros((1, 1, 1, 4)))


def test_codes_that_do_not_contract_are_refused() -> None:
    one = np.ones((1, 1, 1, 2))
    with pytest.raises(ValueError, match="below 1"):
        Code(one * 0.5, one, one[..., 0])
    with pytest.raises(ValueError, match="not be contractive"):
        Code.from_factors(a=np.array([[[[1.0, 0.1]]]]), b=np.zeros((1, 1, 1)), gamma=one / 2)
    # Auxiliary terms may be of any size.
    assert Code(one * 0.4, one * 100, one[..., 0]).lipschitz() == pytest.approx(0.8)


def test_malformed_codes_are_refused() -> None:
    zeros = np.zeros((2, 3, 4, 5))
    with pytest.raises(ValueError, match="same blocks and cells"):
        Code(zeros, zeros[:, :, :3], zeros[..., 0])
    with pytest.raises(ValueError, match="indices of"):
        Code(zeros, zeros, zeros[..., 0], np.zeros((2, 3, 4, 1), np.int64))
    with pytest.raises(ValueError, match="non-negative integers"):
        Code(zeros, zeros, zeros[..., 0], np.full((2, 3, 4, 5), -1))
    with pytest.raises(ValueError, match="finite"):
        Code(zeros, np.full_like(zeros, np.nan), zeros[..., 0])
    with pytest.raises(ValueError, match="add up to 1"):
        Code.from_factors(zeros, zeros, zeros)
    with pytest.raises(ValueError, match="auxiliary terms were given"):
        Code.from_factors(zeros, zeros, zeros + 0.2, auxiliary=6)


def test_blocks_are_taken_out() -> None:
    operator, code = make(KINDS["box, sparse, coloured atoms"])
    z = np.random.default_rng(0).normal(size=(2, 3, 12, 24))
    np.testing.assert_allclose(operator(code.take([1]), z[1:]), operator(code, z)[1:])
    assert code.blocks == 2
    assert code.channels == 3
