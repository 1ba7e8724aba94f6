"""What the commands of `collage ifs` share: the kinds of files, and how like the picture a fit is."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

SYSTEM = ".json"
"""Suffix of files that hold maps and their shape; any other file is a .clg."""
_POOR = 0.5
"""An IoU below this is worth a hint."""


def likeness(levels: NDArray[np.uint8], decoded: NDArray[np.uint8], inverted: bool) -> str:
    """Return PSNR and IoU of a decoded picture, as text, with a hint if they are poor.

    In `levels` the shape is light on dark ground; `inverted` says that in `decoded` it is the reverse.
    """
    import numpy as np

    shown = 255 - decoded if inverted else decoded
    mse = float(np.square(levels.astype(np.float64) - shown).mean())
    expected, present = levels > 127, shown > 127
    iou = float((expected & present).sum() / (expected | present).sum())
    hint = "" if iou >= _POOR else "; a poor likeness: try the other --method, more --maps or more --steps"
    return f"{f'{10 * np.log10(255**2 / mse):.2f} dB' if mse else 'no error'}, IoU {iou:.3f}{hint}"
