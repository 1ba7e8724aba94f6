"""Writes the hostile corpus: `python tests/golden/create_hostile.py`. Files that exist are never replaced.

Their checksums are good and their symbols are those of no picture. Each decodes to pixels that are the same on
every machine, or is refused with an error of a certain kind: `hostile/index.json` says which.
"""

from __future__ import annotations

import hashlib
import json
import sys
from dataclasses import replace
from pathlib import Path
from random import Random

sys.path[:0] = [str(Path(__file__).resolve().parents[1]), str(Path(__file__).resolve().parents[2])]

import collagecodec  # noqa: E402
from bitstream.container import Reader, write  # noqa: E402
from tests.fuzz.symbols import hostile  # noqa: E402

FOLDER = Path(__file__).resolve().parent
CODECS = ("v1-collage-1", "v1-collage-3", "v1-second-collage-3", "v1-dct", "v1-pifs", "v1-coin", "v1-ifs")
DECODED, REFUSED = 3, 2


def outcome(data: bytes) -> str:
    """The SHA-256 of the pixels at native size and at twice the size, or the name of the error."""
    try:
        pixels = [collagecodec.decode(data, scale=scale) for scale in (1, 2)]
    except collagecodec.CollageError as error:
        return type(error).__name__
    return hashlib.sha256(b"".join(part.tobytes() for part in pixels)).hexdigest()


def main() -> None:
    """Write files of every codec until there are enough of either kind, the loudest first."""
    target = FOLDER / "hostile"
    target.mkdir(exist_ok=True)
    index = {}
    for name in CODECS:
        reader = Reader((FOLDER / f"{name}.clg").read_bytes())
        left = {True: DECODED, False: REFUSED}
        # Small pictures, since loud symbols take many bytes; the tables of `pifs` belong to its size.
        loud = "collage" in name or "dct" in name
        header = reader.header if "pifs" in name else replace(reader.header, width=40, height=33)
        for seed in range(60):
            loudness = (10, 9, 24)[seed % 3] if loud else (5, 1, 24, 2)[seed % 4]
            payload = hostile(write(header, [bytes(reader.tile(0))]), Random(seed), loudness)
            data = write(header, [payload or b""])
            result = outcome(data)
            decoded = len(result) == 64
            if payload is None or not left[decoded] or len(data) > 30_000:
                continue
            left[decoded] -= 1
            file = target / f"{name}-{seed}.clg"
            if file.exists():
                raise SystemExit(f"{file.name} is there already; golden files are never replaced")
            file.write_bytes(data)
            index[file.name] = result
    (target / "index.json").write_text(json.dumps(index, indent=1, sort_keys=True) + "\n")


if __name__ == "__main__":
    main()
