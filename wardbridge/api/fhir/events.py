"""The ``$events`` operation: its parameters, and the Bundle of past events."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from typing import Final, NamedTuple

from fastapi import Request

from router.delivery.bundles import notification, status_of
from router.delivery.channel import Outgoing
from router.delivery.resources import Json
from schemas.notification import DesignationData
from schemas.registration import Content
from wardbridge.api.fhir.answer import OperationRefusedError, resource_from
from wardbridge.api.fhir.subscription_store import SubscriptionEntry, SubscriptionStore
from wardbridge.config.authorisation import Reader

MAX_EVENTS: Final = 500
"""In one answer, the oldest first: whoever wants more asks from the next number."""
NEWEST: Final = 10**15


class EventsBundle(NamedTuple):
    """The Bundle, and of whom it tells, by ward."""

    bundle: Json
    rows: Mapping[str, Sequence[DesignationData]]


Asked = Mapping[str, Sequence[str]]


async def asked_in(request: Request, known: frozenset[str]) -> Asked:
    """The parameters, from the address or a Parameters resource; with commas several of one."""
    pairs = list(request.query_params.multi_items())
    if request.method == "POST" and (body := await request.body()):
        pairs += _parameters(resource_from(request, body, "Parameters"))
    found: defaultdict[str, list[str]] = defaultdict(list)
    for name, value in pairs:
        if name not in known:
            raise OperationRefusedError(
                400, f"known are {', '.join(sorted(known))}", None, "not-supported"
            )
        found[name] += value.split(",")
    return dict(found)


def searchset(found: Iterable[tuple[str, Json]]) -> Json:
    """What a search or ``$status`` finds, each with its address."""
    entries = [
        {"fullUrl": url, "resource": resource, "search": {"mode": "match"}}
        for url, resource in found
    ]
    bundle: Json = {"resourceType": "Bundle", "type": "searchset", "total": len(entries)}
    return {**bundle, "entry": entries} if entries else bundle


def events_bundle(
    book: SubscriptionStore, entry: SubscriptionEntry, asking: Reader, asked: Asked, now: datetime
) -> EventsBundle:
    """Only of wards that both the owner and whoever asks may read. Raises LogError, RefusedError."""
    first, last = (
        _number(asked, "eventsSinceNumber", 1),
        _number(asked, "eventsUntilNumber", NEWEST),
    )
    speaker = book.speaker(entry)
    if "content" in asked:
        speaker = replace(speaker, content=_no_more_than(asked["content"][0], speaker.content))
    may_read, events = book.may_read(entry), list[Outgoing]()
    for each in book.events(entry, first):
        if each.sequence > last or len(events) == MAX_EVENTS:
            break
        data = each.notice.data
        if may_read(data.ward, data.hospital) and asking.may_at("read", data.ward, data.hospital):
            events.append(each)
    status = status_of(speaker, "query-event", book.standing(entry), events)
    bundle = notification(speaker, status, now, events)
    return EventsBundle(bundle, _told(speaker.content, events))


def _told(content: Content, events: Iterable[Outgoing]) -> Mapping[str, Sequence[DesignationData]]:
    rows: defaultdict[str, list[DesignationData]] = defaultdict(list)
    for each in events if content is Content.FULL_RESOURCE else ():
        rows[each.notice.data.ward].append(each.notice.data)
    return rows


def _number(asked: Asked, name: str, otherwise: int) -> int:
    if name not in asked:
        return otherwise
    text = asked[name][0]
    if len(asked[name]) > 1 or not text.isascii() or not text.isdecimal() or len(text) > 15:  # noqa: PLR2004
        raise OperationRefusedError(400, f"{name} is one number")
    return int(text)


def _no_more_than(wanted: str, subscribed: Content) -> Content:
    """A hint, which never leads to more than was subscribed."""
    levels = list(Content)
    if wanted not in levels:
        raise OperationRefusedError(400, f"content is one of {', '.join(levels)}")
    return min(Content(wanted), subscribed, key=levels.index)


def _parameters(resource: Json) -> list[tuple[str, str]]:
    listed, pairs = resource.get("parameter", []), []
    if not isinstance(listed, list) or not all(isinstance(each, dict) for each in listed):
        raise OperationRefusedError(400, "a list of parameters", "Parameters.parameter")
    for each in listed:
        values = [value for name, value in each.items() if name.startswith("value")]
        if len(values) != 1 or not isinstance(each.get("name"), str):
            raise OperationRefusedError(
                400, "each parameter has a name and one value", "Parameters.parameter"
            )
        pairs.append((each["name"], str(values[0])))
    return pairs
