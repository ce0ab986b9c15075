"""Which Encounters a Bundle states, and what the rest of it is there for.

Source: http://hl7.org/fhir/R4/bundle.html, messaging.html, http.html; Da Vinci Unsolicited
Notifications (message Bundles); Subscriptions R5 Backport 1.1.0 (a history Bundle that begins with
Parameters, in R4B with SubscriptionStatus); R5 subscriptions (``subscription-notification``).

* ``transaction`` and ``batch``: entries that create or update; a deletion is not read, and in a
  transaction refuses the whole.
* ``message``: the Encounters that MessageHeader.focus leads to; all where it leads to none of them.
* ``searchset``: the matches; what is included is only referred to. An OperationOutcome among them
  says that something was left out: it is reported, never taken for absence.
* ``history``, ``collection`` and notifications: every Encounter. One that a notification names and
  that is not at hand is a trouble, never silence.

An entry that is to be done only under a condition (``ifMatch`` and the like) is not: versions are
put in order when they are read. In a transaction or a message all Encounters stand or fall together; elsewhere each for itself.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Final, NamedTuple
from urllib.parse import parse_qsl

from adapters.common.outcome import Trouble
from adapters.fhir.element import Element, resource
from adapters.fhir.references import Resources, logical_id
from adapters.fhir.refusal import CONDITION, RefusedError
from adapters.fhir.statement import Statement

WHOLE: Final = frozenset({"transaction", "message"})
SENT_WHEN_STAMPED: Final = frozenset({"transaction", "batch", "message", "collection"})
TYPES: Final = WHOLE | {
    "batch",
    "searchset",
    "history",
    "collection",
    "subscription-notification",
}
_WRITES: Final = frozenset({"POST", "PUT"})
_GENERAL: Final = frozenset({"_format", "_pretty"})
_FAILING: Final = frozenset({"error", "off"})
_CONDITIONS: Final = ("ifMatch", "ifNoneMatch", "ifNoneExist", "ifModifiedSince")
_LEFT_OUT: Final = frozenset({"fatal", "error", "warning"})


class Entry(NamedTuple):
    """One entry: the element, its resource if it has one, its place."""

    element: Element
    resource: Element | None
    position: int


class Reading(NamedTuple):
    """What a Bundle states. ``whole``: one Encounter refused, all refused."""

    statements: list[Statement]
    troubles: list[Trouble]
    whole: bool


def read_bundle(bundle: Element, known: Resources | None = None) -> Reading:
    """Raises RefusedError where the Bundle as a whole cannot be used."""
    kind = bundle.text("type")
    if kind not in TYPES:
        detail = f"one of {', '.join(sorted(TYPES))} is read"
        raise RefusedError("bundle-type-not-read", detail, "Bundle.type")
    bundle.refuse_modifiers()
    entries = list(_entries(bundle))
    other = list(_not_done(entries))
    if other and kind in WHOLE:
        raise RefusedError(*other[0])
    resources = Resources(beyond=known)
    for entry in entries:
        if entry.resource is not None:
            resources.add(entry.element.uri("fullUrl"), entry.resource)
    statements = [
        Statement(encounter, resources, _said_at(bundle, kind, entry), entry.position)
        for entry in _stating(entries, kind, resources)
        if (encounter := entry.resource) is not None
    ]
    troubles = [Trouble(*each, withholds=True) for each in other]
    troubles += _left_out(entries)
    troubles += _not_given(bundle, resources)
    return Reading(statements, troubles, kind in WHOLE)


def notification(bundle: Element) -> Element | None:
    """The status of a subscription notification, if the Bundle is one."""
    entries = bundle.elements("entry")
    first = entries[0].element("resource") if entries else None
    if first is None or first.resource_type not in {"SubscriptionStatus", "Parameters"}:
        return None
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
    given = {each.text("id") for each in _resources(bundle) if each.resource_type == "Encounter"}
    names = [reference.uri("reference") for reference in _focuses(status)] if status else []
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


def _not_given(bundle: Element, resources: Resources) -> list[Trouble]:
    """What a notification names and nobody has fetched."""
    status = notification(bundle)
    where = status.path if status else bundle.path
    detail = "the notification names an Encounter without giving it, and it was not to be had"
    return [
        Trouble("notification-without-content", detail, where, withholds=True)
        for name in named_in(bundle)
        if resources.resolve(name, bundle) is None
    ]


def _focuses(status: Element) -> Iterator[Element]:
    """What the events are about, in either form of status."""
    for event in status.elements("notificationEvent"):
        if focus := event.element("focus"):
            yield focus
    for event in status.elements("parameter"):
        for part in event.elements("part"):
            if part.text("name") == "focus" and (focus := part.element("valueReference")):
                yield focus


def _resources(bundle: Element) -> Iterator[Element]:
    for each in bundle.elements("entry"):
        if found := each.element("resource"):
            yield found


def _entries(bundle: Element) -> Iterator[Entry]:
    for index, each in enumerate(bundle.elements("entry")):
        found = each.element("resource")
        if found is not None and not found.resource_type:
            raise RefusedError("not-a-resource", "resourceType says what it is", found.path)
        yield Entry(each, found and resource(found.content, found.path), index)


def _not_done(entries: list[Entry]) -> Iterator[tuple[str, str, str]]:
    """Why Encounters are not created or updated although the request says so, each with its place."""
    for entry in entries:
        request = entry.element.element("request")
        if request is None or not _is_about_encounter(entry, request):
            continue
        if reason := _why_not(entry, request):
            yield reason


def _why_not(entry: Entry, request: Element) -> tuple[str, str, str] | None:
    """A deleted or patched Encounter would be one whose end is guessed."""
    if request.text("method") not in _WRITES:
        detail = "an Encounter is created or updated as a whole; its end is a status"
        return "method-not-read", detail, f"{request.path}.method"
    for condition in _CONDITIONS:
        if condition in request:
            return *CONDITION, f"{request.path}.{condition}"
    if not _is_addressed(entry, request):
        detail = "the address of the request is another Encounter's than the one it brings"
        return "id-differs", detail, f"{request.path}.url"
    return None


def _is_addressed(entry: Entry, request: Element) -> bool:
    """Whether an update goes to the Encounter that it brings."""
    address, encounter = request.uri("url"), entry.resource
    if request.text("method") != "PUT" or encounter is None:
        return True
    path, _, query = address.partition("?")
    if query:
        return is_identified(encounter, parse_qsl(query))
    return logical_id(path) == encounter.text("id")


def is_identified(encounter: Element, query: Sequence[tuple[str, str]]) -> bool:
    """Whether a conditional update is by one identifier, and the Encounter has it."""
    asked = [each for each in query if each[0] not in _GENERAL]
    tokens = {
        token
        for each in encounter.elements("identifier")
        if (value := each.text("value"))
        for token in (value, f"{each.uri('system')}|{value}")
    }
    return len(asked) == 1 and asked[0][0] == "identifier" and asked[0][1] in tokens


def _writes(entry: Entry) -> bool:
    """Whether the entry states its resource, and may."""
    request = entry.element.element("request")
    return request is None or _why_not(entry, request) is None


def _is_about_encounter(entry: Entry, request: Element) -> bool:
    return request.uri("url").startswith("Encounter") or (
        entry.resource is not None and entry.resource.resource_type == "Encounter"
    )


def _stating(entries: list[Entry], kind: str, resources: Resources) -> list[Entry]:
    encounters = [
        entry
        for entry in entries
        if entry.resource is not None
        and entry.resource.resource_type == "Encounter"
        and _writes(entry)
    ]
    if kind == "searchset":
        return [entry for entry in encounters if _search_mode(entry) in {"", "match"}]
    if kind == "message":
        focused = _focused(entries, resources)
        return [entry for entry in encounters if _content_of(entry) in focused] or encounters
    return encounters


def _search_mode(entry: Entry) -> str:
    search = entry.element.element("search")
    return search.text("mode") if search else ""


def _focused(entries: list[Entry], resources: Resources) -> set[int]:
    """By their content. A message that is about something else than it brings is not read."""
    header = entries[0].resource if entries else None
    if header is None or header.resource_type != "MessageHeader":
        detail = "a message begins with its MessageHeader"
        raise RefusedError("message-header-missing", detail, "Bundle.entry[0].resource")
    focused: set[int] = set()
    for each in header.elements("focus"):
        found = resources.resolve(each.uri("reference"), header)
        if found is None:
            detail = "the message does not bring what it is about"
            raise RefusedError("reference-unresolved", detail, each.path)
        focused.add(id(found.content))
    return focused


def _content_of(entry: Entry) -> int | None:
    return id(entry.resource.content) if entry.resource else None


def _said_at(bundle: Element, kind: str, entry: Entry) -> tuple[str, str] | None:
    response = entry.element.element("response")
    if response is not None and (text := response.text("lastModified")):
        return text, f"{response.path}.lastModified"
    if kind in SENT_WHEN_STAMPED and (text := bundle.text("timestamp")):
        return text, "Bundle.timestamp"
    return None


def _left_out(entries: list[Entry]) -> list[Trouble]:
    """What a server says that it did not give."""
    detail = "the server left something out, or could not do as it was asked"
    return [
        Trouble("server-outcome", detail, issue.path)
        for entry in entries
        if entry.resource is not None and entry.resource.resource_type == "OperationOutcome"
        for issue in entry.resource.elements("issue")
        if issue.text("severity") in _LEFT_OUT
    ]
