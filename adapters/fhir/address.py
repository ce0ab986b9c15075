"""Normalises addresses for comparison.

Source: RFC 3986, section 6.2.2 (case, percent-encoding, dot segments) and 6.2.3 (http: default ports, the
empty path). A slash at the end of a path and a fragment make no difference to a FHIR server.

Invariant: :func:`normal` is total, and the normal form of a normal form is itself. What is no http
address (a relative reference, ``urn:uuid:…``) is left as it is.
"""

from __future__ import annotations

import re
from typing import Final, NamedTuple
from urllib.parse import SplitResult, urlsplit

_PORTS: Final = {"http": 80, "https": 443}
_ENCODED: Final = re.compile(r"%([0-9A-Fa-f]{2})")
_HIDDEN_STEP: Final = re.compile(r"\.\.%(?:2F|5C)|%(?:2F|5C)\.\.")
_UNRESERVED: Final = re.compile(r"[A-Za-z0-9._~-]", re.ASCII)


class Address(NamedTuple):
    """An http address in its normal form; ``origin`` is scheme, host and port."""

    origin: str
    path: str
    query: str

    @property
    def text(self) -> str:
        """As it is written."""
        return f"{self.origin}{self.path}{'?' if self.query else ''}{self.query}"

    def is_under(self, base: Address) -> bool:
        """Whether it is the base itself, a search of it, or something below it."""
        is_below = self.path == base.path or self.path.startswith(f"{base.path}/")
        return self.origin == base.origin and is_below


def parsed(text: str) -> Address | None:
    """The address in its normal form.

    None for what is no http address, shows who asks, or hides a step upwards from us (``..%2F``), which a
    server may see.
    """
    try:
        parts = urlsplit(text)
        port = parts.port
    except ValueError:
        return None
    scheme, path = parts.scheme.lower(), _encoded(parts.path)
    if scheme not in _PORTS or not parts.hostname or "@" in parts.netloc or "\\" in text:
        return None
    if _HIDDEN_STEP.search(path):
        return None
    return Address(_origin(scheme, parts, port), _path(path), _encoded(parts.query))


def normal(text: str) -> str:
    """The text of the address in its normal form; any other text as it is."""
    found = parsed(text) if text[:4].lower() == "http" else None
    return text if found is None else found.text


def _origin(scheme: str, parts: SplitResult, port: int | None) -> str:
    host = (parts.hostname or "").rstrip(".")
    host = f"[{host}]" if ":" in host else host
    return f"{scheme}://{host}" if port in {None, _PORTS[scheme]} else f"{scheme}://{host}:{port}"


def _path(path: str) -> str:
    """Without dot segments, empty segments at the end, or escapes of what needs none."""
    kept: list[str] = []
    for segment in path.split("/")[1:]:
        if segment == "..":
            kept = kept[:-1]
        elif segment != ".":
            kept.append(segment)
    return "".join(f"/{segment}" for segment in kept).rstrip("/")


def _encoded(text: str) -> str:
    return _ENCODED.sub(_decoded, text)


def _decoded(escape: re.Match[str]) -> str:
    sign = chr(int(escape[1], 16))
    return sign if _UNRESERVED.fullmatch(sign) else escape[0].upper()
