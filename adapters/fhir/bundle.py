"""Decides which Encounters of a Bundle are statements, and what the other entries are for.

Source: http://hl7.org/fhir/R4/bundle.html, messaging.html, http.html; Da Vinci Unsolicited
Notifications (message Bundles).

* ``transaction`` and ``batch``: entries that create or update; a deletion is not read, and in a
  transaction refuses the whole.
* ``message``: the Encounters that MessageHeader.focus leads to; all where it leads to none of them.
* ``searchset``: the matches; what is included is only referred to. An OperationOutcome among them
  says that something was left out: it is reported, never taken for absence.
* ``history``, ``collection`` and notifications: every Encounter. One that a notification names and
  that is not at hand is a trouble, never silence.

An entry that is to be done only under a condition (``ifNoneExist`` and the like, ``ifMatch`` with another
version than its own) is not: versions are put in order when they are read.

Invariant: in a transaction or a message all Encounters stand or fall together; elsewhere an entry that
cannot be read costs itself and no other.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import Final, NamedTuple
from urllib.parse import parse_qsl

from adapters.common.outcome import Trouble
from adapters.fhir.element import Element, resource
from adapters.fhir.notification import not_given, notification
from adapters.fhir.references import Resources, logical_id
from adapters.fhir.refusal import CONDITION, ResourceRefusedError
from adapters.fhir.said import may_mark
from adapters.fhir.statement import EncounterStatement

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
_CONDITIONS: Final = ("ifNoneMatch", "ifNoneExist", "ifModifiedSince")
_LEFT_OUT: Final = frozenset({"fatal", "error", "warning"})


class BundleEntry(NamedTuple):
    """One entry, as far as it is asked: its address, its resource if it has one, its place.

    ``refusal``: why its Encounter is not created or updated although the request says so.
    """

    url: str
    resource: Element | None
    position: int
    said_at: tuple[str, str] | None
    search_mode: str
    refusal: Trouble | None

    @property
    def encounter(self) -> Element | None:
        """Its Encounter, if it has one and may state it."""
        is_one = self.resource is not None and self.resource.resource_type == "Encounter"
        return self.resource if is_one and self.refusal is None else None


class BundleReading(NamedTuple):
    """What a Bundle states. ``whole``: one Encounter refused, all refused."""

    statements: list[EncounterStatement]
    troubles: list[Trouble]
    whole: bool


def read_bundle(bundle: Element, known: Resources | None = None) -> BundleReading:
    """Raises RefusedError where the Bundle as a whole cannot be used."""
    kind = bundle.text("type")
    if kind not in TYPES:
        detail = f"one of {', '.join(sorted(TYPES))} is read"
        raise ResourceRefusedError("bundle-type-not-read", detail, "Bundle.type")
    bundle.refuse_modifiers()
    resources = Resources(beyond=known)
    entries, troubles = _entries(bundle, kind, resources)
    if kind in WHOLE and troubles:
        raise ResourceRefusedError(troubles[0].reason, troubles[0].detail, troubles[0].where)
    stating = _stating(entries, kind, resources)
    positions = range(len(stating))
    statements = [
        EncounterStatement(each.encounter, resources, each.said_at, position)
        for position, each in zip(
            reversed(positions) if _is_newest_first(bundle, kind) else positions,
            stating,
            strict=True,
        )
        if each.encounter is not None
    ]
    troubles += _left_out(entries)
    troubles += _not_given(bundle, resources)
    return BundleReading(statements, troubles, kind in WHOLE)


def _is_newest_first(bundle: Element, kind: str) -> bool:
    """Of a history the newest version stands first (http.html#history); a notification tells in order."""
    return kind == "history" and notification(bundle) is None


def _entries(
    bundle: Element, kind: str, resources: Resources
) -> tuple[list[BundleEntry], list[Trouble]]:
    """Those that can be read, made known as what others may refer to; and why the others are not used."""
    entries: list[BundleEntry] = []
    troubles: list[Trouble] = []
    for position, each in enumerate(bundle.parts("entry")):
        try:
            entry = _entry(each(), position, _stamp_of(bundle, kind))
            if entry.resource is not None:
                resources.add(entry.url, entry.resource)
        except ResourceRefusedError as refused:
            has_mark = may_mark(bundle.content["entry"][position])
            troubles.append(replace(refused.trouble, mark_unread=has_mark))
        else:
            entries.append(entry)
            troubles += [entry.refusal] if entry.refusal else []
    return entries, troubles


def _stamp_of(bundle: Element, kind: str) -> tuple[str, str] | None:
    """When the Bundle was made, where that is when its Encounters were said."""
    text = bundle.text("timestamp") if kind in SENT_WHEN_STAMPED else ""
    return (text, "Bundle.timestamp") if text else None


def _entry(each: Element, position: int, stamp: tuple[str, str] | None) -> BundleEntry:
    """Raises RefusedError where something that is asked of the entry cannot be read."""
    each.refuse_modifiers()
    found = each.element("resource")
    if found is not None:
        if not found.resource_type:
            raise ResourceRefusedError("not-a-resource", "resourceType says what it is", found.path)
        found = resource(found.content, found.path)
        _refuse_bundle_of_encounters(found)
    request, response = each.element("request"), each.element("response")
    search = each.element("search")
    modified = response.text("lastModified") if response else ""
    return BundleEntry(
        url=each.uri("fullUrl"),
        resource=found,
        position=position,
        said_at=(modified, f"{each.path}.response.lastModified") if modified else stamp,
        search_mode=search.text("mode") if search else "",
        refusal=_why_not(found, request) if request else None,
    )


def _refuse_bundle_of_encounters(found: Element) -> None:
    """Raises RefusedError for a Bundle within the Bundle, whose Encounters nobody would miss."""
    inner = found.readable("entry") if found.resource_type == "Bundle" else []
    if any(_kind_in(each) == "Encounter" for each in inner):
        detail = "a Bundle within a Bundle is not read: send its Encounters by themselves"
        raise ResourceRefusedError("bundle-type-not-read", detail, found.path)


def _kind_in(entry: Element) -> object:
    content = entry.content.get("resource")
    return content.get("resourceType") if isinstance(content, dict) else None


def _why_not(found: Element | None, request: Element) -> Trouble | None:
    """Why not to create or update: a deleted or patched Encounter would be one whose end is guessed."""
    address, method = request.uri("url"), request.text("method")
    is_encounter = found is not None and found.resource_type == "Encounter"
    if not is_encounter and address.partition("?")[0].partition("/")[0] != "Encounter":
        return None
    if method not in _WRITES:
        detail = "an Encounter is created or updated as a whole; its end is a status"
        return _refusal("method-not-read", detail, f"{request.path}.method")
    if found is None:
        detail = "the request is to state an Encounter, and the entry brings none"
        return _refusal("not-a-resource", detail, f"{request.path.rpartition('.')[0]}.resource")
    if (condition := _condition(found, request)) is not None:
        return _refusal(*CONDITION, f"{request.path}.{condition}")
    if method == "PUT" and not _is_addressed(found, address):
        detail = "the address of the request is another Encounter's than the one it brings"
        return _refusal("id-differs", detail, f"{request.path}.url")
    return None


def _condition(found: Element, request: Element) -> str | None:
    """The condition that the request depends on, if it does."""
    if not matches_own_version(request.text("ifMatch"), found):
        return "ifMatch"
    return next((name for name in _CONDITIONS if name in request), None)


def _refusal(reason: str, detail: str, where: str) -> Trouble:
    return Trouble(reason, detail, where, withholds=True)


def _is_addressed(encounter: Element, address: str) -> bool:
    """Whether an update goes to the Encounter that it brings."""
    path, _, query = address.partition("?")
    if query:
        return is_identified(encounter, parse_qsl(query))
    return logical_id(path) == encounter.text("id")


def matches_own_version(condition: str, encounter: Element) -> bool:
    """Whether an ``If-Match`` asks for the version that the Encounter says it is, or there is none.

    A widespread client sends it unasked with whatever has a version: it says no more than the body.
    """
    if not condition:
        return True
    meta = encounter.element("meta")
    version = meta.text("versionId") if meta else ""
    return condition.strip().removeprefix("W/").strip('"') == version != ""


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


def _stating(entries: list[BundleEntry], kind: str, resources: Resources) -> list[BundleEntry]:
    encounters = [entry for entry in entries if entry.encounter is not None]
    if kind == "searchset":
        return [entry for entry in encounters if entry.search_mode in {"", "match"}]
    if kind == "message":
        focused = _focused(entries, resources)
        return [entry for entry in encounters if _content_of(entry) in focused] or encounters
    return encounters


def _focused(entries: list[BundleEntry], resources: Resources) -> set[int]:
    """By their content. A message that is about something else than it brings is not read."""
    header = entries[0].resource if entries else None
    if header is None or header.resource_type != "MessageHeader":
        detail = "a message begins with its MessageHeader"
        raise ResourceRefusedError("message-header-missing", detail, "Bundle.entry[0].resource")
    focused: set[int] = set()
    for each in header.elements("focus"):
        found = resources.resolve(each.uri("reference"), header)
        if found is None:
            detail = "the message does not bring what it is about"
            raise ResourceRefusedError("reference-unresolved", detail, each.path)
        focused.add(id(found.content))
    return focused


def _content_of(entry: BundleEntry) -> int | None:
    return id(entry.resource.content) if entry.resource else None


def _not_given(bundle: Element, resources: Resources) -> list[Trouble]:
    """What a notification names and is not at hand; also where it cannot be read what it names."""
    try:
        return not_given(bundle, resources)
    except ResourceRefusedError as refused:
        return [refused.trouble]


def _left_out(entries: list[BundleEntry]) -> Iterator[Trouble]:
    """What a server says that it did not give."""
    detail = "the server left something out, or could not do as it was asked"
    for entry in entries:
        if entry.resource is not None and entry.resource.resource_type == "OperationOutcome":
            for issue in entry.resource.readable("issue"):
                if issue.content.get("severity") in _LEFT_OUT:
                    yield Trouble("server-outcome", detail, issue.path)
