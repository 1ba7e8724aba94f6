"""The search for the best domain cell of each range cell, exhaustive by matrix products or by a k-d tree.

For a range cell r and a pooled domain cell d, both without their means, the least-squares factor is
a = <r, d> / <d, d>. Limited to |a| <= 15/16 it removes 2 m <r, d'> - m^2 of the energy of r, where d' = d / |d|
and m = min(<r, d'>, 15/16 |d|). The search maximises this energy.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view
from numpy.typing import NDArray

from collagecodec.codecs.pifs.layout import Grid, Layout
from collagecodec.codecs.pifs.tree import A_UNIT, MAX_A
from collagecodec.errors import MissingLibraryError
from collagecodec.operator.geometry import isometry_order
from collagecodec.operator.operator import window_means

Floats = NDArray[np.float32]
Matcher = Callable[[Floats, Floats, tuple[int, ...], bool], tuple[Grid, Grid]]

_PRODUCTS = 2**19
"""Products of range and domain cells computed at a time, so that they fit the cache."""
_DOMAIN_SAMPLES = 2**25
"""Samples of domain cells in memory at a time."""
_FLAT = 1e-2
"""Norm, in pixel levels, below which a domain cell is treated as flat and not used."""
_FEATURES = 12
"""Number of frequencies that the k-d tree compares."""
_NEIGHBOURS = 4
"""Candidates that the k-d tree proposes for a range cell, for each sign and isometry."""


@dataclass(frozen=True)
class Matches:
    """The best domain cell of every node of a size.

    `place` (3, rows, columns) is as in `tree.QuadtreeLevel`. The covariance <r, d> of node and domain cell, the
    energy <d, d> of the domain cell, and `own`, the energy <r, r> of the node, are (rows, columns).
    """

    place: Grid
    covariance: NDArray[np.float64]
    energy: NDArray[np.float64]
    own: NDArray[np.float64]


def blocks(plane: NDArray[np.floating], size: int) -> NDArray[np.floating]:
    """Return the flattened square nodes of a plane minus their means: (rows, columns, size * size)."""
    rows, columns = plane.shape[0] // size, plane.shape[1] // size
    cut = plane.reshape(rows, size, columns, size).swapaxes(1, 2).reshape(rows, columns, -1)
    return cut - cut.mean(2, keepdims=True)


def pooled(plane: NDArray[np.floating]) -> NDArray[np.floating]:
    """Return the means of 2x2 samples of (H, W): (H // 2, W // 2)."""
    return window_means(plane[: plane.shape[0] // 2 * 2, : plane.shape[1] // 2 * 2], 2, 2)


def search(
    plane: NDArray[np.float64], source: NDArray[np.float64], layout: Layout, size: int, matcher: Matcher
) -> Matches:
    """Return the best domain cells in `source` (H, W) for the nodes of the padded `plane`, in pixel levels."""
    ranges = blocks(plane, size).astype(np.float32)
    place = np.zeros((3, *ranges.shape[:2]), np.int64)
    small = pooled(source).astype(np.float32)
    windows = sliding_window_view(small, (size, size))[:: layout.partition.step, :: layout.partition.step]
    down, across = layout.windows(size)
    isometries = tuple(range(8 if layout.partition.augment else 1))
    row_groups, column_groups = layout.groups(size)
    for i in range(int(row_groups[-1]) + 1):
        for j in range(int(column_groups[-1]) + 1):
            which = np.ix_(row_groups == i, column_groups == j)
            top, left = int(layout.anchor(size, i, 0)), int(layout.anchor(size, j, 1))
            pool = windows[top : top + down, left : left + across]
            here = ranges[which]
            best, turned = _chunked(
                here.reshape(-1, size * size), pool, isometries, layout.partition.augment, matcher
            )
            shape = here.shape[:2]
            for part, values in enumerate((best // across, best % across, turned)):
                place[part][which] = values.reshape(shape)
    covariance, energy = fit(plane, source, layout, size, place)
    return Matches(place, covariance, energy, (blocks(plane, size) ** 2).sum(2))


def _chunked(
    ranges: Floats, pool: Floats, isometries: tuple[int, ...], signed: bool, matcher: Matcher
) -> tuple[Grid, Grid]:
    """Return the best flat positions and isometries of range cells (K, S * S) in a pool (down, across, S, S)."""
    down, across, size = pool.shape[:3]
    step = max(1, _DOMAIN_SAMPLES // (across * size * size))
    best = np.zeros(len(ranges), np.int64)
    turned, gain = best.copy(), np.full(len(ranges), -1.0)
    for first in range(0, down, step):
        domains = pool[first : first + step].reshape(-1, size * size)
        domains = domains - domains.mean(1, keepdims=True)
        index, isometry = matcher(ranges, domains, isometries, signed)
        chosen = np.take_along_axis(domains[index], _orders(size)[isometry], 1)
        worth = gains((ranges * chosen).sum(1), (chosen**2).sum(1), signed)
        better = worth > gain
        best[better], turned[better] = index[better] + first * across, isometry[better]
        gain[better] = worth[better]
    return best, turned


def gains(covariance: NDArray[np.floating], energy: NDArray[np.floating], signed: bool) -> NDArray[np.floating]:
    """Return the energy that domain cells remove from range cells at the best allowed factor."""
    usable = np.abs(covariance) if signed else np.maximum(covariance, 0)
    a = np.minimum(usable / np.maximum(energy, _FLAT**2), MAX_A / A_UNIT)
    return np.asarray(a * (2 * usable - a * energy))


def exact(ranges: Floats, domains: Floats, isometries: tuple[int, ...], signed: bool) -> tuple[Grid, Grid]:
    """Find the best of all domain cells (N, S * S) and isometries for range cells (K, S * S), all without means.

    Returns the index of the domain cell and the isometry, (K,) each, that maximise `gains`.
    """
    norms = np.sqrt(np.einsum("ns,ns->n", domains, domains))
    units = domains * (1 / np.maximum(norms, _FLAT) * (norms > _FLAT))[:, None]
    limits = np.tile((norms * (MAX_A / A_UNIT)).astype(np.float32), len(isometries))
    # <r, turned d> = <r turned back, d>; there are fewer range cells to turn than domain cells.
    back = _backwards(round(ranges.shape[1] ** 0.5))[list(isometries)]
    best = np.zeros(len(ranges), np.int64)
    step = max(1, _PRODUCTS // limits.size)
    for first in range(0, len(ranges), step):
        turned = ranges[first : first + step, back]
        products = turned.reshape(-1, ranges.shape[1]) @ units.T
        best[first : first + step] = _best(products.reshape(len(turned), -1), limits, signed)
    turn, index = np.divmod(best, len(domains))
    return index, np.array(isometries)[turn]


def _best(products: Floats, limits: Floats, signed: bool) -> Grid:
    """Return the best column (K,) of products <r, d'> (K, N); `limits` (N,) are 15/16 of the norms of d."""
    if signed:
        np.abs(products, out=products)
    index = products.argmax(1)
    # Where the best factor exceeds its limit, another domain cell with a smaller product may remove more.
    clipped = np.flatnonzero(products[np.arange(len(products)), index] > limits[index])
    if clipped.size:
        again = products[clipped]
        held = np.clip(again, 0, limits)
        index[clipped] = (held * (2 * again - held)).argmax(1)
    return index


@lru_cache(maxsize=16)
def _orders(size: int) -> Grid:
    return isometry_order(size)


@lru_cache(maxsize=16)
def _backwards(size: int) -> Grid:
    """Return the inverse of each isometry as an order of samples: int64 (8, S * S)."""
    return np.argsort(_orders(size), 1)


@lru_cache(maxsize=16)
def _frequencies(size: int) -> Floats:
    """Return the cosines of lowest frequency of a cell without the mean, orthonormal: (features, S * S)."""
    places = np.arange(size)
    rows = np.sqrt(2 / size) * np.cos(np.pi * places[:, None] * (2 * places + 1) / (2 * size))
    rows[0] /= np.sqrt(2)
    order = np.argsort(np.add.outer(places, places).ravel(), kind="stable")[1 : _FEATURES + 1]
    atoms = np.einsum("uy,vx->uvyx", rows, rows).reshape(size * size, -1)
    return np.asarray(atoms[order], np.float32)


def nearest(ranges: Floats, domains: Floats, isometries: tuple[int, ...], signed: bool) -> tuple[Grid, Grid]:
    """Search as `exact` does, but only among domain cells with similar low frequencies (Saupe 1995).

    The k-d tree compares the features at unit norm. Raises MissingLibraryError without scipy.
    """
    try:
        from scipy.spatial import cKDTree
    except ModuleNotFoundError as error:
        raise MissingLibraryError(f"search='nearest' needs scipy ({error}): pip install scipy") from error
    size = round(ranges.shape[1] ** 0.5)
    atoms = _frequencies(size)
    features = domains @ atoms.T
    norms = np.sqrt((features**2).sum(1))
    useful = np.flatnonzero(norms > _FLAT)
    count = len(ranges)
    best, turned, gain = np.zeros(count, np.int64), np.zeros(count, np.int64), np.full(count, -1.0)
    if not useful.size:
        return best, turned
    tree = cKDTree(features[useful] / norms[useful, None], balanced_tree=False, compact_nodes=False)
    near = min(_NEIGHBOURS, useful.size)
    for isometry in isometries:
        turned_ranges = np.ascontiguousarray(ranges[:, _backwards(size)[isometry]])
        wanted = turned_ranges @ atoms.T
        wanted = wanted / np.maximum(np.sqrt((wanted**2).sum(1)), 1e-9)[:, None]
        for sign in (1, -1) if signed else (1,):
            index = useful[tree.query(sign * wanted, near, eps=1.0)[1].reshape(count, near)]
            chosen = domains[index]
            worth = gains(np.einsum("ks,kns->kn", turned_ranges, chosen), (chosen**2).sum(2), signed)
            which = worth.argmax(1)
            rows = np.arange(count)
            better = worth[rows, which] > gain
            best[better], turned[better] = index[rows, which][better], isometry
            gain[better] = worth[rows, which][better]
    return best, turned


MATCHERS: dict[str, Matcher] = {"exact": exact, "nearest": nearest}


def fit(
    plane: NDArray[np.float64], source: NDArray[np.float64], layout: Layout, size: int, place: Grid
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return <r, d> and <d, d> of all nodes of `plane` and domain cells in `source`: (rows, columns) each."""
    small = pooled(source)
    rows, columns = layout.shape(size)
    top = (layout.anchor(size, layout.groups(size)[0], 0)[:, None] + place[0]) * layout.partition.step
    left = (layout.anchor(size, layout.groups(size)[1], 1) + place[1]) * layout.partition.step
    covariance, energy = np.zeros((rows, columns)), np.zeros((rows, columns))
    ranges, order = blocks(plane, size), _orders(size)
    # Strips of rows bound the memory.
    strip = max(1, 2**20 // (columns * size * size))
    for first in range(0, rows, strip):
        part = slice(first, first + strip)
        y, x = np.divmod(order[place[2, part]], size)
        domains = small[top[part, :, None] + y, left[part, :, None] + x]
        domains = domains - domains.mean(2, keepdims=True)
        covariance[part], energy[part] = (ranges[part] * domains).sum(2), (domains**2).sum(2)
    return covariance, energy
