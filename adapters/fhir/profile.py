"""The profile of a FHIR feed: what its Encounters mean. Every hospital sets its own.

Each setting's default is what the FHIR specification, the official v2-to-FHIR mapping or the
Nordic convention says; nothing here depends on which product speaks.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Final, Literal

from pydantic import AfterValidator, Field

from adapters.common.identity import IdentitySettings
from adapters.common.outcome import MAX_TEXT_CHARS
from adapters.common.patient_class import LIES_ON_A_WARD, ClassCode
from adapters.common.settings import MAX_SKEW_S, OrNone, Section, ZoneName
from adapters.fhir.names import EditionName
from schemas.observation import Claims, Protection

CONFIDENTIALITY: Final = "http://terminology.hl7.org/CodeSystem/v3-Confidentiality"
DEFAULT_PROTECTION: Final = {
    f"{CONFIDENTIALITY}|{code}": level
    for codes, level in (
        ("ULMN", Protection.NONE),
        ("R", Protection.CONFIDENTIAL),
        ("V", Protection.PROTECTED),
    )
    for code in codes
}
ALL_CLAIMS: Final = tuple(Claims.model_fields)


def _known_claim(name: str) -> str:
    if name not in ALL_CLAIMS:
        raise ValueError(f"{name!r} is no claim: write one of {', '.join(ALL_CLAIMS)}")
    return name


ClaimName = Annotated[str, AfterValidator(_known_claim)]
CodeFrom = Literal["identifier", "id", "name", "display"]
FacilityFrom = Literal["partOf", "managingOrganization", "serviceProvider"]


class VisitKey(Section):
    """What numbers the visit: one rule for the feed, without which a visit would be two.

    The default is where the official v2-to-FHIR mapping puts PV1-19, so that an HL7 feed and a
    FHIR feed of one source speak of the same visit.
    """

    by: Literal["identifier", "id"] = Field(
        "identifier", description="an identifier of the Encounter, or its logical id"
    )
    type: OrNone[str] = Field("VN", description='code of that identifier\'s type; `""`: any')
    system: OrNone[str] = Field(None, description='that identifier\'s system; `""`: any, or none')
    assigner: OrNone[str] = Field(
        None,
        max_length=MAX_TEXT_CHARS,
        description="who gives the numbers whose identifier has no system; none: they are another "
        "visit's than the same numbers with one",
    )


class PatientSettings(IdentitySettings):
    """Whose number the patient's key is made from. National numbers go before all others."""

    by: Literal["identifier", "id"] = Field(
        "identifier",
        description="an identifier of the Patient, or its logical id: for a source whose "
        "Patients cannot be had, and then never found under another source's number",
    )


class PlaceSettings(Section):
    """How a Location or an Organization becomes a ward of the register."""

    code_from: tuple[CodeFrom, ...] = Field(
        ("identifier", "id"),
        min_length=1,
        description="where the ward's code may stand, in order: the first that the register knows",
    )
    systems: tuple[str, ...] = Field(
        (), description="identifier systems that hold ward codes; empty: any"
    )
    display_part: OrNone[int] = Field(
        None,
        ge=1,
        le=9,
        description='which comma-separated part of `display` is the ward; `""`: all of it',
    )
    facility_from: tuple[FacilityFrom, ...] = Field(
        ("partOf", "managingOrganization", "serviceProvider"),
        description="what tells which hospital a place is of; `serviceProvider` only decides between "
        "wards that share a code; empty: nothing does, as where every place names the same",
    )
    default_facility: str = Field(
        "", description="the facility of places that tell none: where the feed is one hospital's"
    )


class PlannedSettings(Section):
    """Whom a planned Encounter designates: clinics are booked by Encounters, too."""

    classes: tuple[ClassCode, ...] = Field(
        (*LIES_ON_A_WARD, "SS", "OBSENC"),
        min_length=1,
        description="`class` of whom it designates, as table 0004 or as sent, `*`: everybody. One without a class "
        "designates in any case, one of a class that nobody knows with a warning",
    )
    not_classes: tuple[ClassCode, ...] = Field(
        (), description="`class` of whom it does not, besides: codes of your own"
    )


class FhirProfile(Section):
    """How to read one feed's Encounters."""

    edition: EditionName = Field("R4", description="the edition of FHIR that the feed speaks")
    check: Literal["strict", "lean"] = Field(
        "strict",
        description="whether each Encounter is also held against the edition's whole model; one "
        "that only the lean reader accepts is used and counted as degraded",
    )
    reserved_marks: bool = Field(
        default=False,
        description="whether a location with status `reserved` designates, besides `planned`",
    )
    planned: PlannedSettings = Field(
        PlannedSettings(), description="whom an Encounter with status `planned` designates"
    )
    claims: tuple[ClaimName, ...] = Field(
        ALL_CLAIMS,
        description="what this feed is believed to say; leave out what another feed of the same "
        "source owns, or an Encounter without it would clear it",
    )
    visit: VisitKey = Field(VisitKey(), description="what numbers the visit")
    patient: PatientSettings = Field(PatientSettings(), description="which number is the patient")
    assigners: Mapping[str, str] = Field(
        default_factory=dict,
        description="identifier system to assigner as the source's HL7 feed names it in CX-4, for "
        "patients and visits; `urn:oid:` is left out by itself",
    )
    corrects_patient: bool = Field(
        default=False,
        description="whether a version with another patient corrects whose the visit is; without "
        "it such a version changes nothing and is in review",
    )
    place: PlaceSettings = Field(PlaceSettings(), description="how places become wards")
    protection: Mapping[str, Protection] = Field(
        DEFAULT_PROTECTION,
        description="security labels (`system|code`) and what they mean; another counts as unknown",
    )
    unversioned: Literal["review", "receipt"] = Field(
        "review",
        description="an Encounter that does not say when it was recorded: wait for a person, or "
        "take it for newer than all that came before",
    )
    test_data: bool = Field(
        default=False,
        description="whether what is marked as test data (HTEST) is taken, and tells wards",
    )
    zone: ZoneName = Field("Europe/Stockholm", description="of dates without a time of day")
    future_s: int = Field(
        300, ge=0, le=MAX_SKEW_S, description="how far ahead of our clock a recorded time may be"
    )
