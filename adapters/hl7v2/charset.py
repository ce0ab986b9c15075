"""Decodes the character sets of HL7 v2 strictly: no replacement characters.

Source: HL7 v2.5.1 section 2.15.9.18 (MSH-18) and table 0211 (v2.9 adds the last two codes), ISO/IEC 2022.
The first repetition of MSH-18 is the set of the message, further ones are those that escape sequences
may switch to. What decides, in order:

1. The feed's own table (``profile.charsets``) says what a name means, and is believed.
2. A name of table 0211, or another that means one of them unmistakably, says it, unless the bytes say
   otherwise: bytes that contradict it are read as where nothing is declared, with a warning. So are
   multi-byte UTF-8 sequences under the name of a set of single bytes: no text of two words in ISO 8859
   is well-formed UTF-8, and read as declared ``å`` would be ``Ã¥``.
3. Where nothing is declared UTF-8 is tried, then the feed's own set (``profile.charset``).
4. An unknown name is for a person to decide: the message waits in review, whoever sent it.

* Bytes 80 to 9F are no text in ISO 8859: in ISO 8859/1 they are read as Windows-1252, which is the same
  set with signs in their place, with a warning; in another they contradict it.
* Bytes that are all ASCII mean the same in every set read here: a wrong declaration does them no harm.
* Escape sequences of ISO 2022 that nobody declared would be read as nonsense: refused.
* UTF-16 and UTF-32 have the bytes of MLLP and of the delimiters in other signs: refused by name.
"""

from __future__ import annotations

import codecs
import re
from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import Final, NamedTuple, Self

from adapters.common.outcome import Trouble
from adapters.hl7v2.errors import CharsetError, UnknownCharsetError

WHERE: Final = "MSH-18"
SETTING: Final = "profile.charsets"
_UNKNOWN: Final = f"MSH-18 names no character set that is known here: say in {SETTING} what it is"
UTF_8: Final = "utf-8"
LATIN_1: Final = "iso8859-1"
WINDOWS_LATIN_1: Final = "cp1252"
ISO_2022_JP: Final = "iso2022_jp_ext"
EUC_KR: Final = "euc_kr"
ESCAPE: Final = b"\x1b"
CHARSET_DIFFERS: Final = "charset-differs"
CHARSET_UNKNOWN: Final = "charset-unknown"

_SWITCHED_TO: Final = {ISO_2022_JP: ISO_2022_JP, EUC_KR: "iso2022_kr"}
_SINGLE_BYTE: Final = re.compile(r"iso8859-\d+|cp125\d")
_ISO_8859: Final = re.compile(r"iso8859-\d+")
_NO_TEXT: Final = re.compile(rb"[\x80-\x9f]")
_SWITCH: Final = re.compile(rb"\x1b[$()*+\-./]{1,2}[@-~]")
_NOT_IN_A_NAME: Final = re.compile(r"[^0-9A-Z]+")
_ASCII: Final = bytes(range(0x20, 0x5C)).decode() + "\\x41 ]^_`az{|}~ +AGE- .xn--bcher-kva."

_PARTS_OF_8859: Final = (*range(1, 10), 15)
_DICOM_NUMBERS: Final = {
    100: 1, 101: 2, 109: 3, 110: 4, 144: 5, 127: 6, 126: 7, 138: 8, 148: 9, 203: 15,
}  # fmt: skip

TABLE_0211: Final[Mapping[str, str]] = {
    "ASCII": "ascii",
    **{f"8859/{part}": f"iso8859-{part}" for part in _PARTS_OF_8859},
    "ISO IR6": "ascii",
    "ISO IR14": ISO_2022_JP,
    "ISO IR87": ISO_2022_JP,
    "ISO IR159": ISO_2022_JP,
    "GB 18030-2000": "gb18030",
    "KS X 1001": EUC_KR,
    "BIG-5": "big5",
    "UNICODE": UTF_8,
    "UNICODE UTF-8": UTF_8,
    "JAS2020": ISO_2022_JP,
    "JIS X 0202": ISO_2022_JP,
}
"""The codes that are read, and Python's names of their codecs."""

REFUSED: Final[Mapping[str, str]] = {
    "UNICODE UTF-16": "UTF-16 cannot be framed by MLLP: send UTF-8",
    "UNICODE UTF-32": "UTF-32 cannot be framed by MLLP: send UTF-8",
    "CNS 11643-1992": "CNS 11643 is not read here: send UTF-8 or BIG-5",
}
"""The other codes of the table, and what their senders are told."""

OTHER_NAMES: Final[Mapping[str, str]] = {
    "US-ASCII": "ascii",
    **{f"ISO 8859/{part}": f"iso8859-{part}" for part in _PARTS_OF_8859},
    **{f"ISO IR {number}": f"iso8859-{part}" for number, part in _DICOM_NUMBERS.items()},
    "LATIN1": LATIN_1,
    "LATIN9": "iso8859-15",
    "UTF-8": UTF_8,
    "ISO IR 192": UTF_8,
    **{f"{name}125{digit}": f"cp125{digit}" for digit in range(9) for name in ("WINDOWS-", "CP")},
    "GB18030": "gb18030",
    "GBK": "gb18030",
    "GB2312": "gb18030",
    "EUC-KR": EUC_KR,
}
"""Not in the table, and unmistakable: IANA's, Microsoft's, DICOM's (PS3.3 C.12.1.1.2) and Java's names."""


