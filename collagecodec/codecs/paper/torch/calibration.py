"""Initial values of `collage-paper`, measured on data: atoms, rotation of the code, tables and their bits.

Auxiliary domains start as the principal components of range cells, the rotation as those of complete codes.
Tables are quantisers of Lloyd (1982) and Max (1960). Bits are allocated one by one where they reduce the error
most.
"""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from collagecodec.codecs.paper.decoder import BLOCK_BITS, CELL, CELLS, CHANNELS, MIDDLE
from collagecodec.codecs.paper.torch.network import PaperNetwork, cut_cells
from collagecodec.codecs.paper.torch.quantiser import DOMAIN_BITS, LONGEST, MODE_BITS, MODES, PAD

Floats = NDArray[np.float64]
LLOYD_ROUNDS = 30
MODE_ROUNDS = 4
BATCH = 512


def lloyd_levels(values: Floats, bits: int) -> Floats:
    """Return 2^bits rising quantiser levels with a low squared error for samples (n,), by Lloyd's iteration.

    The iteration starts halfway between quantiles and equidistant levels. A level that is nearest to no sample
    does not move.
    """
    ordered = np.sort(values)
    count = 2**bits
    middle = (np.arange(count) + 0.5) / count
    even = ordered[0] + (ordered[-1] - ordered[0]) * middle
    levels: Floats = (np.quantile(ordered, middle) + even) / 2
    sums = np.concatenate([[0.0], np.cumsum(ordered)])
    for _ in range(LLOYD_ROUNDS):
        edges = np.searchsorted(ordered, (levels[1:] + levels[:-1]) / 2)
        ends = np.concatenate([[0], edges, [ordered.size]])
        share = np.diff(ends)
        means = np.diff(sums[ends]) / np.maximum(share, 1)
        levels = np.sort(np.where(share > 0, means, levels))
    return levels


def quantisation_error(values: Floats, levels: Floats) -> float:
    """Return the mean squared distance of samples (n,) to the nearest of rising quantiser levels."""
    nearest = levels[np.searchsorted((levels[1:] + levels[:-1]) / 2, values)]
    return float(((values - nearest) ** 2).mean())


def allocate(errors: Floats, bits: int) -> NDArray[np.int64]:
    """Distribute `bits` bits over components, int64 (Q,), such that components with bits come first.

    `errors` (Q, 1 + longest) are the errors of tables of 0, 1, ... bits. Raises ValueError if the components
    cannot hold all bits.
    """
    widths = np.zeros(len(errors), np.int64)
    gains = -np.diff(errors, axis=1)
    for _ in range(bits):
        candidates = min(np.count_nonzero(widths) + 1, widths.size)
        able = np.flatnonzero(widths[:candidates] < gains.shape[1])
        if not able.size:
            raise ValueError(f"{bits} bits are more than {widths.size} components can take")
        widths[able[np.argmax(gains[able, widths[able]])]] += 1
    return widths


def principal_rows(covariance: Floats, count: int) -> Floats:
    """Return the `count` leading eigenvectors as rows, by falling eigenvalue."""
    _, vectors = np.linalg.eigh(covariance)
    return np.ascontiguousarray(vectors[:, ::-1][:, :count].T)


def set_atoms(network: PaperNetwork, blocks: Tensor) -> None:
    """Set atoms and analysis to the principal components of range cells without their means.

    `blocks` (B, 3, 40, 40) are in pixel levels around 0.
    """
    cells = cut_cells(blocks).reshape(-1, CHANNELS, CELL * CELL)
    flat = (cells - cells.mean(-1, keepdim=True)).flatten(1)
    covariance = (flat.T @ flat / len(flat)).double().numpy()
    rows = torch.tensor(principal_rows(covariance, len(network.analysis.rows)), dtype=torch.float32)
    network.analysis.rows.copy_(rows)
    network.dictionary.atoms.copy_(rows.view_as(network.dictionary.atoms))


