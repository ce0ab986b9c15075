"""Additional HTTP headers of a subscriber's requests, one a line: ``Authorization: Bearer …``."""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Final

_LINE: Final = re.compile(
    r"([!#$%&'*+.^_`|~0-9A-Za-z-]{1,100}):[ \t]*([\x21-\x7e](?:[ -~]{0,4000}[\x21-\x7e])?)"
)
"""RFC 9110, section 5.5, without what lies beyond ASCII."""
OURS: Final = frozenset(
    {"connection", "content-encoding", "content-length", "content-type", "cookie", "expect", "host",
     "keep-alive", "te", "trailer", "transfer-encoding", "upgrade", "user-agent"}
)  # fmt: skip
"""What we say ourselves, or the connection's own (RFC 9110, section 7.6.1); we keep no cookies."""
SIGNED: Final = "webhook-"
"""Starts what is true of our signed webhooks only (Standard Webhooks 1.0.0, "Webhook headers")."""
MAX_HEADERS: Final = 20
"""That whoever subscribes has us send along: a token and some that lead its proxies."""


class HeaderError(ValueError):
    """Not a header that can be sent along; the text never quotes it."""


def headers_of(lines: Iterable[str]) -> dict[str, str]:
    """Name to value. Raises HeaderError."""
    found: dict[str, str] = {}
    for line in lines:
        read = _LINE.fullmatch(line)
        if read is None:
            raise HeaderError("a header is a name, a colon and a value, in ASCII and on one line")
        name, value = read.groups()
        if is_ours(name) or name.lower() in {known.lower() for known in found}:
            raise HeaderError("a header is given once, and none that we or the connection set")
        found[name] = value
    if len(found) > MAX_HEADERS:
        raise HeaderError(f"at most {MAX_HEADERS} headers are sent along")
    return found


def is_ours(name: str) -> bool:
    """Whether nobody else may say it: it would lie about us, or about our body."""
    return name.lower() in OURS or name.lower().startswith(SIGNED)
