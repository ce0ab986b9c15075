"""The statement of an input and its Encounters for review, and whether one may be a mark.

Hashes are of canonical content, without what differs between two answers that say the same.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Final

from adapters.common.outcome import Named, Trouble
from adapters.common.review import statement_of
from adapters.common.stamp import counted
from adapters.fhir.canonical import canonical
from adapters.fhir.element import Element
from adapters.fhir.names import ID, Object

OF_THE_ANSWER: Final = frozenset({"id", "link", "meta", "timestamp", "total"})
"""What differs between two Bundles that say the same."""

_MARKING: Final = ("planned", "reserved")


def statement_of_input(payload: bytes, document: Object | None) -> str:
    """Of all of an input; of its bytes where it cannot be read."""
    if document is None:
        return statement_of(payload)
    is_bundle = document.get("resourceType") == "Bundle"
    left_out = OF_THE_ANSWER if is_bundle else frozenset({"text"})
    return statement_of(canonical(_without(document, left_out)))


def statement_of_encounter(encounter: Element) -> str:
    """Of one Encounter, in whatever it came."""
    return statement_of(encounter.canonical())


def named_of(document: object) -> Named | None:
    """What names a version of an Encounter at its server; None where the server counts no versions. Total."""
    if not isinstance(document, dict) or document.get("resourceType") != "Encounter":
        return None
    number, meta = document.get("id"), document.get("meta")
    version = meta.get("versionId") if isinstance(meta, dict) else None
    nth = counted(version) if isinstance(version, str) else None
    if not (nth and isinstance(number, str) and ID.fullmatch(number)):
        return None
    return Named(statement_of(b"Encounter", number.encode()), nth)


def about(trouble: Trouble, encounter: Element, statement: str) -> Trouble:
    """The trouble as one of this Encounter, whatever it came in."""
    within = (trouble.where or "").removeprefix(encounter.path)
    mark_unread = trouble.mark_unread or (trouble.withholds and may_mark(encounter.content))
    return replace(trouble, statement=statement, within=within, mark_unread=mark_unread)


def may_mark(document: object) -> bool:
    """Whether a planned place stands anywhere in it. An input that cannot be read may have one."""
    if document is None:
        return True
    if isinstance(document, list):
        return any(map(may_mark, document))
    if not isinstance(document, dict):
        return False
    return document.get("status") in _MARKING or any(
        may_mark(inner) for inner in document.values() if isinstance(inner, (dict, list))
    )


def _without(document: Object, names: frozenset[str]) -> Object:
    return {key: value for key, value in document.items() if key not in names}
