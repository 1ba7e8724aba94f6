"""`collage models`: the models that are installed."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import click

_CARDS = ("README.md", "card.md", "CARD.md")


@click.command()
@click.option("--json", "as_json", is_flag=True, help="Print a JSON object for each model.")
def models(as_json: bool) -> int:
    """List the installed models: name, fingerprint, sizes, and the first line of the model card.

    Models are searched in the folders of the variable COLLAGE_MODELS, then in the installed package.
    """
    installed = list_models()
    for model in installed:
        click.echo(json.dumps(model) if as_json else _text(model))
    if not installed:
        click.echo(
            "collage: no models are installed; install collagecodec again, or set COLLAGE_MODELS to their folder",
            err=True,
        )
    return 0 if installed else 1


def list_models() -> list[dict[str, Any]]:
    """Return name, fingerprints, sizes in bytes, folder and card line of every installed model."""
    from collagecodec.codecs.models import search_path

    models: dict[str, dict[str, Any]] = {}
    for root in search_path():
        for folder in sorted(path for path in root.iterdir() if path.is_dir()):
            decoders = {_mark(file): file for file in folder.glob("decoder-*.safetensors")}
            if decoders and folder.name not in models:
                models[folder.name] = _describe(folder, decoders)
    return list(models.values())


def _describe(folder: Path, decoders: dict[str, Path]) -> dict[str, Any]:
    encoders = {_mark(file): file for file in folder.glob("encoder-*.safetensors")}
    newest = next((mark for mark in sorted(encoders) if mark in decoders), None)
    mark = newest or sorted(decoders)[-1]
    return {
        "name": folder.name,
        "fingerprint": mark,
        "older": sorted(set(decoders) - {mark}),
        "decoder_bytes": decoders[mark].stat().st_size,
        "encoder_bytes": encoders[mark].stat().st_size if newest else 0,
        "folder": str(folder),
        "card": _card_line(folder),
    }


def _mark(file: Path) -> str:
    return file.stem.partition("-")[2]


def _card_line(folder: Path) -> str:
    """Return the first line of the card that is not a heading."""
    for name in _CARDS:
        if (folder / name).is_file():
            lines = (line.strip() for line in (folder / name).read_text(encoding="utf-8").splitlines())
            return next((line for line in lines if line and line[0] not in "#<!-|"), "")
    return ""


def _text(model: dict[str, Any]) -> str:
    sizes = f"decoder {model['decoder_bytes'] / 1e6:.1f} MB, encoder {model['encoder_bytes'] / 1e6:.1f} MB"
    if not model["encoder_bytes"]:
        sizes = f"decoder {model['decoder_bytes'] / 1e6:.1f} MB, no encoder"
    return f"{model['name']:<12} {model['fingerprint']}  {sizes}  {model['card']}".rstrip()
