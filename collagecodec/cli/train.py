"""`collage train`: a model from a recipe and folders of pictures."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import nullcontext
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from collagecodec.cli.progress import Progress
from collagecodec.errors import CollageError

if TYPE_CHECKING:
    from collagecodec.training.config import Recipe, Stage
    from collagecodec.training.data import Crops
    from collagecodec.training.loop import Run


class TrainingError(CollageError):
    """The training cannot start; the message says what to change."""


@click.command(no_args_is_help=True)
@click.argument("config", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@click.option(
    "--data", "folders", multiple=True, required=True, metavar="DIR",
    type=click.Path(exists=True, file_okay=False, path_type=Path),
    help="Folder of pictures; one for each weight of the recipe, in that order.",
)  # fmt: skip
@click.option(
    "--from", "start", type=click.Path(exists=True, file_okay=False, path_type=Path), metavar="MODEL",
    help="Folder of a model to go on from, instead of an untrained network.",
)  # fmt: skip
@click.option("--out", required=True, type=click.Path(path_type=Path), help="Folder of the run.")
@click.option("--export", "target", type=click.Path(path_type=Path), help="Folder for the finished model.")
@click.option(
    "--device", type=click.Choice(["auto", "cpu", "cuda"]), default="auto", help="Device of the training."
)
@click.option("--devices", type=click.IntRange(1), default=1, help="GPUs on this machine.")
@click.option("--nodes", type=click.IntRange(1), default=1, help="Number of machines.")
@click.option("--threads", type=click.IntRange(1), help="Threads on a CPU, by default as many as cores.")
@click.option(
    "--fuse/--no-fuse", default=True, help="Compile elementwise operations, if there is a C++ compiler."
)
@click.pass_context
def train(context: click.Context, /, config: Path, folders: tuple[Path, ...], **given: Any) -> int:
    """Train a model on folders of pictures, according to the recipe CONFIG.

    The same command resumes an interrupted run from its last checkpoint, with the same result.

    \b
    collage train models/aerial/config.toml --data soft/ --data sharp/ --out runs/aerial
    """
    try:
        import lightning_fabric  # noqa: F401
        import torch  # noqa: F401
    except ImportError as error:
        raise TrainingError(
            f"training needs PyTorch and Lightning Fabric ({error}): pip install 'collagecodec[train]'"
        ) from error
    from collagecodec.training.config import read_recipe

    try:
        recipe = read_recipe(config)
        _train(recipe, folders, given)
    except (ValueError, FileNotFoundError) as error:
        if context.obj and context.obj["traceback"]:
            raise
        raise TrainingError(str(error)) from error
    except KeyboardInterrupt:
        click.echo(f"\nstopped; the same command resumes from the checkpoint in {given['out']}", err=True)
        raise
    return 0


def _train(recipe: Recipe, folders: tuple[Path, ...], given: dict[str, Any]) -> None:
    import torch
    from lightning_fabric import Fabric

    from collagecodec.training.fusing import fused
    from collagecodec.training.loop import Run, load_crops
    from collagecodec.training.tasks import make_task
    from collagecodec.training.validation import Validation

    if given["threads"]:
        torch.set_num_threads(given["threads"])
    fabric = Fabric(accelerator=given["device"], devices=given["devices"], num_nodes=given["nodes"])
    fabric.launch()
    task = make_task(recipe)
    if given["start"]:
        task.start_from(given["start"])
    crops = load_crops(recipe, folders, recipe.stages[0].batch)
    validation = Validation.of(recipe, folders)
    if validation is None and fabric.is_global_zero:
        click.echo("no picture is large enough and held out: stages end with their last weights", err=True)
    run = Run(recipe, task, given["out"], fabric, validation)
    if run.resume() and fabric.is_global_zero and run.stage < len(recipe.stages):
        where = f"stage {run.stage + 1} of {len(recipe.stages)}, update {run.update}"
        click.echo(f"resuming at {where}", err=True)
    bars = Bars(run)
    try:
        with fused() if given["fuse"] else nullcontext():
            run.train(of_batch(crops), bars.show if fabric.is_global_zero else _say_nothing)
    finally:
        bars.clear()
    if given["target"] and fabric.is_global_zero:
        fingerprint = task.export(crops, given["target"])
        click.echo(f"exported {recipe.name} {fingerprint} to {given['target']}", err=True)


def of_batch(crops: Crops) -> Callable[[int], Crops]:
    """Return a function from a batch size to the same crops in batches of that size; the pictures are shared."""
    import copy

    def sized(batch: int) -> Crops:
        other = copy.copy(crops)
        other.batch = batch
        return other

    return sized


class Bars:
    """Shows a progress bar for every stage of a run."""

    def __init__(self, run: Run) -> None:
        self._run = run
        self._stage: Stage | None = None
        self._bar = Progress(1)

    def show(self, stage: Stage, update: int, text: str) -> None:
        """Draw the bar of `stage` after `update` of its updates; `text` holds the figures."""
        if stage is not self._stage:
            self.clear()
            self._stage, self._bar = stage, Progress(stage.updates, update - 1)
        self._bar.update(update, f"{stage.name}  {text}")

    def clear(self) -> None:
        """Wipe the bar away."""
        self._bar.clear()


def _say_nothing(stage: Stage, update: int, text: str) -> None:
    pass
