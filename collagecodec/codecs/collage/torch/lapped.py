"""The lapped orthogonal transform, the initial value of the lapped dictionary.

Source: Malvar & Staelin, "The LOT: transform coding without blocking effects", IEEE Trans. ASSP 37(4), 1989.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]


def dct_basis(n: int) -> Floats:
    """Return the orthonormal DCT-II, shape (n, n); rows are basis functions by rising frequency."""
    k, x = np.arange(n)[:, None], np.arange(n)[None, :]
    basis = np.sqrt(2 / n) * np.cos(np.pi * k * (2 * x + 1) / (2 * n))
    basis[0] /= np.sqrt(2)
    return np.asarray(basis)


def lot_basis(n: int = 16, correlation: float = 0.95) -> Floats:
    """Return an orthonormal lapped basis of n functions with 2 n samples, shape (n, 2 n), by rising frequency.

    With De, Do the even and odd DCT rows and J the reversal, the feasible set is
    P = 1/2 [[De-Do, (De-Do)J], [De-Do, -(De-Do)J]]. Each symmetric half is rotated by the eigenvectors of
    P R P', where R is the covariance of an AR(1) process with the given correlation. Shifts of the basis by n
    samples are orthogonal to each other. Raises ValueError unless n is even.
    """
    if n < 2 or n % 2:
        raise ValueError(f"a lapped basis has an even number of functions, not {n}")
    dct = dct_basis(n)
    difference = dct[0::2] - dct[1::2]
    mirrored = difference[:, ::-1]
    halves = [np.hstack([difference, mirrored]) / 2, np.hstack([difference, -mirrored]) / 2]
    lag = np.abs(np.arange(2 * n)[:, None] - np.arange(2 * n)[None, :])
    covariance = correlation**lag
    basis = np.empty((n, 2 * n))
    for parity, half in enumerate(halves):
        _, vectors = np.linalg.eigh(half @ covariance @ half.T)
        basis[parity::2] = vectors[:, ::-1].T @ half
    signs = np.sign(basis[:, n - 1] + 1e-9)
    return np.asarray(basis * signs[:, None])


def separable_atoms(basis: Floats, count: int) -> Floats:
    """Return the `count` outer products of lowest frequency (u^2 + v^2), orthonormal: (count, 2n, 2n)."""
    n = basis.shape[0]
    if not 1 <= count <= n * n:
        raise ValueError(f"between 1 and {n * n} atoms can be made from {n} functions, not {count}")
    order = sorted((u * u + v * v, u + v, u, v) for u in range(n) for v in range(n))[:count]
    return np.stack([np.outer(basis[u], basis[v]) for _, _, u, v in order])
