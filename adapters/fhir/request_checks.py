"""Checks a body against its route: each check raises ResourceRefusedError or returns None."""

from __future__ import annotations

from collections.abc import Sequence

from adapters.fhir.bundle import is_identified, matches_own_version
from adapters.fhir.element import resource
from adapters.fhir.intake import Check
from adapters.fhir.names import Object
from adapters.fhir.refusal import CONDITION, ResourceRefusedError


def is_encounter(document: Object) -> None:
    """Any Encounter."""
    if document["resourceType"] != "Encounter":
        raise ResourceRefusedError(
            "resource-elsewhere", "an Encounter belongs here", "resourceType"
        )


def is_encounter_of(number: str) -> Check:
    """The Encounter of the id in the address."""

    def check(document: Object) -> None:
        is_encounter(document)
        if document.get("id") != number:
            detail = "the Encounter's id is not the one in the address"
            raise ResourceRefusedError("id-differs", detail, "Encounter.id")

    return check


def is_encounter_with(asked: Sequence[tuple[str, str]]) -> Check:
    """By one identifier, which the Encounter must have: who it is decides itself, not the query."""

    def check(document: Object) -> None:
        is_encounter(document)
        if not is_identified(resource(document), asked):
            detail = "a conditional update is by one identifier that the Encounter has"
            raise ResourceRefusedError("id-differs", detail, "Encounter.identifier")

    return check


def is_matching(condition: str, check: Check) -> Check:
    """What another check says, and not under the condition that another version is there."""

    def both(document: Object) -> None:
        check(document)
        if not matches_own_version(condition, resource(document)):
            raise ResourceRefusedError(*CONDITION)

    return both


def is_bundle(*kinds: str) -> Check:
    """A Bundle of one of these types."""

    def check(document: Object) -> None:
        if document["resourceType"] != "Bundle":
            raise ResourceRefusedError(
                "resource-elsewhere", "a Bundle belongs here", "resourceType"
            )
        if document.get("type") not in kinds:
            detail = f"a Bundle of type {' or '.join(kinds)} belongs here"
            raise ResourceRefusedError("resource-elsewhere", detail, "Bundle.type")

    return check
