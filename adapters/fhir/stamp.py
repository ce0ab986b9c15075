"""Recorded time, order stamp and identity of an Encounter version.

Source: http://hl7.org/fhir/R4/resource.html#Meta. ``meta.lastUpdated`` sorts versions, and
``meta.versionId``, where it counts, those of one Encounter: clocks of one server differ, its count does
not (the router's ``versions``). Versions without either are in no order: unless the feed's
profile lets the receipt decide, a person must look. A count alone is no order beside what other
feeds say, and the receipt would overrule it.

Invariant: the id depends on source, visit, recorded time as sent, the Encounter's content and that
of what it refers to, whatever the order of keys, the Bundle around it or the channel. What is
referred to counts because the same version tells more once a reference resolves.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime, timedelta
from hashlib import blake2b
from typing import NamedTuple
from zoneinfo import ZoneInfo

from adapters.common.outcome import Trouble
from adapters.common.receipt import STEP
from adapters.common.stamp import ID_BYTES, Moment, Recorded, counted, sorts_at
from adapters.fhir.canonical import canonical
from adapters.fhir.element import Element
from adapters.fhir.names import ID
from adapters.fhir.references import Resources, references_of
from adapters.fhir.refusal import ResourceRefusedError
from adapters.fhir.statement import EncounterStatement
from adapters.fhir.times import read_time
from schemas.observation import BY_RECEIPT, OrderStamp, Rank


def recorded(statement: EncounterStatement, received_at: datetime, unversioned: str) -> Recorded:
    """Raises RefusedError where no element says when, or one does and cannot be read."""
    said = _said(statement)
    if said is not None:
        return Recorded(_instant(*said), said[0])
    meta = statement.encounter.element("meta")
    counts = meta is not None and bool(meta.text("versionId"))
    if unversioned == BY_RECEIPT and not counts:
        return Recorded(Moment(received_at, BY_RECEIPT), received_at.isoformat())
    detail = "nothing says which version is newer; the profile's `unversioned` may take the receipt"
    raise ResourceRefusedError(
        "version-missing", detail, f"{statement.encounter.path}.meta.lastUpdated"
    )


def _instant(text: str, where: str) -> Moment:
    moment = read_time(text, where, ZoneInfo("UTC"))
    if isinstance(moment, Moment) and "T" in text:
        return moment
    if isinstance(moment, Trouble):
        raise ResourceRefusedError(moment.reason, moment.detail, moment.where)
    raise ResourceRefusedError(
        "time-unreadable",
        "a day orders no versions: send an instant, 2026-03-02T10:00:00+01:00",
        where,
    )


def _said(statement: EncounterStatement) -> tuple[str, str] | None:
    meta = statement.encounter.element("meta")
    if meta is not None and (text := meta.text("lastUpdated")):
        return text, f"{meta.path}.lastUpdated"
    return statement.said_at


def sequence_from(statement: EncounterStatement, when: Recorded) -> tuple[str, str]:
    """Where the stamp's sequence stands, and by which rule."""
    path = statement.encounter.path
    if when.moment.rule == BY_RECEIPT:
        return path, "its place among what came together"
    return f"{path}.meta.versionId", "the server's count, 0 where it does not count"


class Receipt(NamedTuple):
    """When an input came, by which feed, and how far ahead of that a recorded time may be."""

    at: datetime
    feed: str
    skew: timedelta


def order_stamp(
    statement: EncounterStatement, when: Recorded, rank: Rank, receipt: Receipt
) -> tuple[OrderStamp, list[Trouble]]:
    """Where it sorts; a recorded time too far in the future sorts by its receipt.

    A version that the server counts sorts among the others of its Encounter by that count.
    """
    at, late = sorts_at(when.moment.at, receipt.at, receipt.skew, when.moment.rule)
    said: dict[str, object] = {
        "at": at,
        "sequence": statement.position,
        "rank": rank,
        "received_at": receipt.at + statement.position * STEP,  # the order of what came together
    }
    if when.moment.rule != BY_RECEIPT:
        said["sequence"] = version = _version(statement.encounter)
        number = statement.encounter.content.get("id")
        if version and isinstance(number, str) and ID.fullmatch(number):
            said["series"] = f"{receipt.feed}/{number}"
    return OrderStamp.model_validate(said), late


def _version(encounter: Element) -> int:
    """``meta.versionId`` where the server counts, else 0: the time must do."""
    meta = encounter.element("meta")
    return (counted(meta.text("versionId")) if meta else None) or 0


def observation_id(source: str, visit: str, statement: EncounterStatement, when: Recorded) -> str:
    """The identity of what is stated."""
    digest = blake2b(digest_size=ID_BYTES)
    for part in (source, visit, "Encounter", when.as_sent):
        digest.update(part.encode())
        digest.update(b"\0")
    digest.update(statement.encounter.canonical())
    for each in _referred_to(statement.encounter, statement.resources):
        digest.update(b"\0")
        digest.update(canonical(_without(each, "meta", "text")))
    return digest.hexdigest()


def _referred_to(encounter: Element, resources: Resources) -> Iterator[Element]:
    """What the mapping may have asked, as far as it is at hand; contained ones are within."""
    seen: set[int] = set()
    for address in references_of(encounter):
        start = resources.resolve(address, encounter) if address[:1] != "#" else None
        for each in resources.above(start, encounter) if start else ():
            if id(each.content) not in seen:
                seen.add(id(each.content))
                yield each


def _without(each: Element, *names: str) -> dict[str, object]:
    """Without what differs between channels and says nothing: the narrative, others' versions."""
    return {key: value for key, value in each.content.items() if key not in names}
