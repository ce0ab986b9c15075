"""Bytes to one object: JSON (or XML, made into the same), strictly UTF-8, no key twice, not deeper than any real resource.

Format: FHIR R4 and R5, section "JSON Representation of Resources", over RFC 8259. A parser that
takes the last of two equal keys would let one sender and one receiver read two different wards out
of the same bytes, so an object with a repeated key is refused by whoever asks for it.

Invariant: :func:`read` returns an object with a ``resourceType`` or raises RefusedError, whatever the
bytes. What is wrong with one object (a key twice, a number of thousands of digits, half a surrogate
pair) is left to who asks for it, so that it costs no other.
"""

from __future__ import annotations

import json
import re
from math import isfinite
from typing import Any, Final, NoReturn

from adapters.fhir.limits import MAX_DEPTH, MAX_DIGITS
from adapters.fhir.markup import read_xml
from adapters.fhir.names import EditionName, Object, Unusable
from adapters.fhir.refusal import ResourceRefusedError, too_deep

BOM: Final = b"\xef\xbb\xbf"
# Possessive, and an open string reaches to the end: each byte is looked at once, whatever comes.
_TOKEN: Final = re.compile(rb'"(?:[^"\\]++|\\.)*+(?:"|\\?\Z)|[\[{]|[\]}]', re.DOTALL)


def read(payload: bytes, edition: EditionName = "R4") -> Object:
    """The resource in the bytes, JSON or XML of the edition. Raises RefusedError."""
    if is_xml(payload):
        return _resource(read_xml(_text(payload.removeprefix(BOM)).lstrip(), edition))
    return _resource(parsed(payload))


def is_xml(payload: bytes) -> bool:
    """Whether the bytes are to be read as XML."""
    return payload.removeprefix(BOM).lstrip()[:1] == b"<"


def _text(payload: bytes) -> str:
    try:
        return payload.decode("utf-8")
    except UnicodeError:
        raise ResourceRefusedError(
            "charset-unreadable", "the bytes are not UTF-8 throughout"
        ) from None


def parsed(payload: bytes) -> object:
    """The JSON value in the bytes. Raises RefusedError."""
    payload = payload.removeprefix(BOM)
    _look_at_depth(payload)
    try:
        document = _DECODER.decode(payload.decode("utf-8"))
    except UnicodeError:
        raise ResourceRefusedError(
            "charset-unreadable", "the bytes are not UTF-8 throughout"
        ) from None
    except (ValueError, RecursionError):
        raise ResourceRefusedError(
            "not-json", "the bytes are not JSON as RFC 8259 has it"
        ) from None
    return document


def _resource(document: object) -> Object:
    if not isinstance(document, dict):
        raise ResourceRefusedError("not-a-resource", "a resource is a JSON object", "%resource")
    if isinstance(document, Unusable):
        raise ResourceRefusedError(document.reason, document.detail, "%resource")
    if not isinstance(document.get("resourceType"), str):
        raise ResourceRefusedError("not-a-resource", "resourceType says what it is", "resourceType")
    return document


def _look_at_depth(payload: bytes) -> None:
    if payload.count(b"{") + payload.count(b"[") <= MAX_DEPTH:  # most: no need to look closer
        return
    depth = 0
    for token in _TOKEN.finditer(payload):
        sign = payload[token.start()]
        depth += (sign in b"[{") - (sign in b"]}")
        if depth > MAX_DEPTH:
            raise too_deep()


def _object(pairs: list[tuple[str, Any]]) -> Object:
    found = dict(pairs)
    return found if len(found) == len(pairs) else Unusable(found)


def _no_constant(name: str) -> NoReturn:
    raise ValueError(name)  # NaN and Infinity, which Python would take


class _Numeral(str):
    """A number that no Python number holds; neither text nor number for who asks for one."""

    __slots__ = ()


def _integer(text: str) -> object:
    return int(text) if len(text) <= MAX_DIGITS else _Numeral(text)


def _fraction(text: str) -> object:
    number = float(text)
    return number if isfinite(number) else _Numeral(text)


_DECODER: Final = json.JSONDecoder(
    object_pairs_hook=_object,
    parse_constant=_no_constant,
    parse_int=_integer,
    parse_float=_fraction,
)
_ANSWER: Final = json.JSONEncoder(separators=(",", ":"), check_circular=False)


def text_of(content: object) -> bytes:
    """Any parsed JSON as ASCII text; a number that none holds is written as it came."""
    return _ANSWER.encode(content).encode("ascii")
