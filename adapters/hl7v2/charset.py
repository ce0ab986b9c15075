"""Character sets of HL7 v2 (table 0211), decoded strictly: no replacement characters, ever.

MSH-18 decides; where it is empty UTF-8 is tried and then the feed's own character set. Bytes that
are all ASCII mean the same in every set read here, so a wrong or unknown declaration does them no
harm; the escape character would switch sets inside a text (ISO 2022) and is not read.
"""

from __future__ import annotations

import codecs
from typing import Final

from adapters.hl7v2.errors import CharsetError

CODECS: Final[dict[str, str]] = {
    "ASCII": "ascii",
    "8859/1": "iso8859-1",
    "8859/15": "iso8859-15",
    "UNICODE UTF-8": "utf-8",
    # not in the table, and unmistakable
    "UTF-8": "utf-8",
    "UTF8": "utf-8",
    "ISO-8859-1": "iso8859-1",
    "ISO-8859-15": "iso8859-15",
    "ISO8859/1": "iso8859-1",
    "ISO8859/15": "iso8859-15",
}
ESCAPE: Final = b"\x1b"
WHERE: Final = "MSH-18"


def decode(payload: bytes, declared: str, fallback: str) -> tuple[str, str]:
    """The text and the Python codec that read it. Raises CharsetError."""
    if payload.isascii() and ESCAPE not in payload:
        return payload.decode("ascii"), CODECS.get(declared.upper(), "utf-8")
    if not declared:
        return _undeclared(payload, fallback)
    codec = CODECS.get(declared.upper())
    if codec is None:
        raise CharsetError("the declared character set is not one that is read here", WHERE)
    return _strictly(payload, codec), codec


def _undeclared(payload: bytes, fallback: str) -> tuple[str, str]:
    try:
        return payload.decode("utf-8"), "utf-8"
    except UnicodeDecodeError:
        return _strictly(payload, fallback), fallback


def _strictly(payload: bytes, codec: str) -> str:
    try:
        return payload.decode(codec)
    except UnicodeDecodeError as error:
        raise CharsetError(f"byte {error.start} is not {codec}", WHERE) from None


def is_known(codec: str) -> bool:
    """Whether Python has the codec (for a feed's configuration)."""
    try:
        codecs.lookup(codec)
    except LookupError:
        return False
    return True
