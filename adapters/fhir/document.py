"""Bytes to one object: JSON (or XML, made into the same), strictly UTF-8, no key twice, not deeper than any real resource.

Format: FHIR R4 and R5, section "JSON Representation of Resources", over RFC 8259. A parser that
takes the last of two equal keys would let one sender and one receiver read two different wards out
of the same bytes, so a repeated key is refused.

Invariant: :func:`read` returns an object with a ``resourceType`` or raises RefusedError.
"""

from __future__ import annotations

import json
import re
from typing import Any, Final, NoReturn

from adapters.fhir.markup import read_xml
from adapters.fhir.names import EditionName, Object
from adapters.fhir.refusal import MAX_DEPTH, RefusedError, too_deep

BOM: Final = b"\xef\xbb\xbf"
# Possessive, and an open string reaches to the end: each byte is looked at once, whatever comes.
_TOKEN: Final = re.compile(rb'"(?:[^"\\]++|\\.)*+(?:"|\\?\Z)|[\[{]|[\]}]', re.DOTALL)
_SURROGATE: Final = re.compile(rb"\\u[dD][89a-fA-F]")


def read(payload: bytes, edition: EditionName = "R4") -> Object:
    """The resource in the bytes, JSON or XML of the edition. Raises RefusedError."""
    if payload.removeprefix(BOM).lstrip()[:1] == b"<":
        return read_xml(_text(payload.removeprefix(BOM)).lstrip(), edition)
    return _resource(parsed(payload))


def _text(payload: bytes) -> str:
    try:
        return payload.decode("utf-8")
    except UnicodeError:
        raise RefusedError("charset-unreadable", "the bytes are not UTF-8 throughout") from None


def parsed(payload: bytes) -> object:
    """The JSON value in the bytes. Raises RefusedError."""
    payload = payload.removeprefix(BOM)
    _look_at_depth(payload)
    try:
        document = _DECODER.decode(payload.decode("utf-8"))
        if _SURROGATE.search(payload):  # half of a pair is no character, and cannot be stored
            json.dumps(document, ensure_ascii=False).encode("utf-8")
    except UnicodeError:
        raise RefusedError("charset-unreadable", "the bytes are not UTF-8 throughout") from None
    except (ValueError, RecursionError):  # also a number of thousands of digits
        raise RefusedError("not-json", "the bytes are not JSON as RFC 8259 has it") from None
    return document


def _resource(document: object) -> Object:
    if not isinstance(document, dict):
        raise RefusedError("not-a-resource", "a resource is a JSON object", "%resource")
    if not isinstance(document.get("resourceType"), str):
        raise RefusedError("not-a-resource", "resourceType says what it is", "resourceType")
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


def _without_repetition(pairs: list[tuple[str, Any]]) -> Object:
    found = dict(pairs)
    if len(found) != len(pairs):
        raise RefusedError("duplicate-key", "an object has the same key twice", "%resource")
    return found


def _no_constant(name: str) -> NoReturn:
    raise ValueError(name)  # NaN and Infinity, which Python would take


_DECODER: Final = json.JSONDecoder(
    object_pairs_hook=_without_repetition, parse_constant=_no_constant
)
_CANONICAL: Final = json.JSONEncoder(
    ensure_ascii=False, sort_keys=True, separators=(",", ":"), check_circular=False
)


def canonical(resource: Object) -> bytes:
    """The same for the same content, whatever the order of keys and the blanks between."""
    return _CANONICAL.encode(resource).encode()
