"""The command `collage`: the group of commands, and its exit statuses.

A command is imported when it is called, so that decoding does not wait for the libraries of training.
"""

from __future__ import annotations

import importlib
import signal
import sys
import threading
from collections.abc import Sequence
from typing import NoReturn

import click

from collagecodec._version import __version__
from collagecodec.errors import CollageError

COMMANDS = (
    "encode", "decode", "info", "verify", "archive", "thumbnail", "models", "codecs", "ifs", "train",
    "completion",
    "install-desktop",
)  # fmt: skip
INTERRUPTED = 130


class LazyGroup(click.Group):
    """A group whose commands are imported on demand, each from the module of its name."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """Return the names in the order of the help page."""
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """Return the command, None if there is no command of this name."""
        if cmd_name not in COMMANDS:
            return None
        name = cmd_name.replace("-", "_")
        command: click.Command = getattr(importlib.import_module(f"collagecodec.cli.{name}"), name)
        return command


@click.group(cls=LazyGroup, context_settings={"help_option_names": ["-h", "--help"], "show_default": True})
@click.version_option(__version__, "-V", "--version", prog_name="collage")
@click.option("--traceback", is_flag=True, hidden=True, help="Show where errors come from.")
@click.pass_context
def group(context: click.Context, traceback: bool) -> None:
    """Store pictures in small .clg files and get them back at any size.

    \b
    collage encode photo.png            writes photo.clg
    collage decode photo.clg            writes photo.decoded.png

    Exit status: 0 success, 1 a file failed (the others were still processed), 2 wrong usage, 130 interrupted.
    """
    context.obj = {"traceback": traceback}


def run(arguments: Sequence[str] | None = None) -> int:
    """Run the command line `arguments` (without the program's name) and return the exit status."""
    handler = None
    if threading.current_thread() is threading.main_thread():
        # Like Ctrl-C: what is being written is removed.
        handler = signal.signal(signal.SIGTERM, _terminate)
    try:
        status = group.main(args=arguments, prog_name="collage", standalone_mode=False)
    except click.ClickException as error:
        error.show()
        return error.exit_code
    except (click.Abort, KeyboardInterrupt) as error:
        # Click replaces the exception, whose message may say how to resume.
        message = str(error.__cause__ or error)
        click.echo(f"collage: interrupted{': ' if message else ''}{message}", err=True)
        return INTERRUPTED
    except BrokenPipeError:
        # The reader of our output has closed it; this keeps Python from complaining when it flushes.
        sys.stdout = None
        return 1
    except (CollageError, OSError) as error:
        if "--traceback" in (sys.argv if arguments is None else arguments):
            raise
        click.echo(f"collage: {error}", err=True)
        return 1
    finally:
        if handler is not None:
            signal.signal(signal.SIGTERM, handler)
    return status if isinstance(status, int) else 0


def _terminate(*_: object) -> NoReturn:
    raise KeyboardInterrupt("terminated")


def main() -> None:
    """Run the command line of this process and exit."""
    sys.exit(run())


if __name__ == "__main__":
    main()
