"""Adds golden files of the current format version: `python tests/golden/create.py PREFIX [KIND ...]`.

Without kinds, one file of every kind. Never replaces a file.
"""

from __future__ import annotations

import hashlib
import json
import sys
from fractions import Fraction
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

import numpy as np
from numpy.typing import NDArray
from tiny_model import scene

import collagecodec

FOLDER = Path(__file__).resolve().parent
SCALES = {"native": Fraction(1), "half": Fraction(1, 2), "double": Fraction(2)}


def hashes(data: bytes) -> dict[str, str]:
    """SHA-256 of the decoded pixels at every golden scale."""
    return {
        name: hashlib.sha256(collagecodec.decode(data, scale=scale).tobytes()).hexdigest()
        for name, scale in SCALES.items()
    }


def plain(what: dict[str, Any]) -> NDArray[np.uint8]:
    """A picture of 8 bits with 1 to 4 channels."""
    return scene(*what.get("shape", (90, 131)), channels=what["channels"], seed=what.get("seed", 4))


def banded(what: dict[str, Any]) -> NDArray[Any]:
    """A picture of any bands: mixtures of the colours of a scene, over the whole range of its type."""
    colours = scene(90, 131, seed=4).astype(np.float64)
    mixture = colours @ np.random.default_rng(7).dirichlet(np.ones(3), what["channels"]).T
    dtype = np.dtype(what.get("dtype", "uint8"))
    return (mixture / 255 * np.iinfo(dtype).max).astype(dtype)


def main(prefix: str, *kinds: str) -> None:
    """Write the files and their hashes."""
    index_file = FOLDER / "index.json"
    index = json.loads(index_file.read_text()) if index_file.exists() else {}
    made = {f"collage-{mode}": {"codec": "collage", "channels": mode} for mode in (1, 2, 3, 4)}
    made["paper"] = {"codec": "collage-paper", "channels": 3}
    made["dct"] = {"codec": "dct", "channels": 3}
    made["coin"] = {"codec": "coin", "channels": 3, "options": {"net": "5x20", "steps": 3000}}
    made["coin-half"] = {
        "codec": "coin",
        "channels": 1,
        "options": {"net": "3x16", "coding": "half", "steps": 800},
    }
    made["pifs"] = {"codec": "pifs", "channels": 3, "options": {"step": 24.0, "largest": 16}}
    one_size = {"coding": "fixed", "largest": 8, "smallest": 8, "domain_step": 8, "window": 0}
    made["pifs-fixed"] = {"codec": "pifs", "channels": 1, "options": one_size}
    made["ifs"] = {"codec": "ifs", "channels": 1, "options": {"maps": 6, "steps": 40, "refine": 0}}
    made["tiled"] = {"codec": "collage", "channels": 3, "quality": 20, "shape": (1100, 1060), "seed": 5}
    layered = {"base": "dct", "base_settings": '{"step": 12}'}
    made["layers"] = {"codec": "layers", "channels": 5, "options": {**layered, "max_error": 2}}
    made["layers-deep"] = {
        "codec": "layers",
        "channels": 4,
        "dtype": "uint16",
        "options": {**layered, "max_error": 9},
    }
    mapped = {"model": "aerial-next", "roi": [(600, 200, 300, 150), (40, 40, 30, 20, 0.5)], "roi_quality": 70}
    made["mapped"] = {"codec": "collage", "channels": 3, "quality": 15, "shape": (1060, 1100), **mapped}
    for name in kinds or made:
        what, file = made[name], FOLDER / f"{prefix}-{name}.clg"
        options = {"quality": what.get("quality", 45)} if what["codec"] == "collage" else {}
        picture = banded(what) if what["codec"] == "layers" else plain(what)
        options |= {key: what[key] for key in ("model", "roi", "roi_quality") if key in what}
        data = collagecodec.encode(picture, codec=what["codec"], options=what.get("options"), **options)
        if file.exists():
            raise SystemExit(f"{file.name} is there already; golden files are never replaced")
        file.write_bytes(data)
        index[file.name] = hashes(data)
    index_file.write_text(json.dumps(index, indent=1, sort_keys=True) + "\n")


if __name__ == "__main__":
    main(*sys.argv[1:])
