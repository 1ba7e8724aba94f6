"""The map of `pifs`: known codes are found again, the collage theorem holds, the shared operator agrees."""

from __future__ import annotations

import numpy as np
import pytest
from pifs_scenes import known, scene

import collagecodec
from bitstream.container import Reader
from collagecodec.codecs.pifs.codec import PifsCodec
from collagecodec.codecs.pifs.decoder import Picture
from collagecodec.codecs.pifs.encoder import search
from collagecodec.codecs.pifs.layout import Layout, PartitionParams
from collagecodec.operator.fixed_point import closed_form, collage_bound, iterate
from collagecodec.operator.geometry import apply_isometry


def encoder(cell: int, augment: bool) -> PifsCodec:
    return PifsCodec(
        coding="fixed", largest=cell, smallest=cell, smallest_domain=cell, domain_step=cell, window=0,
        augment=augment, mean_bits=8, chroma=1,
    )  # fmt: skip


@pytest.mark.parametrize("augment", [True, False])
@pytest.mark.parametrize("seed", [0, 1])
def test_a_picture_made_by_a_known_code_is_recovered(augment: bool, seed: int) -> None:
    data, tree = known(8, 96, seed, augment)
    picture = PifsCodec().decode(data)
    # Not flat: there is something to find.
    assert picture.std() > 20
    again = encoder(8, augment).encode(picture)
    (found,) = Picture(Reader(again)).trees(0)
    same = (found.levels[0].place == tree.levels[0].place).all(0)
    assert same.mean() > 0.9
    assert np.abs(found.levels[0].a - tree.levels[0].a)[same].max() <= 1
    np.testing.assert_array_equal(found.roots[same], tree.roots[same])
    difference = PifsCodec().decode(again).astype(float) - picture
    assert (difference**2).mean() < 4


@pytest.mark.parametrize("coding", ["fixed", "entropy"])
def test_the_shared_operator_has_the_same_fixed_point(coding: str) -> None:
    picture = scene(32, 48, 1, grey=True)
    codec = encoder(8, True) if coding == "fixed" else PifsCodec(step=30.0, largest=16, smallest=4, window=4)
    data = codec.encode(picture)
    (found,) = collagecodec.collages(data)
    assert found.planes == "Y"
    assert found.code.lipschitz() < 1
    gamma = found.code.gamma
    np.testing.assert_array_equal(gamma, np.ones_like(gamma))
    assert np.any(found.code.a != 0)
    start = np.random.default_rng(0).normal(0, 90, found.operator.start(found.code).shape)
    levels = iterate(found.operator, found.code, 60, start)[0, 0]
    np.testing.assert_allclose(levels, closed_form(found.operator, found.code)[0, 0], atol=0.6)
    pixels = np.clip(levels[:32, :48] + 128, 0, 255)
    # Roundings to 1/16 and 1/64, and half a level that the last application may change.
    assert np.abs(pixels - codec.decode(data)).max() < 3
    assert np.abs(pixels - codec.decode(data)).mean() < 0.6


def test_twice_the_size_is_the_operator_at_twice_the_size() -> None:
    codec = encoder(8, True)
    data = codec.encode(scene(48, 48, 2, grey=True))
    (found,) = collagecodec.collages(data)
    levels = iterate(found.operator.at(2), found.code, 60)[0, 0]
    difference = np.clip(levels + 128, 0, 255) - codec.decode(data, scale=2)
    assert np.abs(difference).mean() < 1


@pytest.mark.parametrize("grey", [True, False])
def test_the_collage_theorem_bounds_the_error(grey: bool) -> None:
    picture = scene(40, 56, 3, grey)
    data = PifsCodec(step=25.0, chroma=1).encode(picture)
    found = collagecodec.collages(data)
    assert "".join(one.planes for one in found) == ("Y" if grey else "YCbCr")
    luma = picture if grey else picture @ np.array((0.299, 0.587, 0.114))
    padded = np.pad(luma - 128.0, ((0, 24), (0, 8)), mode="edge")[None, None]
    bound = collage_bound(found[0].operator, found[0].code, padded)
    fixed = iterate(found[0].operator, found[0].code, 80)
    error = np.abs(fixed - padded).max()
    assert 0 < error <= bound
    assert np.isfinite(bound)


