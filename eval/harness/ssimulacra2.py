"""SSIMULACRA 2.1 (Sneyers, Cloudinary 2022 and 2023), a metric of JPEG XL that was fitted to opinions.

Both pictures are converted to XYB, the colour space of JPEG XL. At up to six scales, each half of the one before,
three maps are made of each channel: of lost structure (as in SSIM), of edges that only the decoded picture has
(ringing, blocks), and of edges that it lost (blur). The mean and the 4-norm of each map, weighted by what agreed
with opinions, give the score: 100 for equal pictures, about 90 for visually lossless ones, 70 for high quality,
50 for medium, 30 for low, and less than 0 for very strong distortion.

The Gaussian of 1.5 pixels is that of Charalampidis, "Recursive Implementation of the Gaussian Filter Using
Truncated Cosine Functions" (2016), with zeros outside of the picture. The impulse response of the recursion is
finite, and the filter is used in this form. A test holds the scores to published ones of the reference program.
"""

from __future__ import annotations

from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from collagecodec.sampling.request import Image8
from eval.harness.filters import channel_means, channel_mix, looked_up, power, separable

Planes = NDArray[np.float32]
"""Shape (H, W, 3)."""

SMALLEST = 8
"""The smallest side in pixels of a picture that has a score."""
_SCALES = 6
_C2 = np.float32(0.0009)
_OPSIN = np.array(
    ((0.30, 0.622, 0.078), (0.23, 0.692, 0.078), (0.24342268924547819, 0.20476744424496821, 0.5518098665095536)),
    np.float32,
)
"""Cone responses of linear RGB."""
_BIAS = np.full(3, 0.0037930732552754493, np.float32)
_GAINS = np.array((14, 1, 1), np.float32)
_OFFSETS = np.array((0.42, 0.01, 0.55), np.float32)
_XYB = np.array(((0.5, -0.5, 0), (0.5, 0.5, 0), (-0.5, -0.5, 1)), np.float32) * _GAINS[:, None]
"""X, Y and B - Y of the cube roots of cone responses, with the gains of the metric."""

_WEIGHTS = """
1 0.0007376606707406586, 4 0.0007793481682867309, 7 0.0004371155730107379, 9 1.1041726426657346,
10 0.00066284834129271, 11 0.00015231632783718752, 13 0.0016406437456599754, 15 1.8422455520539298,
16 11.441172603757666, 18 0.0007989109436015163, 19 0.000176816438078653, 21 1.8787594979546387,
22 10.94906990605142, 24 0.0007289346991508072, 25 0.9677937080626833, 27 0.00014003424285435884,
28 0.9981766977854967, 29 0.00031949755934435053, 30 0.0004550992113792063, 33 0.0013648766163243398,
39 7.466890328078848, 41 17.445833984131262, 42 0.0006235601634041466, 45 6.683678146179332,
46 0.00037724407979611296, 47 1.027889937768264, 48 225.20515300849274, 51 19.213238186143016,
52 0.0011401524586618361, 53 0.001237755635509985, 54 176.39317598450694, 57 24.43300999870476,
58 0.28520802612117757, 59 0.0004485436923833408, 63 34.77906344483772, 64 44.835625328877896,
73 0.0008680556573291698, 79 0.0005313191874358747, 81 0.00016533814161379112, 87 0.0004179171803251336,
88 0.0017290828234722833, 90 0.0020827005846636437, 93 8.826982764996862, 94 23.19243343998926,
96 95.1080498811086, 97 0.9863978034400682, 98 0.9834382792465353, 99 0.0012286405048278493,
100 171.2667255897307, 101 0.9807858872435379, 105 0.0005130064588990679, 107 0.00010854057858411537
"""
"""The weights other than 0 of the 108 norms, in the order of channel (X, Y, B - Y), scale, norm, map."""


def ssimulacra2(original: Image8, decoded: Image8) -> float:
    """Return the score, at most 100, of two uint8 pictures (H, W, 3); `nan` if a side is below 8 pixels."""
    if min(original.shape[:2]) < SMALLEST:
        return float("nan")
    linear = looked_up(original, _linear_light()), looked_up(decoded, _linear_light())
    norms = []
    for scale in range(_SCALES):
        if min(linear[0].shape[:2]) < SMALLEST:
            break
        if scale:
            linear = _halved(linear[0]), _halved(linear[1])
        norms.append(_norms(_xyb(linear[0]), _xyb(linear[1])))
    ordered = np.stack(norms, axis=1).ravel()  # channel, scale, norm, map
    return _score(float(ordered @ _weights()[: len(ordered)]))


