"""Where `collage-paper` starts from, measured on data: atoms, rotation of the code, tables and their bits.

Auxiliary domains start as the principal components of range cells, the rotation as those of whole codes.
Tables are those of Lloyd (1982) and Max (1960); bits go, one after another, where they reduce the error most.
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
    """2^bits levels of little squared error for samples (n,), rising: the fixed point of Lloyd's iteration.

    Starts halfway between levels of equal share and levels of equal distance. A level to which no sample is
    nearest stays where it is.
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
    """Mean squared distance of samples (n,) from the nearest of rising levels."""
    nearest = levels[np.searchsorted((levels[1:] + levels[:-1]) / 2, values)]
    return float(((values - nearest) ** 2).mean())


def allocate(errors: Floats, bits: int) -> NDArray[np.int64]:
    """Bits of every component, int64 (Q,), `bits` together, such that stored components come first.

    `errors` (Q, 1 + longest) are those of tables of 0, 1, ... bits. ValueError if that is too many bits.
    """
    widths = np.zeros(len(errors), np.int64)
    gains = -np.diff(errors, axis=1)
    for _ in range(bits):
        open_ones = min(np.count_nonzero(widths) + 1, widths.size)
        able = np.flatnonzero(widths[:open_ones] < gains.shape[1])
        if not able.size:
            raise ValueError(f"{bits} bits are more than {widths.size} components can take")
        widths[able[np.argmax(gains[able, widths[able]])]] += 1
    return widths


def principal_rows(covariance: Floats, count: int) -> Floats:
    """The `count` leading eigenvectors, one a row, by falling eigenvalue."""
    _, vectors = np.linalg.eigh(covariance)
    return np.ascontiguousarray(vectors[:, ::-1][:, :count].T)


def set_atoms(network: PaperNetwork, blocks: Tensor) -> None:
    """Principal components of range cells (without their means) as atoms and as analysis; blocks around 0."""
    cells = cut_cells(blocks).reshape(-1, CHANNELS, CELL * CELL)
    flat = (cells - cells.mean(-1, keepdim=True)).flatten(1)
    covariance = (flat.T @ flat / len(flat)).double().numpy()
    rows = torch.tensor(principal_rows(covariance, len(network.analysis.rows)), dtype=torch.float32)
    network.analysis.rows.copy_(rows)
    network.dictionary.atoms.copy_(rows.view_as(network.dictionary.atoms))


def fit_mode(values: Floats, bits: int) -> tuple[NDArray[np.int64], list[Floats]]:
    """Widths (Q,) and tables of the stored components, for the components (n, Q) of one mode.

    How much a table of so many bits helps is measured once, on all components brought to one scale.
    """
    variance = values.var(0) + 1e-9
    pool = (values / np.sqrt(variance)).ravel()[:: max(1, values.size // 8192)]
    shape = [1.0, *(quantisation_error(pool, lloyd_levels(pool, n)) for n in range(1, LONGEST + 1))]
    widths = allocate(variance[:, None] * np.array(shape), bits)
    # Both signs are equally likely, but for the overall brightness: twice as many samples.
    columns = [values[:, 0], *(np.concatenate([column, -column]) for column in values.T[1:])]
    return widths, [lloyd_levels(column, int(n)) for column, n in zip(columns, widths, strict=True) if n]


def mode_error(values: Floats, tables: list[Floats]) -> Floats:
    """Squared error of components (n, Q) in one mode: (n,)."""
    total = (values[:, len(tables) :] ** 2).sum(1)
    for column, table in zip(values.T, tables, strict=False):
        nearest = table[np.searchsorted((table[1:] + table[:-1]) / 2, column)]
        total += (column - nearest) ** 2
    return np.asarray(total)


def fit_modes(values: Floats, bits: int) -> list[tuple[NDArray[np.int64], list[Floats]]]:
    """Widths and tables of every mode for components (n, Q): Lloyd's iteration over modes as well.

    The first modes are classes of equal number by energy without brightness.
    """
    energy = (values[:, CHANNELS:] ** 2).sum(1)
    edges = np.quantile(energy, np.arange(1, MODES) / MODES)
    labels = np.digitize(energy, edges)
    fitted = [fit_mode(values[labels == mode], bits) for mode in range(MODES)]
    for _ in range(MODE_ROUNDS):
        labels = np.argmin([mode_error(values, tables) for _, tables in fitted], axis=0)
        fitted = [
            # A mode that hardly any block chooses stays as it is.
            fit_mode(values[labels == mode], bits) if (labels == mode).sum() > 2 * LONGEST else old
            for mode, old in enumerate(fitted)
        ]
    return fitted


def set_quantiser(network: PaperNetwork, theta: Floats) -> None:
    """Rotation, modes, tables and widths from samples of theta (n, 4 (V + 3))."""
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
    """Set everything that is measured, from blocks (B, 3, 40, 40) uint8."""
    blocks = rgb.float() - MIDDLE
    set_atoms(network, blocks)
    # Domain coefficients first: the others are what they leave.
    batches = [blocks[first : first + BATCH] for first in range(0, len(blocks), BATCH)]
    matches = torch.cat([_match(network, part) for part in batches]).double().numpy()
    network.quantiser.domain_levels.copy_(torch.tensor(lloyd_levels(matches.ravel(), DOMAIN_BITS)))
    theta = torch.cat([network.theta(network.factors(part))[1] for part in batches])
    set_quantiser(network, theta.double().numpy())


def _match(network: PaperNetwork, blocks: Tensor) -> Tensor:
    pooled = torch.nn.functional.avg_pool2d(blocks, 2).flatten(1)[:, None]
    return network.analysis.match(cut_cells(blocks), pooled)
