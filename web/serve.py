"""A local server for the demonstration: `python web/serve.py`, then http://localhost:8016/demo/.

It serves web/ with range requests, models at /models/, a folder of pictures at /files/, and encodes what is
posted to /encode as .clg (`bpp`), or as `format` avif or jpeg with at most `max_bytes`.
"""

from __future__ import annotations

import argparse
import io
import json
import re
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

from PIL import Image

import collagecodec

WEB = Path(__file__).resolve().parent
MODELS = WEB.parent / "models"
LARGEST = 2**26
"""Bytes of a picture that may be posted."""


class Handler(SimpleHTTPRequestHandler):
    """Files with ranges, and encoding."""

    files = WEB
    extensions_map = {  # noqa: RUF012
        **SimpleHTTPRequestHandler.extensions_map,
        ".wasm": "application/wasm", ".js": "text/javascript", ".clg": "image/vnd.collage",
    }  # fmt: skip

    def translate_path(self, path: str) -> str:
        """Map /models/decoder-X and /files/X to their folders, everything else into web/."""
        name = Path(urlsplit(path).path).name
        if urlsplit(path).path.startswith("/models/"):
            return str(next(MODELS.glob(f"*/{name}"), MODELS / "none")) if re.fullmatch(r"[\w.-]+", name) else ""
        if urlsplit(path).path.startswith("/files/"):
            return (
                str(next(self.files.rglob(name), self.files / "none")) if re.fullmatch(r"[\w. -]+", name) else ""
            )
        return super().translate_path(path)

    def send_head(self):  # type: ignore[no-untyped-def]  # noqa: D102
        path = Path(self.translate_path(self.path))
        found = re.fullmatch(r"bytes=(\d+)-(\d*)", self.headers.get("Range", ""))
        if not found or not path.is_file():
            return super().send_head()
        size = path.stat().st_size
        first, last = int(found[1]), min(int(found[2] or size - 1), size - 1)
        if first > last:
            self.send_error(416)
            return None
        with path.open("rb") as file:
            file.seek(first)
            part = file.read(last - first + 1)
        self.send_response(206)
        self.send_header("Content-Type", self.guess_type(str(path)))
        self.send_header("Content-Range", f"bytes {first}-{last}/{size}")
        self.send_header("Content-Length", str(len(part)))
        self.end_headers()
        return io.BytesIO(part)

    def end_headers(self) -> None:
        """Let nothing be kept while one develops."""
        self.send_header("Accept-Ranges", "bytes")
        self.send_header("Cache-Control", "no-cache")
        super().end_headers()

    def do_OPTIONS(self) -> None:
        """Say that encoding is possible."""
        self.send_response(204 if urlsplit(self.path).path == "/encode" else 405)
        self.end_headers()

    def do_POST(self) -> None:
        """Encode a picture."""
        asked = {key: values[0] for key, values in parse_qs(urlsplit(self.path).query).items()}
        length = int(self.headers.get("Content-Length", 0))
        if urlsplit(self.path).path != "/encode" or not 0 < length <= LARGEST:
            self.send_error(404)
            return
        try:
            image = Image.open(io.BytesIO(self.rfile.read(length)))
            data = encoded(image, asked)
        except Exception as error:  # whatever is wrong with what was posted belongs to the page
            self._answer(400, str(error).encode(), "text/plain; charset=utf-8")
            return
        kind = asked.get("format", "vnd.collage")
        self._answer(200, data, f"image/{kind}")

    def _answer(self, status: int, data: bytes, kind: str) -> None:
        self.send_response(status)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    def log_message(self, format: str, *arguments: object) -> None:
        """Write nothing for each request."""


def encoded(image: Image.Image, asked: dict[str, str]) -> bytes:
    """Return the file of a request."""
    if asked.get("format") not in ("avif", "jpeg"):
        return collagecodec.encode(image, bpp=float(asked.get("bpp", 0.5)))
    limit, low, high, best = int(asked["max_bytes"]), 1, 95, b""
    while low <= high:
        quality, stream = (low + high) // 2, io.BytesIO()
        image.convert("RGB").save(stream, asked["format"], quality=quality)
        if stream.tell() <= limit:
            best, low = stream.getvalue(), quality + 1
        else:
            high = quality - 1
    if not best:
        raise ValueError(f"{asked['format'].upper()} cannot be as small as {limit} bytes")
    return best


def main() -> None:
    """Serve until interrupted."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--port", type=int, default=8016)
    parser.add_argument("--files", type=Path, default=WEB, help="folder of .clg files to list in the page")
    arguments = parser.parse_args()
    Handler.files = arguments.files.resolve()
    listed = [
        {"title": path.stem, "file": f"/files/{path.name}", "bytes": path.stat().st_size}
        for path in sorted(Handler.files.glob("*.clg"))
    ]
    (WEB / "demo" / "samples.json").write_text(json.dumps(listed, indent=1) + "\n")
    with ThreadingHTTPServer(("127.0.0.1", arguments.port), lambda *a: Handler(*a, directory=str(WEB))) as server:
        print(f"http://localhost:{server.server_address[1]}/demo/", flush=True)
        server.serve_forever()


if __name__ == "__main__":
    main()