def _score(distortion: float) -> float:
    """Return the score of a weighted sum of norms, by the cubic and the power that were fitted to opinions."""
    x = 0.9562382616834844 * distortion
    x = 2.326765642916932 * x - 0.020884521182843837 * x**2 + 6.248496625763138e-05 * x**3
    return 100 - 10 * x**0.6276336467831387 if x > 0 else 100.0


@lru_cache(maxsize=1)
def _weights() -> NDArray[np.float64]:
    weights = np.zeros(108)
    for entry in _WEIGHTS.split(","):
        place, weight = entry.split()
        weights[int(place)] = float(weight)
    return weights


@lru_cache(maxsize=1)
def _linear_light() -> NDArray[np.float32]:
    """Return the linear light, 0 to 1, of the 256 values of sRGB (IEC 61966-2-1)."""
    x = np.arange(256) / 255
    return np.where(x <= 0.04045, x / 12.92, ((x + 0.055) / 1.055) ** 2.4).astype(np.float32)


@lru_cache(maxsize=1)
def _taps(sigma: float = 1.5) -> NDArray[np.float32]:
    """Return the impulse response of the sum of truncated cosines; the numbers are those of the equations."""
    radius = round(3.2795 * sigma + 0.2546)  # (57)
    omega = np.pi / (2 * radius) * np.array((1, 3, 5))
    p = np.array((1, -1, 1)) / np.tan(omega / 2)  # (37)
    r = np.array((1, -1, 1)) * p**2 / np.sin(omega)  # (44)
    rho = np.exp(-0.5 * sigma**2 * omega**2) / radius  # (50)
    d13, d35, d51 = (p[i] * r[j] - r[i] * p[j] for i, j in ((0, 1), (1, 2), (2, 0)))
    zeta = np.array((d35 / d13, d51 / d13, 1))  # (52)
    beta = np.linalg.solve(
        np.stack((p, r, zeta)), np.array((1, radius**2 - sigma**2, zeta @ rho))
    )  # (53) to (56)
    offsets = np.arange(1 - radius, radius)
    return (beta @ np.cos(omega[:, None] * offsets)).astype(np.float32)


def _blurred(image: Planes) -> Planes:
    return separable(image, _taps())


def _xyb(linear: Planes) -> Planes:
    """Return X, Y and B - Y, shifted so that they are positive, of linear RGB."""
    # The responses are positive, since the matrix is and the light is not negative.
    roots = power(channel_mix(linear, _OPSIN, _BIAS), 1 / 3)
    return channel_mix(roots, _XYB, _OFFSETS - _XYB.sum(axis=1) * np.cbrt(_BIAS))


def _norms(original: Planes, decoded: Planes) -> NDArray[np.float64]:
    """Return the norms of the maps at one scale: channel, norm (mean, 4-norm), map (structure, ringing, blur)."""
    means = _blurred(original), _blurred(decoded)
    difference = means[0] - means[1]
    # In this order of sums, equal pictures have a variance of exactly twice the covariance.
    variances = _blurred(original * original) - means[0] * means[0]
    variances += _blurred(decoded * decoded) - means[1] * means[1]
    covariance = _blurred(original * decoded) - means[0] * means[1]
    structure = 1 - (1 - difference * difference) * (2 * covariance + _C2) / (variances + _C2)
    edges = (1 + np.abs(decoded - means[1])) / (1 + np.abs(original - means[0])) - 1
    maps = (np.maximum(structure, 0), np.maximum(edges, 0), np.maximum(-edges, 0))
    return np.stack([_mean_and_4_norm(each) for each in maps], axis=2)


def _mean_and_4_norm(image: Planes) -> NDArray[np.float64]:
    """Return both of each channel, shape (channels, 2)."""
    squared = image * image
    return np.stack((channel_means(image), channel_means(squared * squared) ** 0.25), axis=1)


def _halved(linear: Planes) -> Planes:
    """Return the means of 2x2 pixels. An odd last row or column is repeated."""
    rows, columns = linear.shape[0] % 2, linear.shape[1] % 2
    even = np.pad(linear, ((0, rows), (0, columns), (0, 0)), mode="edge") if rows or columns else linear
    return (even[::2, ::2] + even[1::2, ::2] + even[::2, 1::2] + even[1::2, 1::2]) * np.float32(0.25)
