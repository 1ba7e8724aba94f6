"""A fit as a film, and as a picture that is updated while it runs."""

from __future__ import annotations

import shutil
import subprocess
import time
from pathlib import Path
from typing import TYPE_CHECKING

from collagecodec.errors import MissingLibraryError
from collagecodec.io.files import OutputExistsError, atomic

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray
    from PIL import Image

FRAMES = 60
"""Frames of a film, about."""
_SIDE = 256
"""Longer side of a frame in pixels."""
_INTERVAL = 1.0
"""Seconds between two live pictures."""
_RATE = 15
"""Frames a second."""


class Film:
    """Collects frames for a GIF, an MP4 and a live PNG; None leaves one out.

    Raises MissingLibraryError if an MP4 is asked for and cannot be made.
    """

    def __init__(self, gif: Path | None, mp4: Path | None, live: Path | None) -> None:
        self.gif, self.mp4, self.live = gif, mp4, live
        self._frames: list[Image.Image] = []
        self._updated = -_INTERVAL
        if mp4 is not None and shutil.which("ffmpeg") is None:
            raise MissingLibraryError(
                "an MP4 needs the program ffmpeg, which is not installed: use --gif instead"
            )

    def wanted(self, step: int, steps: int) -> bool:
        """Whether a frame should be made after this step."""
        filmed = (self.gif or self.mp4) and (step % max(1, steps // FRAMES) == 0 or step in (1, steps))
        return bool(filmed or (self.live and (time.monotonic() - self._updated >= _INTERVAL or step == steps)))

    @staticmethod
    def size(shape: tuple[int, ...]) -> tuple[int, int]:
        """Width and height of the frames of a picture (H, W)."""
        longer = max(shape[:2])
        return max(1, round(_SIDE * shape[1] / longer)), max(1, round(_SIDE * shape[0] / longer))

    def add(self, target: NDArray[np.uint8], drawn: NDArray[np.uint8], title: str) -> None:
        """Add a frame: the target, of any size, and what the fit draws, (H, W) of `size`, side by side."""
        from PIL import Image, ImageDraw

        height, width = drawn.shape
        frame = Image.new("L", (2 * width + 8 + width % 2 * 2, height + 20 + height % 2), 255)
        frame.paste(Image.fromarray(target).resize((width, height), Image.Resampling.BOX), (0, 20))
        frame.paste(Image.fromarray(drawn), (width + 8, 20))
        ImageDraw.Draw(frame).text((4, 3), title, fill=0, font_size=12)
        if self.gif or self.mp4:
            self._frames.append(frame)
        if self.live is not None:
            self._updated = time.monotonic()
            with atomic(self.live, force=True) as partial:
                frame.save(partial, "PNG")

    def finish(self, force: bool) -> None:
        """Write the films."""
        if not self._frames:
            return
        if self.gif is not None:
            with atomic(self.gif, force=force) as partial:
                # The last frame stays for two seconds.
                times = [1000 // _RATE] * (len(self._frames) - 1) + [2000]
                self._frames[0].save(
                    partial, "GIF", save_all=True, append_images=self._frames[1:], duration=times, loop=0
                )
        if self.mp4 is not None:
            self._encode(self.mp4, force)

    def _encode(self, path: Path, force: bool) -> None:
        if path.exists() and not force:
            raise OutputExistsError(path)
        width, height = self._frames[0].size
        command = [
            "ffmpeg", "-loglevel", "error", "-y", "-f", "rawvideo", "-pix_fmt", "gray", "-s", f"{width}x{height}",
            "-r", str(_RATE), "-i", "-", "-pix_fmt", "yuv420p", "-f", "mp4", str(path),
        ]  # fmt: skip
        frames = b"".join(frame.tobytes() for frame in self._frames)
        done = subprocess.run(command, input=frames, capture_output=True, check=False)
        if done.returncode:
            reason = done.stderr.decode(errors="replace").strip().splitlines()[-1:] or ["no reason given"]
            raise MissingLibraryError(f"ffmpeg could not make the MP4 ({reason[0]}): use --gif instead")
