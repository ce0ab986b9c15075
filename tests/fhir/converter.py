"""The same message by two ways: a converter's FHIR output beside our reading of the HL7 message.

Compared is what the router makes of each alone: patient, visit, place, and the ward that awaits
the patient. Where the two differ, ``converter_differences.csv`` says in which file, in what, and
for which of the reasons in :data:`WHY`.
"""

from __future__ import annotations

import csv
from collections.abc import Iterator
from pathlib import Path
from typing import Final, NamedTuple

from adapters.common.outcome import InputOutcome
from adapters.hl7v2.mapping import Hl7Normaliser
from adapters.hl7v2.profile import Hl7Profile
from router.core.facts import fact_of
from router.core.visit import folded
from tests.fhir import lab as fhir_lab
from tests.fhir.corpora import CONVERTER, found_in
from tests.hl7v2 import lab as hl7_lab

TABLE: Final = Path(__file__).with_name("converter_differences.csv")
SYSTEMS: Final = "http://example.com/v2-to-fhir-converter/Identifier/"
PREFER: Final = [{"assigner": "2.16.1"}, {"assigner": "ADT1"}]

HL7: Final = Hl7Profile.model_validate(
    {"patient": {"prefer": PREFER}, "assigners": {"1.2": "2.16.1"}}
)
FHIR: Final = {
    "place": {"code_from": ["name"]},
    "patient": {"prefer": PREFER},
    "assigners": {
        f"{SYSTEMS}HCD": "2.16.1",
        f"{SYSTEMS}ADT1": "ADT1",
        f"{SYSTEMS}AccMgr": "AccMgr",
    },
}

WHY: Final = {
    "planned-whatever-the-event": "the converter writes PV1-42 as planned whatever the event, the "
    "HL7 profile takes it for a mark in A05, A14 and A15 only: such a feed's profile leaves "
    "mark out of its claims",
    "two-planned-wards": "the converter writes PV1-3 as planned besides PV1-42: which is the mark "
    "cannot be told, so it is absent",
    "event-says-nothing-of-place": "an event that moves nobody says nothing of the place, and the "
    "converter's state repeats PV1-3 as active",
    "person-event-as-visit": "A28 and A31 are about a person, and the converter makes a visit",
    "clinical-event-as-visit": "A60 is of no concern, and the converter makes a visit",
    "no-encounter": "the converter makes no Encounter of a merge, or none that says of whom",
    "temporary-place-as-planned": "A09 and A10 track the patient to PV1-11, which the converter "
    "writes as planned and temporary, besides PV1-3 as active",
}


class Seen(NamedTuple):
    """What one way of a message amounts to; empty where it says nothing that is used."""

    patient: str = ""
    visit: str = ""
    place: str = ""
    awaited_in: str = ""


class Difference(NamedTuple):
    """One row of the table."""

    file: str
    field: str
    why: str


def pairs() -> Iterator[tuple[str, Seen, Seen]]:
    """Each ADT message's name, by HL7 and by FHIR."""
    by_hl7 = Hl7Normaliser(hl7_lab.FEED, HL7, hl7_lab.OPEN, hl7_lab.KEYER)
    by_fhir = fhir_lab.normaliser(**FHIR)
    converted = {path.stem.removesuffix("-expected"): path for path in found_in(CONVERTER)}
    for path in found_in(CONVERTER, "ADT*.hl7"):
        at = fhir_lab.RECEIVED_AT
        hl7 = by_hl7.normalise(path.read_bytes(), at)
        fhir = by_fhir.normalise(converted[path.stem].read_bytes(), at)
        yield path.stem, seen(hl7), seen(fhir)


def seen(outcome: InputOutcome) -> Seen:
    """What the router makes of one input alone."""
    if not outcome.observations:
        return Seen()
    said = outcome.observations[0]
    if said.visit is None:
        return Seen(said.patient.key)
    fold = folded([fact_of(said)])
    place = fold.place.ward if fold.place else ""
    return Seen(said.patient.key, said.visit, place, fold.awaits_patient_in or "")


def differences() -> set[tuple[str, str]]:
    """File and field, wherever the two ways differ."""
    return {
        (name, field)
        for name, hl7, fhir in pairs()
        for field, one, other in zip(Seen._fields, hl7, fhir, strict=True)
        if one != other
    }


def table() -> list[Difference]:
    """The checked-in table."""
    with TABLE.open(encoding="utf-8", newline="") as file:
        return [Difference(*row) for row in csv.reader(file, delimiter=";")][1:]
