"""The pictures to measure on: named data sets or any folder."""

from __future__ import annotations

import hashlib
import os
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import numpy as np
from PIL import Image

from collagecodec.sampling.request import Image8

ROOT_VARIABLE = "COLLAGE_DATA"
_SUFFIXES = frozenset((".png", ".webp", ".jpg", ".jpeg", ".tif", ".tiff", ".bmp", ".ppm", ".jp2", ".avif"))
_MODES = frozenset(("RGB", "RGBA", "L", "LA", "P", "1"))


class DataError(ValueError):
    """The folder is missing, or it contains no readable pictures."""


@dataclass(frozen=True)
class NamedSet:
    """A data set of the measuring protocol, stored in a folder under the data root.

    `crop`: pictures with a longer side are cropped around their centre to this many pixels; 0 disables cropping.
    `limit`: the maximum number of pictures, taken in the order of their names; 0 for all.
    """

    folder: str
    crop: int = 0
    limit: int = 0
    about: str = ""


NAMED = {
    "dota-val": NamedSet(
        "dota/val", crop=1200, limit=10, about="Poli et al. 2022: up to ten held-out 1200x1200 crops"
    ),
    "dota-val-middle": NamedSet(
        "dota/val",
        crop=512,
        limit=10,
        about="the middle of the same pictures: a fifth of the time, for development",
    ),
    "dota-val-full": NamedSet("dota/val", about="the same pictures without cropping"),
    "kodak": NamedSet("kodak", about="the 24 Kodak images"),
}


@dataclass(frozen=True)
class Picture:
    """One picture of a data set. `name` is its unique path inside the set, suffix included."""

    name: str
    path: Path
    crop: int
    sha: str
    width: int
    height: int

    def load(self) -> Image8:
        """Return the pixels to code: uint8, (H, W, 3)."""
        return _load(self.path, self.crop)


@dataclass(frozen=True)
class Dataset:
    """Pictures to measure, and `notices` about pictures that were skipped or look like copies."""

    name: str
    pictures: tuple[Picture, ...]
    notices: tuple[str, ...]


def default_root() -> Path:
    """Return the folder of the named sets: $COLLAGE_DATA, or `shared/data` beside the checkout."""
    given = os.environ.get(ROOT_VARIABLE)
    return Path(given) if given else Path(__file__).resolve().parents[3] / "shared" / "data"


def open_set(name: str, root: Path | None = None, limit: int = 0) -> Dataset:
    """Return a named set, or the pictures in the folder `name` and its subfolders.

    `limit` is the maximum number of pictures, 0 for all. Raises `DataError` if there is nothing to measure.
    """
    named = NAMED.get(name)
    folder = (root or default_root()) / named.folder if named else Path(name)
    if not folder.is_dir():
        hint = f": set {ROOT_VARIABLE} or --data-root" if named else f"; named sets: {', '.join(NAMED)}"
        raise DataError(f"no folder {folder}{hint}")
    paths = list(_paths(folder))
    if not paths:
        raise DataError(f"no pictures in {folder} (looked for {', '.join(sorted(_SUFFIXES))})")
    bounds = [bound for bound in (limit, named.limit if named else 0) if bound]
    pictures, notices = _read(folder, paths[: min(bounds, default=None)], named.crop if named else 0)
    if not pictures:
        raise DataError(f"no picture in {folder} can be read: {'; '.join(notices)}")
    return Dataset(name if named else folder.resolve().name, tuple(pictures), tuple(notices))


def centre(image: Image8, side: int) -> Image8:
    """Return the square of `side` pixels at the centre of `image`, smaller where the picture is smaller."""
    top, left = (max(0, (length - side) // 2) for length in image.shape[:2])
    return np.ascontiguousarray(image[top : top + side, left : left + side])


def _paths(folder: Path) -> Iterator[Path]:
    for path in sorted(folder.rglob("*")):
        hidden = any(part.startswith(".") for part in path.relative_to(folder).parts)
        if path.suffix.lower() in _SUFFIXES and path.is_file() and not hidden:
            yield path


def _read(folder: Path, paths: list[Path], crop: int) -> tuple[list[Picture], list[str]]:
    pictures, notices = [], []
    for path in paths:
        name = path.relative_to(folder).as_posix()
        try:
            image = _load(path, crop)
        except (OSError, ValueError, SyntaxError, Image.DecompressionBombError) as error:
            # Messages of Pillow contain the full path, which must not appear in results.
            notices.append(f"{name} skipped: {str(error).replace(str(path), path.name)}")
            continue
        sha = hashlib.sha256(image.tobytes()).hexdigest()[:16]
        pictures.append(Picture(name, path, crop, sha, image.shape[1], image.shape[0]))
    stems = Counter(Path(picture.name).stem for picture in pictures)
    notices += [
        f"{count} pictures are named {stem}: folder and suffix distinguish them"
        for stem, count in stems.items()
        if count > 1
    ]
    contents = Counter(picture.sha for picture in pictures)
    notices += [
        f"{picture.name} has the same pixels as another picture"
        for picture in pictures
        if contents[picture.sha] > 1
    ]
    return pictures, notices


@lru_cache(maxsize=2)
def _load(path: Path, crop: int) -> Image8:
    """Read a picture with 8 bits per sample as RGB without alpha and crop it around its centre."""
    with Image.open(path) as picture:
        if picture.mode not in _MODES:
            raise ValueError(f"pictures of mode {picture.mode} are not supported: convert to 8-bit RGB")
        image = np.asarray(picture.convert("RGB"))
    if crop:
        image = centre(image, crop)
    image = np.ascontiguousarray(image)
    image.flags.writeable = False
    return image