def fit_mode(values: Floats, bits: int) -> tuple[NDArray[np.int64], list[Floats]]:
    """Return widths (Q,) and the tables of the stored components, for the components (n, Q) of a mode.

    The errors of tables by width are measured once, on all components scaled to unit variance.
    """
    variance = values.var(0) + 1e-9
    pool = (values / np.sqrt(variance)).ravel()[:: max(1, values.size // 8192)]
    shape = [1.0, *(quantisation_error(pool, lloyd_levels(pool, n)) for n in range(1, LONGEST + 1))]
    widths = allocate(variance[:, None] * np.array(shape), bits)
    # Except for brightness, both signs are equally likely; using both doubles the samples.
    columns = [values[:, 0], *(np.concatenate([column, -column]) for column in values.T[1:])]
    return widths, [lloyd_levels(column, int(n)) for column, n in zip(columns, widths, strict=True) if n]


def mode_error(values: Floats, tables: list[Floats]) -> Floats:
    """Return the squared error (n,) of components (n, Q) in a mode."""
    total = (values[:, len(tables) :] ** 2).sum(1)
    for column, table in zip(values.T, tables, strict=False):
        nearest = table[np.searchsorted((table[1:] + table[:-1]) / 2, column)]
        total += (column - nearest) ** 2
    return np.asarray(total)


def fit_modes(values: Floats, bits: int) -> list[tuple[NDArray[np.int64], list[Floats]]]:
    """Return widths and tables of every mode for components (n, Q), by Lloyd's iteration over modes.

    The initial modes are classes of equal size by energy without brightness.
    """
    energy = (values[:, CHANNELS:] ** 2).sum(1)
    edges = np.quantile(energy, np.arange(1, MODES) / MODES)
    labels = np.digitize(energy, edges)
    fitted = [fit_mode(values[labels == mode], bits) for mode in range(MODES)]
    for _ in range(MODE_ROUNDS):
        labels = np.argmin([mode_error(values, tables) for _, tables in fitted], axis=0)
        fitted = [
            # A mode with very few blocks does not change.
            fit_mode(values[labels == mode], bits) if (labels == mode).sum() > 2 * LONGEST else old
            for mode, old in enumerate(fitted)
        ]
    return fitted


def set_quantiser(network: PaperNetwork, theta: Floats) -> None:
    """Set rotation, modes, tables and widths from samples of theta (n, 4 (V + 3))."""
    quantiser = network.quantiser
    mean = theta.mean(0)
    rows = principal_rows(np.cov(theta, rowvar=False), len(quantiser.analysis))
    values = (theta - mean) @ rows.T
    spread = values.std(0) + 1e-9
    for rate, total in enumerate(BLOCK_BITS):
        modes = fit_modes(values, total - CELLS * DOMAIN_BITS - MODE_BITS)
        for mode, (widths, tables) in enumerate(modes):
            quantiser.widths[rate, mode] = torch.tensor(widths)
            quantiser.levels[rate, mode] = PAD
            for component, table in enumerate(tables):
                scaled = torch.tensor(table / spread[component], dtype=torch.float32)
                quantiser.levels[rate, mode, component, : len(table)] = scaled
    quantiser.mean.copy_(torch.tensor(mean))
    quantiser.spread.copy_(torch.tensor(spread))
    quantiser.analysis.copy_(torch.tensor(rows))
    quantiser.synthesis.copy_(torch.tensor(rows))


@torch.no_grad()
def calibrate(network: PaperNetwork, rgb: Tensor) -> None:
    """Set all measured values of a network from blocks (B, 3, 40, 40) uint8."""
    blocks = rgb.float() - MIDDLE
    set_atoms(network, blocks)
    # Domain coefficients come first, because the other components depend on their quantisation.
    batches = [blocks[first : first + BATCH] for first in range(0, len(blocks), BATCH)]
    matches = torch.cat([_match(network, part) for part in batches]).double().numpy()
    network.quantiser.domain_levels.copy_(torch.tensor(lloyd_levels(matches.ravel(), DOMAIN_BITS)))
    theta = torch.cat([network.theta(network.factors(part))[1] for part in batches])
    set_quantiser(network, theta.double().numpy())


def _match(network: PaperNetwork, blocks: Tensor) -> Tensor:
    pooled = torch.nn.functional.avg_pool2d(blocks, 2).flatten(1)[:, None]
    return network.analysis.match(cut_cells(blocks), pooled)
