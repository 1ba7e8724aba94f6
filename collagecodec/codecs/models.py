"""Finding and reading the files of trained models.

A model is a folder with `decoder-<fingerprint>.safetensors` (all that decoding needs, integers only) and
`encoder-<fingerprint>.safetensors`. The fingerprint is the first 8 bytes of the SHA-256 of the decoder file, in
hexadecimal. Decoders of earlier versions stay in the folder to keep old pictures readable; only the newest
version has an encoder.
"""

from __future__ import annotations

import hashlib
import os
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from collagecodec.errors import ModelMismatchError

SEARCH_VARIABLE = "COLLAGE_MODELS"
_ENCODERS = "encoder-*.safetensors"
Tensors = dict[str, NDArray[np.generic]]


def search_path() -> list[Path]:
    """Return the folders that hold models: from $COLLAGE_MODELS, from the package, from the checkout."""
    package = Path(__file__).resolve().parent.parent
    configured = [Path(p) for p in os.environ.get(SEARCH_VARIABLE, "").split(os.pathsep) if p]
    return [p for p in (*configured, package / "_models", package.parent / "models") if p.is_dir()]


def current(name: str) -> tuple[Path, str]:
    """Return folder and fingerprint of the newest version of a model; ModelMismatchError if there is none."""
    if not name or name in (".", "..") or set(name) & set("/\\:\0"):
        raise ModelMismatchError(f"a model is the name of an installed one, not a path such as {name!r}")
    for root in search_path():
        if next((root / name).glob(_ENCODERS), None):
            return root / name, newest(root / name)
    raise ModelMismatchError(
        f"there is no model {name!r} with an encoder; `collage models` lists those there are, "
        f"${SEARCH_VARIABLE} adds folders to look in"
    )


def newest(folder: Path) -> str:
    """Return the fingerprint of the newest version of the model in a folder; ModelMismatchError without one."""
    for file in sorted(folder.glob(_ENCODERS)):
        return file.stem.removeprefix("encoder-")
    raise ModelMismatchError(f"the folder {folder} has no encoder of a model (encoder-*.safetensors)")


def find_decoder(fingerprint: str) -> Path:
    """Return the decoder file of a fingerprint (16 hexadecimal digits); ModelMismatchError if there is none."""
    for root in search_path():
        for file in root.glob(f"*/decoder-{fingerprint}.safetensors"):
            return file
    raise ModelMismatchError(
        f"the file needs the model {fingerprint}, which is not installed: upgrade collagecodec, or put the "
        f"model's folder below one named in ${SEARCH_VARIABLE}"
    )


def name_of(fingerprint: bytes) -> str | None:
    """The name of the installed model with a fingerprint of 8 bytes; None if it is not installed."""
    try:
        return find_decoder(fingerprint.hex()).parent.name
    except ModelMismatchError:
        return None


def read_tensors(path: Path) -> Tensors:
    """Read the arrays of a safetensors file; ModelMismatchError if a decoder does not match its fingerprint."""
    from safetensors import SafetensorError
    from safetensors.numpy import load

    data = path.read_bytes()
    if path.stem.startswith("decoder-") and fingerprint_of(data) != path.stem.removeprefix("decoder-"):
        raise ModelMismatchError(f"the model file {path.name} is damaged: install it again")
    try:
        return load(data)
    except (SafetensorError, KeyError, TypeError, ValueError) as error:
        raise ModelMismatchError(
            f"the model file {path.name} cannot be read ({error}): install it again"
        ) from error


def write_model(folder: Path, decoder: Tensors, encoder: Tensors) -> str:
    """Write the decoder and the encoder file of a model; return the fingerprint.

    The encoder files of earlier versions are deleted, their decoders stay.
    """
    data = _packed(decoder)
    fingerprint = fingerprint_of(data)
    folder.mkdir(parents=True, exist_ok=True)
    for old in folder.glob(_ENCODERS):
        old.unlink()
    (folder / f"decoder-{fingerprint}.safetensors").write_bytes(data)
    (folder / f"encoder-{fingerprint}.safetensors").write_bytes(_packed(encoder))
    return fingerprint


def _packed(tensors: Tensors) -> bytes:
    from safetensors.numpy import save

    return save({name: np.ascontiguousarray(value) for name, value in sorted(tensors.items())})


def fingerprint_of(data: bytes) -> str:
    """Return the first 8 bytes of the SHA-256 of a decoder file, as 16 hexadecimal digits."""
    return hashlib.sha256(data).digest()[:8].hex()
