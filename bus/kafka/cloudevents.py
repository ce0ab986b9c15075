"""Notices on the wire, as the Kafka protocol binding for CloudEvents 1.0.2 wants them.

Whoever writes a notice hands over its JSON, structured, and whoever reads it gets that back: the
mode is between this engine and downstream systems. *Structured* (section 3.3): the whole event is
the value and ``content-type`` says so. *Binary* (section 3.2): the value is the event's ``data``,
``content-type`` its ``datacontenttype``, and each other attribute a header ``ce_<name>``; attributes
that are null are not there. Both carry ``schema-id``, the ``$id`` of the JSON Schema of the value.

A reader tells the modes apart by ``content-type``, as section 3 says, so a topic may hold both: the
mode can be changed at any time. A record without the header was written before there was one, and
is structured.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any, Final, Literal, NamedTuple

from bus.port import Header
from schemas import notification

Mode = Literal["structured", "binary"]

CONTENT_TYPE: Final = "content-type"
SCHEMA_ID: Final = "schema-id"
ATTRIBUTE: Final = "ce_"
EVENT_MEDIA_TYPE: Final = "application/cloudevents"

_DATA, _DATA_TYPE = "data", "datacontenttype"
_STRUCTURED: Final[tuple[Header, ...]] = (
    (CONTENT_TYPE, f"{EVENT_MEDIA_TYPE}+json; charset=UTF-8".encode()),
    (SCHEMA_ID, notification.SCHEMA_ID.encode()),
)


class BoundMessage(NamedTuple):
    """Value and headers of a record."""

    value: bytes | None
    headers: tuple[Header, ...]


def sent(event: bytes, mode: Mode) -> BoundMessage:
    """The record's value and headers for an event in its JSON format."""
    if mode == "structured":
        return BoundMessage(event, _STRUCTURED)
    attributes: dict[str, Any] = json.loads(event)
    data = attributes.pop(_DATA)
    media_type = str(attributes.pop(_DATA_TYPE))
    headers = tuple(
        (f"{ATTRIBUTE}{name}", str(value).encode())
        for name, value in attributes.items()
        if value is not None
    )
    described = (
        (CONTENT_TYPE, media_type.encode()),
        (SCHEMA_ID, notification.DATA_SCHEMA_ID.encode()),
    )
    return BoundMessage(_as_json(data), headers + described)


def received(value: bytes | None, headers: Sequence[Header]) -> BoundMessage:
    """The event in its JSON format, and the headers that are none of the binding's.

    Total: a record that is no event of the binding keeps its value, for the reader to refuse.
    """
    others = tuple(each for each in headers if not _is_ours(each[0]))
    try:
        return BoundMessage(_event(value, headers), others)
    except (ValueError, RecursionError):
        return BoundMessage(value, others)


def _event(value: bytes | None, headers: Sequence[Header]) -> bytes | None:
    media_type = dict(headers).get(CONTENT_TYPE, EVENT_MEDIA_TYPE.encode())
    if value is None or media_type.decode().lower().startswith(EVENT_MEDIA_TYPE):
        return value
    attributes = {
        name.removeprefix(ATTRIBUTE): text.decode()
        for name, text in headers
        if name.startswith(ATTRIBUTE)
    }
    return _as_json({**attributes, _DATA_TYPE: media_type.decode(), _DATA: json.loads(value)})


def _is_ours(name: str) -> bool:
    return name in {CONTENT_TYPE, SCHEMA_ID} or name.startswith(ATTRIBUTE)


def _as_json(value: object) -> bytes:
    return json.dumps(value, ensure_ascii=False, separators=(",", ":")).encode()
