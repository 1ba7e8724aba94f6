"""The page of a blind comparison: pairs of crops of two codecs at equal bytes, as one HTML file."""

from __future__ import annotations

import hashlib
import html
import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np

from collagecodec.sampling.request import Image8
from eval.harness.metrics import bits_per_pixel
from eval.report.crops import at_rate, busiest, calmest, data_uri
from eval.sweep import Sweep

WINDOWS = {"busiest": busiest, "calmest": calmest}
"""Where crops are taken: at the most detail, where texture is judged, and at the least, where tints are."""
CLOSE = 0.03
"""The largest relative difference of the two files."""
NEAR = 0.15
"""The largest relative difference of the files from the requested rate."""
_HERE = Path(__file__).parent


@dataclass(frozen=True)
class Pair:
    """A crop of a picture by both codecs, and of the original, as data URIs; `bpp` are the rates of the files."""

    picture: str
    rate: float
    window: str
    bpp: tuple[float, float]
    coded: tuple[str, str]
    original: str


def pairs(
    name: str, image: Image8, sweeps: Sequence[Sweep], rate: float, size: int, windows: Sequence[str]
) -> list[Pair]:
    """Return the pairs of one picture at a rate in bits per pixel, one for each window of `size` pixels.

    The codec whose parameter is an integer is coded first, as near to the rate as it can be. The other is coded
    to the size of that file. Raises `ValueError` if the two files differ by more than 3 %, or the first by more
    than 15 % from the rate.
    """
    leader = 0 if isinstance(sweeps[0].values[0], int) else 1
    first, leading = at_rate(sweeps[leader], image, rate, [])
    second, following = at_rate(sweeps[1 - leader], image, bits_per_pixel(first, image), [])
    off = abs(bits_per_pixel(first, image) / rate - 1)
    if off > NEAR or abs(len(second) / len(first) - 1) > CLOSE:
        labels = f"{sweeps[leader].label} takes {len(first)} bytes and {sweeps[1 - leader].label} {len(second)}"
        raise ValueError(f"near {rate:g} bits per pixel {labels}")
    order = 1 if leader == 0 else -1
    files, decoded = (first, second)[::order], (leading, following)[::order]
    found = []
    for window in windows:
        x, y = WINDOWS[window](image, size)
        cut = np.s_[y : y + size, x : x + size]
        rates = bits_per_pixel(files[0], image), bits_per_pixel(files[1], image)
        coded = data_uri(decoded[0][cut]), data_uri(decoded[1][cut])
        found.append(Pair(name, rate, window, rates, coded, data_uri(image[cut])))
    return found


def build(codecs: tuple[str, str], compared: Sequence[Pair]) -> str:
    """Return the page as text."""
    records = [asdict(pair) for pair in compared]
    digest = hashlib.sha256(json.dumps([codecs, records]).encode()).hexdigest()[:12]
    data = json.dumps({"id": digest, "codecs": codecs, "pairs": records}, separators=(",", ":"))
    parts = {
        "title": html.escape("Which looks better?"),
        "style": _read("style.css") + _read("blind.css"),
        "script": _read("dom.js") + _read("blind.js"),
        "data": data.replace("<", "\\u003c"),
    }
    page = _read("blind.html")
    for place, text in parts.items():
        page = page.replace(f"<!--{place}-->", text)
    return page


def _read(name: str) -> str:
    return (_HERE / name).read_text(encoding="utf-8")
