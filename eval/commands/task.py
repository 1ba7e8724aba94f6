"""`python -m eval task`: what machines still see in decoded pictures."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import click
import numpy as np

from collagecodec.cli.progress import Progress
from collagecodec.codecs.base import ArrayCodec
from collagecodec.sampling.request import Image8
from eval.commands.options import chosen_sweeps, limit_option, one_line_errors, out_option, pictures, root_option
from eval.harness import facts
from eval.harness.datasets import centre, default_root
from eval.harness.journal import Journal, JsonLines
from eval.harness.metrics import bits_per_pixel
from eval.harness.store import write_json
from eval.report import task_tables
from eval.report.task_tables import ORIGINAL
from eval.studies import aerial_scenes, keypoints

KEY = ("task", "reader", "codec", "backend", "value", "picture")
Scores = dict[str, float]
Work = tuple[str, str, Image8, Callable[[Image8], Scores]]
"""Name of the task's reader, name of a picture, the picture, and the function that scores a decoded version."""


@click.command()
@root_option("the sets")
@limit_option
@out_option
@click.option(
    "--codecs", "specs", default="collage;jpeg;webp;jpeg2000-psnr;avif-420-s4", help="Sweeps, as for `rd`."
)
@click.option("--every", type=click.IntRange(1), default=3, help="Measure every N-th value of each sweep.")
@click.option("--data", default="dota-val", help="Pictures whose keypoints are compared.")
@click.option("--side", type=click.IntRange(64), default=512, help="Side of their middle that is coded.")
@click.option("--epochs", type=click.IntRange(1), default=20, help="Epochs of the classifier's training.")
@click.option("--seed", type=int, default=0, help="Seed of the classifier and of the mosaics.")
def task(
    data_root: Path | None,
    limit: int,
    out: Path,
    specs: str,
    every: int,
    data: str,
    side: int,
    epochs: int,
    seed: int,
) -> None:
    """Measure two tasks on decoded pictures, at each rate of every codec.

    A small network, trained on original pictures of RSSCN7, classifies aerial scenes; SIFT keypoints of pictures
    are matched with those of the original. Writes rows.jsonl, classifier.safetensors, table.md and figures. An
    interrupted command resumes where it stopped.
    """
    with one_line_errors():
        chosen, _ = chosen_sweeps(specs)
        work = [*_scenes(data_root or default_root(), out, limit, epochs, seed)]
        work += _keypoints(data, data_root, limit, side)
        codecs = [
            (sweep.label, value, sweep.codec(value)) for _, sweep in chosen for value in sweep.values[::every]
        ]
        with Journal(out / "rows.jsonl", JsonLines(), lambda row: tuple(row[name] for name in KEY)) as journal:
            _measure(journal, work, codecs)
            readers = {reader for reader, *_ in work}
            rows = [row for row in journal.rows if row["reader"] in readers]
        write_json(out / "run.json", {"epochs": epochs, "seed": seed, "side": side, **facts.environment()})
        (out / "table.md").write_text(
            f"{task_tables.scene_table(rows)}\n{task_tables.keypoint_table(rows)}", encoding="utf-8"
        )
        task_tables.figures(rows, out)
    click.echo((out / "table.md").read_text(encoding="utf-8"), nl=False)


def _measure(
    journal: Journal[dict[str, Any]], work: list[Work], codecs: list[tuple[str, float, ArrayCodec]]
) -> None:
    bar = Progress(len(work) * (len(codecs) + 1), unit=" rows")
    count = 0
    for reader, picture, image, score in work:
        for label, value, codec in [(ORIGINAL, 0.0, None), *codecs]:
            backend = facts.backend_of(codec) if codec else ""
            place = (
                "scene" if reader.startswith("classifier") else "keypoints",
                reader,
                label,
                backend,
                value,
                picture,
            )
            if place not in journal:
                data = codec.encode(image) if codec else b""
                scores = score(codec.decode(data) if codec else image)
                journal.add(dict(zip(KEY, place, strict=True)) | {"bpp": bits_per_pixel(data, image)} | scores)
            count += 1
            bar.update(count, f"{label} {picture}")
    bar.clear()


def _scenes(root: Path, out: Path, limit: int, epochs: int, seed: int) -> Iterator[Work]:
    """Yield the mosaics of the test, scored by a classifier that is trained first or read from `out`."""
    from eval.studies import scene_classifier  # late, as torch takes seconds

    train, test = aerial_scenes.load(root)
    path = out / "classifier.safetensors"
    if not path.exists():
        bar = Progress(epochs, unit=" epochs")
        scene_classifier.save(scene_classifier.trained(train, epochs, seed, bar.update), path)
        bar.clear()
    model = scene_classifier.load(path, len(test.names))
    reader = f"classifier {hashlib.sha256(path.read_bytes()).hexdigest()[:12]}"
    mosaics = aerial_scenes.mosaics(test, seed)
    for number, (mosaic, members) in enumerate(mosaics[: limit or None]):
        seen = scene_classifier.classes_of(model, aerial_scenes.cut(mosaic))

        def score(decoded: Image8, seen: Any = seen, truth: Any = test.classes[members]) -> Scores:
            found = scene_classifier.classes_of(model, aerial_scenes.cut(decoded))
            return {"accuracy": float(np.mean(found == truth)), "agreement": float(np.mean(found == seen))}

        yield reader, f"mosaic {number}", mosaic, score


def _keypoints(data: str, root: Path | None, limit: int, side: int) -> Iterator[Work]:
    """Yield the middles of pictures, scored by the keypoints that remain."""
    for picture in pictures(data, root, limit).pictures:
        image = centre(picture.load(), side)
        points = keypoints.detected(image)

        def score(decoded: Image8, points: keypoints.Keypoints = points) -> Scores:
            repeated, matched = keypoints.kept(points, keypoints.detected(decoded))
            return {"repeated": repeated, "matched": matched}

        if len(points.sizes):
            yield f"sift {side}", picture.name, image, score
