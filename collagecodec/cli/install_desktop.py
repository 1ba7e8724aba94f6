"""`collage install-desktop`: the media type and the thumbnailer for desktops that follow freedesktop.org."""

from __future__ import annotations

import os
import shutil
import subprocess
from importlib.resources import files
from pathlib import Path

import click

from collagecodec.io.files import write_bytes_atomic

_PLACES = {"collage.xml": "mime/packages", "collage.thumbnailer": "thumbnailers"}


@click.command("install-desktop")
@click.option(
    "--data-home",
    type=click.Path(file_okay=False),
    help="Folder for data.  [default: $XDG_DATA_HOME or ~/.local/share]",
)
@click.option("--remove", is_flag=True, help="Take away what was installed.")
def install_desktop(data_home: str | None, remove: bool) -> int:
    """Teach file managers of Linux desktops what .clg files are, and to show thumbnails of them.

    Writes two small files for the current user; nothing needs administrator's rights.
    """
    root = Path(data_home or os.environ.get("XDG_DATA_HOME") or Path.home() / ".local" / "share")
    for name, folder in _PLACES.items():
        target = root / folder / name
        if remove:
            target.unlink(missing_ok=True)
            click.echo(f"removed {target}")
            continue
        target.parent.mkdir(parents=True, exist_ok=True)
        write_bytes_atomic(target, files("collagecodec").joinpath("desktop", name).read_bytes(), force=True)
        click.echo(f"wrote {target}")
    _update(root / "mime")
    return 0


def _update(folder: Path) -> None:
    """Refresh the database of media types, which desktops read instead of the packages."""
    program = shutil.which("update-mime-database")
    if program is None:
        click.echo(
            f"run 'update-mime-database {folder}' when it is installed (package shared-mime-info)", err=True
        )
        return
    subprocess.run([program, str(folder)], check=True)
