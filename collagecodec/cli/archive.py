"""`collage archive`: a collection of pictures into an archive of `.clg` files."""

from __future__ import annotations

import json
from dataclasses import asdict
from typing import Any

import click

from collagecodec.cli import batch
from collagecodec.cli.progress import Progress


@click.command(no_args_is_help=True)
@click.argument("source")
@click.argument("destination")
@click.option("-q", "--quality", type=click.FloatRange(0, 100), help="0 (smallest) to 100 (finest).")
@click.option("--bpp", type=click.FloatRange(0, min_open=True), help="Bits per pixel to come close to.")
@click.option("--psnr", type=click.FloatRange(0, min_open=True), help="PSNR that every picture reaches, in dB.")
@click.option(
    "--ms-ssim",
    type=click.FloatRange(0, 1, min_open=True, max_open=True),
    help="MS-SSIM that every picture reaches.",
)
@click.option(
    "--min-psnr", type=click.FloatRange(0, min_open=True),
    help="Floor: pictures below it are encoded at a higher quality.",
)  # fmt: skip
@click.option("--max-error", type=click.IntRange(0, 65535), help="Promise a largest error of every sample.")
@click.option("-e", "--effort", type=click.IntRange(0, 9), help="As for collage encode.")
@click.option("-m", "--model", help="Model to use; 'collage models' lists them.")
@click.option("--codec", help="Codec to use, collage if not given; 'collage codecs' lists them.")
@click.option("--stac", is_flag=True, help="Write a STAC item beside every file.")
@click.option("--batch", "batch_size", type=click.IntRange(1, 1000), default=20, help="Pictures in a batch.")
@click.option("-j", "--jobs", type=click.IntRange(0), default=0, help="Local processes; 0: as many as cores.")
@click.option(
    "--scheduler", metavar="ADDRESS", help="Dask scheduler to use instead, such as tcp://10.0.0.1:8786."
)
@click.option(
    "--storage", "storage", multiple=True, metavar="KEY=VALUE",
    help="Option of obstore for buckets, such as endpoint=https://...; may be given several times.",
)  # fmt: skip
@click.option("-n", "--dry-run", is_flag=True, help="Show what is missing, and write nothing.")
@click.option("--json", "as_json", is_flag=True, help="Print a JSON object for each picture of this run.")
def archive(source: str, destination: str, **given: Any) -> int:
    """Store all pictures below SOURCE in DESTINATION, verify them, and write a report.

    SOURCE and DESTINATION are folders or addresses such as s3://bucket/prefix. Every file is decoded and compared
    with its original before it is written; originals are never touched. What was done stands in the folder
    _manifest of DESTINATION, in Parquet: after an interruption, the same command does what is missing.

    \b
    collage archive --psnr 36 scans/ archive/
    collage archive --quality 60 --min-psnr 32 --stac s3://mosaics/2026 s3://archive/2026
    collage archive --scheduler tcp://10.0.0.1:8786 --quality 60 /mnt/scans /mnt/archive
    """
    from collagecodec.archive import manifest, report, run
    from collagecodec.archive.places import Place
    from collagecodec.archive.settings import Settings

    try:
        options = dict(text.split("=", 1) for text in given["storage"])
        settings = Settings.of(given)
        collection = run.Collection(
            _place(Place, source, options), _place(Place, destination, options), settings, given["batch_size"]
        )
    except ValueError as error:
        raise click.UsageError(str(error)) from error
    tasks = collection.tasks()
    if not tasks:
        raise click.UsageError(f"there are no pictures below {source}")
    missing = collection.missing(tasks)
    click.echo(f"{len(tasks)} pictures, {len(missing)} of them to be stored", err=True)
    if given["dry_run"]:
        for task in missing:
            click.echo(f"{task.source.key} -> {task.target}")
        return 0
    rows = _watched(run, collection, batch.job_count(given["jobs"]), given["scheduler"])
    for row in rows:
        if given["as_json"]:
            click.echo(json.dumps(asdict(row)))
        elif row.status != manifest.DONE:
            click.echo(f"collage: {row.path}: {row.error}", err=True)
    everything = manifest.read(collection.archive)
    collection.archive.write(report.NAME, report.page(everything.values()))
    failed = sum(row.status != manifest.DONE for row in rows)
    click.echo(
        f"{len(rows) - failed} stored, {failed} failed; report: {collection.archive.link(report.NAME)}", err=True
    )
    return 1 if failed else 0


def _place(kind: Any, address: str, options: dict[str, str]) -> Any:
    return kind(address, options if "://" in address else {})


def _watched(run: Any, collection: Any, jobs: int, scheduler: str | None) -> list[Any]:
    """Run an archive with a bar that counts pictures."""
    bars: list[Progress] = []

    def report(done: int, total: int, row: Any) -> None:
        if not bars:
            bars.append(Progress(total, unit=" pictures"))
        bars[0].update(done, row.path)

    try:
        rows: list[Any] = run.archive(collection, jobs=jobs, scheduler=scheduler, report=report)
    finally:
        for bar in bars:
            bar.clear()
    return rows
