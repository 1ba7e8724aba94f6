"""`collage codecs`: the codecs and their settings."""

from __future__ import annotations

import click


@click.command()
@click.argument("names", nargs=-1)
def codecs(names: tuple[str, ...]) -> int:
    """List the codecs of this version, or those of NAMES, with their settings and defaults.

    \b
    collage encode --codec dct --set step=20 photo.png
    """
    from collagecodec.codecs import registry
    from collagecodec.codecs.settings import listing

    for name in names or registry.names():
        codec = registry.codec_class(name)
        click.echo(name)
        if codec.__doc__:
            click.echo(f"    {' '.join(codec.__doc__.split())}")
        for line in listing(codec):
            click.echo(f"    --set {line}")
    return 0
