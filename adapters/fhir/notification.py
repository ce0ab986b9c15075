"""Reads the status of a subscription notification and the Encounters that it refers to.

Sources: Subscriptions R5 Backport 1.1.0 (a history Bundle that begins with Parameters, in R4B with
SubscriptionStatus); R5 subscriptions (``subscription-notification``).
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from adapters.common.outcome import Trouble
from adapters.fhir.element import Element, resource
from adapters.fhir.names import Object
from adapters.fhir.references import Resources, logical_id

_STATUSES: Final = ("SubscriptionStatus", "Parameters")
_FAILING: Final = frozenset({"error", "off"})


def notification(bundle: Element) -> Element | None:
    """The status of a subscription notification, if the Bundle is one."""
    entries = bundle.readable("entry")[:1]
    content = entries[0].content.get("resource") if entries else None
    if type(content) is not dict or content.get("resourceType") not in _STATUSES:
        return None
    first = resource(content, f"{entries[0].path}.resource")
    return first if bundle.text("type") in {"history", "subscription-notification"} else None


def notification_type(status: Element) -> str:
    """``handshake``, ``heartbeat``, ``event-notification``, …, in either form of status."""
    if status.resource_type == "SubscriptionStatus":
        return status.text("type")
    named = (each for each in status.elements("parameter") if each.text("name") == "type")
    return next((each.text("valueCode") for each in named), "")


def named_in(bundle: Element) -> list[str]:
    """The Encounters that a notification names without giving them."""
    status = notification(bundle)
    names = [reference.uri("reference") for reference in _focuses(status)] if status else []
    given = {str(each.get("id")) for each in _encounters(bundle)}
    return [
        each
        for each in dict.fromkeys(names)
        if "Encounter/" in each and logical_id(each) not in given
    ]


def names_any(status: Element) -> bool:
    """Whether a notification says what it is about."""
    return any(True for _ in _focuses(status))


def is_failing(status: Element) -> bool:
    """Whether the server says that its subscription no longer works."""
    if status.resource_type == "SubscriptionStatus":
        return status.text("status") in _FAILING
    named = (each for each in status.elements("parameter") if each.text("name") == "status")
    return any(each.text("valueCode") in _FAILING for each in named)


def not_given(bundle: Element, resources: Resources) -> list[Trouble]:
    """One trouble, where a notification refers to an Encounter that nobody has fetched; however many those are."""
    if all(resources.resolve(name, bundle) is not None for name in named_in(bundle)):
        return []
    status = notification(bundle)
    where = status.path if status else bundle.path
    detail = "the referenced Encounter is not in the Bundle and could not be fetched"
    return [Trouble("notification-without-content", detail, where, withholds=True)]


def _focuses(status: Element) -> Iterator[Element]:
    """What the events are about, in either form of status."""
    for event in status.elements("notificationEvent"):
        if focus := event.element("focus"):
            yield focus
    for event in status.elements("parameter"):
        for part in event.elements("part"):
            if part.text("name") == "focus" and (focus := part.element("valueReference")):
                yield focus


def _encounters(bundle: Element) -> list[Object]:
    """The Encounters that a Bundle gives."""
    found = [each.content.get("resource") for each in bundle.readable("entry")]
    return [
        each for each in found if isinstance(each, dict) and each.get("resourceType") == "Encounter"
    ]
