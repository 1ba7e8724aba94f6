"""Pictures made for tests."""

import numpy as np

from collagecodec.sampling.request import Image8


def scene(seed: int, width: int = 96, height: int = 64) -> Image8:
    """A smooth coloured scene with edges and a little noise, so that codecs have something to lose."""
    random = np.random.default_rng(seed)
    y, x = np.mgrid[0:height, 0:width] / 16.0
    planes = [np.sin(x * random.uniform(0.5, 2)) + np.cos(y * random.uniform(0.5, 2)) for _ in range(3)]
    image = 128 + 40 * np.stack(planes, axis=2) + 60 * ((x + y) % 2 > 1)[:, :, None] - 30
    return (image + random.normal(0, 4, image.shape)).clip(0, 255).astype(np.uint8)
