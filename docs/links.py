"""Links from a page to files outside of docs/ lead to the repository when the site is built."""

from __future__ import annotations

import re
from typing import Any

REPOSITORY = "https://github.com/collagecodec/collagecodec/blob/main/"


def on_page_markdown(markdown: str, *, page: Any, **_: Any) -> str:
    """Replace links such as `](../eval/README.md)`; MkDocs calls this for every page."""
    if page.file.src_uri.startswith("api/"):
        return markdown
    return re.sub(r"\]\(\.\./([^)]+)\)", rf"]({REPOSITORY}\1)", markdown)
