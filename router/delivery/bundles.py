"""Notification Bundles of a topic-based FHIR subscription. Pure.

Format: Subscriptions R5 Backport 1.1.0 on FHIR R4: a Bundle of type ``history`` whose first entry is a
Parameters resource (profile ``backport-subscription-status-r4``). Numbers are strings there, and the
topic is left out of ``empty`` ones. The same notice under the same number, told the same besides, is always
the same bytes.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final, Literal, NamedTuple
from uuid import NAMESPACE_URL, uuid5

from router.delivery.channel import Outgoing
from router.delivery.resources import Json, encounter_id, encounter_of, instant
from schemas.registration import Content

TOPIC: Final = "urn:wardbridge:SubscriptionTopic:patient-designated-to-ward"
"""The canonical of the only topic there is."""
_IG: Final = "http://hl7.org/fhir/uv/subscriptions-backport/StructureDefinition"
NOTIFICATION: Final = f"{_IG}/backport-subscription-notification-r4"
STATUS: Final = f"{_IG}/backport-subscription-status-r4"
_SINCE_START: Final = "events-since-subscription-start"
_ERRORS: Final = "urn:x-wardbridge:delivery"

State = Literal["requested", "active", "error", "off"]
Said = Literal["handshake", "heartbeat", "event-notification", "query-status", "query-event"]


@dataclass(frozen=True, slots=True)
class Speaker:
    """Who tells: a subscription, by where it can be read, and how much it tells."""

    base: str
    """Of the FHIR surface, without a slash at its end."""
    subscription: str
    content: Content

    @property
    def url(self) -> str:
        """Where the subscription itself can be read."""
        return f"{self.base}/Subscription/{self.subscription}"


class SubscriptionStatus(NamedTuple):
    """How a subscription is. ``reached``: events since the start; None where that says nothing."""

    state: State
    reached: int | None
    error: str | None = None


def status_of(
    speaker: Speaker, said: Said, standing: SubscriptionStatus, events: Iterable[Outgoing] = ()
) -> Json:
    """The Parameters that stand for a SubscriptionStatus."""
    reached = standing.reached
    parameters: list[Json] = [
        {"name": "subscription", "valueReference": {"reference": speaker.url}},
        *([] if speaker.content is Content.EMPTY else [{"name": "topic", "valueCanonical": TOPIC}]),
        {"name": "status", "valueCode": standing.state},
        {"name": "type", "valueCode": said},
        *([] if reached is None else [{"name": _SINCE_START, "valueString": str(reached)}]),
        *(_event(speaker, each) for each in events),
    ]
    if standing.error is not None:
        coding = {"system": _ERRORS, "code": "not-delivered"}
        coded = {"coding": [coding], "text": standing.error}
        parameters.append({"name": "error", "valueCodeableConcept": coded})
    return {"resourceType": "Parameters", "meta": {"profile": [STATUS]}, "parameter": parameters}


def identified(speaker: Speaker, status: Json) -> tuple[str, Json]:
    """A status as an entry of a Bundle has it: its full URL, and itself with the id in that."""
    number = uuid5(NAMESPACE_URL, f"{speaker.url} {json.dumps(status, sort_keys=True)}")
    head = {"resourceType": status["resourceType"], "id": str(number)}
    return f"urn:uuid:{number}", {**head, **status}


def notification(speaker: Speaker, status: Json, at: datetime, events: Sequence[Outgoing]) -> Json:
    """The Bundle: its status first, then what is told of each event."""
    url, resource = identified(speaker, status)
    first = {
        "fullUrl": url,
        "resource": resource,
        "request": {"method": "GET", "url": f"{speaker.url}/$status"},
        "response": {"status": "200"},
    }
    newest = {encounter_id(each.notice.data.visit, each.notice.data.ward): each for each in events}
    told = [] if speaker.content is Content.EMPTY else newest.items()
    return {
        "resourceType": "Bundle",
        "meta": {"profile": [NOTIFICATION]},
        "type": "history",
        "timestamp": instant(at),
        "entry": [first, *(_entry(speaker, number, each) for number, each in told)],
    }


def event_notification(speaker: Speaker, outgoing: Outgoing) -> bytes:
    """What is sent for one notice."""
    standing = SubscriptionStatus("active", outgoing.sequence)
    status = status_of(speaker, "event-notification", standing, [outgoing])
    return as_bytes(notification(speaker, status, outgoing.notice.time, [outgoing]))


def as_bytes(resource: Json) -> bytes:
    """A resource on the wire."""
    return json.dumps(resource, ensure_ascii=False, separators=(",", ":")).encode()


def _event(speaker: Speaker, outgoing: Outgoing) -> Json:
    notice = outgoing.notice
    parts: list[Json] = [
        {"name": "event-number", "valueString": str(outgoing.sequence)},
        {"name": "timestamp", "valueInstant": instant(notice.time)},
    ]
    if speaker.content is not Content.EMPTY:
        number = encounter_id(notice.data.visit, notice.data.ward)
        focus = {"reference": f"{speaker.base}/Encounter/{number}", "type": "Encounter"}
        parts.append({"name": "focus", "valueReference": focus})
    return {"name": "notification-event", "part": parts}


def _entry(speaker: Speaker, number: str, outgoing: Outgoing) -> Json:
    """What happened to the Encounter, and with ``full-resource`` the Encounter; once in a Bundle."""
    notice = outgoing.notice
    found: Json = {"fullUrl": f"{speaker.base}/Encounter/{number}"}
    if speaker.content is Content.FULL_RESOURCE:
        found["resource"] = encounter_of(notice.data, notice.time, outgoing.beside)
    found["request"] = {"method": "PUT", "url": f"Encounter/{number}"}
    found["response"] = {"status": "200", "lastModified": instant(notice.time)}
    return found
