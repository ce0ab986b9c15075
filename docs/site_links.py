"""Hook of MkDocs: a link that leaves the documentation becomes the path of the file in the source tree."""

from __future__ import annotations

import re
from posixpath import join, normpath
from typing import Any

LINK = re.compile(r"\[([^\]]+)\]\(((?:\.\./)+[^)#]+)(?:#[^)]*)?\)")


def on_page_markdown(markdown: str, *, page: Any, **_: object) -> str:  # noqa: ANN401 - a page of MkDocs
    """The page with its links; those to other pages stay."""
    folder = join("docs", page.file.src_uri, "..")

    def named(link: re.Match[str]) -> str:
        path = normpath(join(folder, link[2]))
        return link[0] if path.startswith("docs/") else f"{link[1]} (`{path}`)"

    return LINK.sub(named, markdown)
