"""`collage completion`: the script that completes commands and options in a shell."""

from __future__ import annotations

import click
from click.shell_completion import get_completion_class

SHELLS = ("bash", "zsh", "fish")


@click.command()
@click.argument("shell", type=click.Choice(SHELLS))
@click.pass_context
def completion(context: click.Context, shell: str) -> int:
    """Print the script that completes `collage` in SHELL.

    \b
    collage completion bash > ~/.local/share/bash-completion/completions/collage
    collage completion zsh > ~/.zfunc/_collage
    collage completion fish > ~/.config/fish/completions/collage.fish
    """
    kind = get_completion_class(shell)
    assert kind is not None
    root = context.find_root().command
    script = kind(root, {}, "collage", "_COLLAGE_COMPLETE")
    # `source` of bash starts a shell to learn its version, which is of no use for a file that is installed.
    click.echo(script.source_template % script.source_vars())
    return 0