@pytest.mark.parametrize("isometry", range(8))
@pytest.mark.parametrize("sign", [1, -1])
def test_a_turned_domain_cell_is_found(isometry: int, sign: int) -> None:
    rng = np.random.default_rng(isometry)
    source = np.kron(rng.normal(0, 30, (16, 16)), np.ones((2, 2)))
    layout = Layout(32, 32, PartitionParams(8, 8, 8, 4, 0, True))
    domain = search.pooled(source)[4:12, 0:8]
    turned = 40 + sign * 0.5 * apply_isometry(domain, isometry)
    plane = np.zeros((32, 32))
    plane[8:16, 16:24] = turned
    found = search.search(plane, source, layout, 8, search.exact)
    assert found.place[:, 1, 2].tolist() == [1, 0, isometry]
    assert found.covariance[1, 2] / found.energy[1, 2] == pytest.approx(sign * 0.5)


@pytest.mark.parametrize("signed", [True, False])
def test_the_exact_search_is_that_of_a_loop(signed: bool) -> None:
    rng = np.random.default_rng(4)
    ranges, domains = (rng.normal(0, spread, (n, 16)).astype(np.float32) for n, spread in ((20, 20), (50, 12)))
    ranges -= ranges.mean(1, keepdims=True)
    domains -= domains.mean(1, keepdims=True)
    domains[7] = 0
    index, isometry = search.exact(ranges, domains, tuple(range(8)), signed)
    for k in range(20):
        best = 0.0
        for n in range(50):
            for e in range(8):
                turned = apply_isometry(domains[n].reshape(4, 4), e).ravel().astype(float)
                a = float(ranges[k] @ turned / max(turned @ turned, 1e-9))
                a = float(np.clip(a, -15 / 16 if signed else 0, 15 / 16))
                best = max(best, float((ranges[k] ** 2).sum() - ((ranges[k] - a * turned) ** 2).sum()))
        chosen = apply_isometry(domains[index[k]].reshape(4, 4), int(isometry[k])).ravel()
        gain = search.gains(ranges[k] @ chosen, chosen @ chosen, signed)
        assert float(gain) == pytest.approx(best, rel=1e-4, abs=1e-3)


def test_the_nearest_search_loses_little() -> None:
    rng = np.random.default_rng(5)
    smooth = np.cumsum(np.cumsum(rng.normal(0, 1, (100, 100)), 0), 1)
    plane = (smooth - smooth.mean()) / smooth.std() * 40 + rng.normal(0, 4, (100, 100))
    plane = np.pad(plane, ((0, 4), (0, 4)), mode="edge")
    layout = Layout(104, 104, PartitionParams(8, 8, 8, 2, 0, True))
    gains = []
    for matcher in (search.exact, search.nearest):
        found = search.search(plane, plane, layout, 8, matcher)
        gains.append(search.gains(found.covariance, found.energy, True).sum() / found.own.sum())
    assert 0.9 * gains[0] < gains[1] <= gains[0] + 1e-6


def test_windows_are_where_the_layout_says() -> None:
    layout = Layout(200, 136, PartitionParams(16, 4, 4, 2, 16, False))
    for size in layout.partition.sizes:
        for axis in (0, 1):
            groups = layout.groups(size)[axis]
            first = layout.anchor(size, groups, axis)
            last = first + layout.windows(size)[axis]
            assert (first >= 0).all()
            assert (last <= layout.positions(size)[axis]).all()
    assert layout.windows(4) == (16, 16)
    assert layout.place_bits(4) == (4, 4, 0)