def _folded(name: str) -> str:
    """How names are compared: letters and digits only."""
    return _NOT_IN_A_NAME.sub("", name.upper())


_KNOWN: Final = {_folded(name): codec for name, codec in ({**TABLE_0211, **OTHER_NAMES}).items()}
_REFUSED: Final = {_folded(name): told for name, told in REFUSED.items()}


class Charsets(NamedTuple):
    """One feed's own: ``fallback`` where nothing is declared, ``named`` what names in MSH-18 mean."""

    fallback: str = LATIN_1
    named: Mapping[str, str] = MappingProxyType({})

    @classmethod
    def of(cls, fallback: str, named: Mapping[str, str]) -> Self:
        """As the feed's profile has them, by whichever of Python's names."""
        own = {_folded(name): codecs.lookup(codec).name for name, codec in named.items()}
        return cls(codecs.lookup(fallback).name, own)


class Decoded(NamedTuple):
    """The text, the codec that read it (and reads its escaped bytes), and what is doubtful, if anything."""

    text: str
    codec: str
    doubt: Trouble | None = None


def decode(payload: bytes, declared: Sequence[str], feed: Charsets) -> Decoded:
    """A payload's text. Raises CharsetError; UnknownCharsetError where the feed may say what it is."""
    if ESCAPE in payload and _SWITCH.search(payload):
        return _switching(payload, declared, feed)
    name = declared[0] if declared else ""
    if payload.isascii():
        return _ascii(payload, name, feed) if name else Decoded(payload.decode("ascii"), UTF_8)
    if not name:
        return _undeclared(payload, feed)
    own = feed.named.get(_folded(name)) if feed.named else None
    return Decoded(_strictly(payload, own), own) if own else _declared(payload, name, feed)


def is_known(codec: str) -> bool:
    """Whether Python has the codec, and it reads ASCII as ASCII, as MSH must be read."""
    try:
        return _ASCII.encode().decode(codec) == _ASCII
    except (LookupError, ValueError):
        return False


def _ascii(payload: bytes, name: str, feed: Charsets) -> Decoded:
    """The name does no harm here; one that cannot be read is told before the first letter needs it."""
    text = payload.decode("ascii")
    codec = _codec(name, feed)
    if codec is not None:
        return Decoded(text, codec)
    told = _refused(name)
    return Decoded(
        text, UTF_8, _differs(told) if told else Trouble(CHARSET_UNKNOWN, _UNKNOWN, WHERE)
    )


def _declared(payload: bytes, name: str, feed: Charsets) -> Decoded:
    codec = _codec(name, feed)
    if codec is None:
        told = _refused(name)
        raise CharsetError(told, WHERE) if told else UnknownCharsetError(_UNKNOWN, WHERE)
    if _SINGLE_BYTE.fullmatch(codec) and (text := _utf_8(payload)) is not None:
        return Decoded(text, UTF_8, _differs("it is UTF-8"))
    try:
        return _read(payload, codec)
    except CharsetError:
        read = _undeclared(payload, feed)
        return read._replace(doubt=_differs(f"read as {read.codec}"))


def _undeclared(payload: bytes, feed: Charsets) -> Decoded:
    text = _utf_8(payload)
    return _read(payload, feed.fallback) if text is None else Decoded(text, UTF_8)


def _read(payload: bytes, codec: str) -> Decoded:
    """By this codec, or by the one that it is mistaken for. Raises CharsetError."""
    if not (_ISO_8859.fullmatch(codec) and _NO_TEXT.search(payload)):
        return Decoded(_strictly(payload, codec), codec)
    if codec != LATIN_1:
        raise CharsetError(f"bytes 80 to 9F are no text in {codec}", WHERE)
    text = _strictly(payload, WINDOWS_LATIN_1)
    return Decoded(text, WINDOWS_LATIN_1, _differs("it is Windows-1252"))


def _switching(payload: bytes, declared: Sequence[str], feed: Charsets) -> Decoded:
    said = {_codec(name, feed) for name in declared if name}
    for family, codec in _SWITCHED_TO.items():
        if said & {family, codec}:
            return Decoded(_strictly(payload, codec), codec)
    raise CharsetError(
        "the text switches character sets (ISO 2022) and MSH-18 does not say to which", WHERE
    )


def _codec(name: str, feed: Charsets) -> str | None:
    folded = _folded(name)
    return feed.named.get(folded) or _KNOWN.get(folded)


def _refused(name: str) -> str | None:
    return _REFUSED.get(_folded(name))


def _utf_8(payload: bytes) -> str | None:
    try:
        return payload.decode(UTF_8)
    except UnicodeDecodeError:
        return None


def _strictly(payload: bytes, codec: str) -> str:
    try:
        return payload.decode(codec)
    except UnicodeDecodeError as error:
        raise CharsetError(f"byte {error.start} is not {codec}", WHERE) from None


def _differs(how: str) -> Trouble:
    detail = f"the bytes are not in the declared character set: {how}; say in {SETTING} what it is"
    return Trouble(CHARSET_DIFFERS, detail, WHERE)
