r"""File names: bytes that the file system keeps, which need not be text in any encoding.

Python holds such a name as a ``str`` with a surrogate for each byte that is no UTF-8 (PEP 383). Such a
``str`` opens and moves the file, and cannot be printed, logged, stored or sent: everything that leaves
goes through :func:`shown`. A name is compared with a pattern of the configuration through
:func:`as_text`, or ``SÄS*.csv`` would not find the file that a Windows program wrote under that name.

All functions are total.
"""

from __future__ import annotations

import os
from fnmatch import fnmatchcase
from typing import Final
from unicodedata import normalize

_ESCAPE: Final = "\\"


def shown(name: str | os.PathLike[str]) -> str:
    r"""The name for people, logs and records: printable, and no two names are shown alike.

    What cannot be printed is ``\xNN`` for each byte of it, and a backslash is ``\\``, as in a shell's
    ``$'…'``: ``SÄS Borås.csv`` in Latin-1 is ``S\xc4S Bor\xe5s.csv``.
    """
    text = os.fspath(name)
    if text.isprintable() and _ESCAPE not in text:
        return text
    return "".join(map(_shown_sign, text))


def _shown_sign(sign: str) -> str:
    if sign == _ESCAPE:
        return _ESCAPE * 2
    return sign if sign.isprintable() else "".join(f"\\x{byte:02x}" for byte in _bytes_of(sign))


def _bytes_of(sign: str) -> bytes:
    try:
        return sign.encode("utf-8", "surrogateescape")
    except UnicodeEncodeError:  # a surrogate that stands for no byte: no file has such a name
        return sign.encode("utf-8", "surrogatepass")


def as_text(name: str) -> str:
    """The name as its writer meant it: UTF-8, else Latin-1; letters composed (NFC)."""
    raw = b"".join(map(_bytes_of, name))
    try:
        text = raw.decode("utf-8")
    except UnicodeDecodeError:
        text = raw.decode("latin-1")
    return normalize("NFC", text)


def matches(name: str, pattern: str) -> bool:
    """Whether a name fits a pattern (``*``, ``?``, ``[…]``); upper and lower case are the same."""
    return fnmatchcase(as_text(name).casefold(), normalize("NFC", pattern).casefold())
