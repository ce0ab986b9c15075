"""R4 and R5 as tables: how each is recognised, where its elements are, what its statuses mean.

Sources: http://hl7.org/fhir/R4/encounter.html and http://hl7.org/fhir/R5/encounter.html. R4B's
Encounter is R4's. A resource that has an element or a status which only the other edition has is
refused: read by the wrong edition, ``finished`` would be no status and ``class`` no class.
"""

from __future__ import annotations

from typing import Final, NamedTuple

from adapters.fhir.element import Element
from adapters.fhir.names import EditionName
from adapters.fhir.refusal import ResourceRefusedError
from schemas.observation import Rank, What

_EXTENSION: Final = "http://hl7.org/fhir/5.0/StructureDefinition/extension-Encounter."


class Meaning(NamedTuple):
    """What a status says of the visit. ``on_leave``: the place is held, the patient is not there."""

    what: What
    rank: Rank
    on_leave: bool = False


_UNDER_WAY: Final = Meaning(What.DESCRIBED, Rank.UPDATE)
_ON_LEAVE: Final = Meaning(What.DESCRIBED, Rank.UPDATE, on_leave=True)
_OVER: Final = Meaning(What.DISCHARGED, Rank.DISCHARGE)
_NEVER_WAS: Final = Meaning(What.ADMISSION_CANCELLED, Rank.CANCEL)


class Edition(NamedTuple):
    """One edition. ``foreign``: elements of Encounter that only the other edition has."""

    statuses: dict[str, Meaning]
    foreign: frozenset[str]
    foreign_of_location: str
    foreign_of_participant: str
    period: str
    place_kind: str
    participant: str
    class_is_list: bool
    planned: tuple[str, str] = ("plannedStartDate", "plannedEndDate")

    @property
    def planned_extensions(self) -> tuple[str, str]:
        """What stands for the planned dates where the edition has no element for them."""
        return f"{_EXTENSION}{self.planned[0]}", f"{_EXTENSION}{self.planned[1]}"


R4: Final = Edition(
    statuses={
        "planned": _UNDER_WAY,
        "arrived": _UNDER_WAY,
        "triaged": _UNDER_WAY,
        "in-progress": _UNDER_WAY,
        "onleave": _ON_LEAVE,
        "finished": _OVER,
        "cancelled": _NEVER_WAS,
        "entered-in-error": _NEVER_WAS,
    },
    foreign=frozenset(
        {"actualPeriod", "admission", "careTeam", "dietPreference", "plannedEndDate",
         "plannedStartDate", "reason", "specialArrangement", "specialCourtesy", "subjectStatus",
         "virtualService"}
    ),
    foreign_of_location="form",
    foreign_of_participant="actor",
    period="period",
    place_kind="physicalType",
    participant="individual",
    class_is_list=False,
)  # fmt: skip
R5: Final = Edition(
    statuses={
        "planned": _UNDER_WAY,
        "in-progress": _UNDER_WAY,
        "on-hold": _ON_LEAVE,
        "discharged": _OVER,
        "completed": _OVER,
        "discontinued": _OVER,
        "cancelled": _NEVER_WAS,
        "entered-in-error": _NEVER_WAS,
    },
    foreign=frozenset(
        {"classHistory", "hospitalization", "period", "reasonCode", "reasonReference",
         "statusHistory"}
    ),
    foreign_of_location="physicalType",
    foreign_of_participant="individual",
    period="actualPeriod",
    place_kind="form",
    participant="actor",
    class_is_list=True,
)  # fmt: skip
EDITIONS: Final[dict[EditionName, Edition]] = {"R4": R4, "R4B": R4, "R5": R5}


def refuse_other_edition(encounter: Element, edition: Edition) -> None:
    """Raises RefusedError where the Encounter has the shape of the other edition."""
    names = sorted(edition.foreign & encounter.content.keys())
    if names:
        raise _other(f"{encounter.path}.{names[0]}")
    if type(encounter.content.get("class")) is (dict if edition.class_is_list else list):
        raise _other(f"{encounter.path}.class")
    for child, foreign in (
        ("location", edition.foreign_of_location),
        ("participant", edition.foreign_of_participant),
    ):
        for each in encounter.readable(child):
            if foreign in each:
                raise _other(f"{each.path}.{foreign}")


def meaning_of(encounter: Element, edition: Edition) -> Meaning:
    """What the status says. Raises RefusedError where it says nothing that can be used."""
    status, where = encounter.text("status"), f"{encounter.path}.status"
    if not status:
        raise ResourceRefusedError("status-missing", "an Encounter has a status", where)
    meaning = edition.statuses.get(status)
    if meaning is not None:
        return meaning
    if any(status in other.statuses for other in EDITIONS.values()):
        raise _other(where)
    raise ResourceRefusedError("status-unknown", "whether the visit goes on cannot be told", where)


def _other(where: str) -> ResourceRefusedError:
    detail = "this belongs to another edition of FHIR than the feed's: see the feed's edition"
    return ResourceRefusedError("other-fhir-version", detail, where)
