"""`python -m eval demo`: encode a picture with the shipped model and print size, quality and time."""

from __future__ import annotations

import io
import time
from pathlib import Path

import click
import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw

import collagecodec
from eval.harness.metrics import bits_per_pixel, compare

Pixels = NDArray[np.uint8]


@click.command()
@click.option("--image", type=click.Path(exists=True, dir_okay=False, path_type=Path), help="A picture to use.")
@click.option("--bpp", type=click.FloatRange(0, min_open=True), default=0.5, help="Bits per pixel.")
@click.option("--out", type=click.Path(path_type=Path), default=Path("demo"), help="Folder for the results.")
def demo(image: Path | None, bpp: float, out: Path) -> None:
    """Encode and decode a picture, print size, quality and time, and write a side-by-side comparison.

    Without --image a photograph from scikit-image is used.
    """
    original = _load(image)
    out.mkdir(parents=True, exist_ok=True)
    started = time.perf_counter()
    data = collagecodec.encode(original, bpp=bpp)
    encoded = time.perf_counter()
    decoded = collagecodec.decode(data)
    finished = time.perf_counter()
    (out / "picture.clg").write_bytes(data)
    Image.fromarray(decoded).save(out / "decoded.png")
    jpeg = _jpeg_of_at_most(original, len(data))
    click.echo(f"picture    {original.shape[1]}x{original.shape[0]}, {original.nbytes} bytes uncompressed")
    click.echo(f"file       {len(data)} bytes, {bits_per_pixel(data, original):.3f} bits per pixel")
    click.echo(f"PSNR       {compare(original, decoded, structural=False).psnr:.2f} dB")
    click.echo(f"encoding   {encoded - started:.2f} s (searches for the requested rate)")
    click.echo(f"decoding   {finished - encoded:.2f} s, with the model loaded")
    if jpeg is not None:
        size, picture = jpeg
        quality = compare(original, picture, structural=False).psnr
        click.echo(
            f"JPEG       {size} bytes, {quality:.2f} dB (Pillow, optimize=True, the best of at most that size)"
        )
    side = out / "side-by-side.png"
    side_by_side(original, decoded, None if jpeg is None else jpeg[1], len(data)).save(side)
    click.echo(f"wrote      {out / 'picture.clg'}, {out / 'decoded.png'}, {side}")


def _load(path: Path | None) -> Pixels:
    if path is None:
        import skimage.data

        return np.asarray(skimage.data.coffee())  # type: ignore[no-untyped-call]
    with Image.open(path) as image:
        return np.asarray(image.convert("RGB"))


def _jpeg_of_at_most(original: Pixels, size: int) -> tuple[int, Pixels] | None:
    """Return size and pixels of the best JPEG of at most `size` bytes, or None if every JPEG is larger."""
    for quality in range(95, 0, -1):
        stream = io.BytesIO()
        Image.fromarray(original).save(stream, "JPEG", quality=quality, optimize=True)
        if stream.tell() <= size:
            return stream.tell(), np.asarray(Image.open(stream).convert("RGB"))
    return None


def side_by_side(
    original: Pixels, decoded: Pixels, jpeg: Pixels | None, size: int, crop: int = 320
) -> Image.Image:
    """Draw the centres of the pictures side by side with titles, enlarged twice."""
    panels = [("original", original), (f"collage, {size} bytes", decoded)]
    if jpeg is not None:
        panels.append(("JPEG, at most that size", jpeg))
    height, width = min(crop, original.shape[0]), min(crop, original.shape[1])
    top, left = (original.shape[0] - height) // 2, (original.shape[1] - width) // 2
    sheet = Image.new("RGB", (len(panels) * (2 * width + 8) - 8, 2 * height + 28), "white")
    draw = ImageDraw.Draw(sheet)
    for number, (title, pixels) in enumerate(panels):
        x = number * (2 * width + 8)
        part = Image.fromarray(pixels[top : top + height, left : left + width])
        sheet.paste(part.resize((2 * width, 2 * height), Image.Resampling.NEAREST), (x, 28))
        draw.text((x + 6, 4), title, fill="black", font_size=16)
    return sheet
