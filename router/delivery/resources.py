"""FHIR R4 resources of a designation. Pure: the same notice gives the same resource.

Source: http://hl7.org/fhir/R4/encounter.html. A notice knows the visit's number, the ward and the
times, no patient and no state of the visit (whoever is told more has a contained Patient, and where they
lie now); so the Encounter is what one ward is told of one visit,
under an id of its own, and another ward's is another: a ward that a patient no longer comes to does not
learn from it where they go instead. That the patient is meant for the ward is a ``location`` with status
``planned``; when that ends, it is gone or ``active``. Tags say which ward, what happened and why.
"""

from __future__ import annotations

from datetime import datetime
from hashlib import blake2b
from typing import Any, Final

from router.delivery import patient_mapping
from router.delivery.channel import MINIMAL
from schemas.base import VisitRef
from schemas.fields import Beside, Details
from schemas.notification import DesignationData, Kind, Reason

FHIR_JSON: Final = "application/fhir+json"
KINDS: Final = "urn:x-wardbridge:kind"
REASONS: Final = "urn:x-wardbridge:reason"
WARDS: Final = "urn:x-wardbridge:ward"
FIELDS: Final = "urn:x-wardbridge:fields"
"""Tag ``incomplete``: more may be told, and was not known in time. Not SUBSETTED, which receivers refuse."""
VISITS: Final = "urn:x-wardbridge:visit:"
_ACT: Final = "http://terminology.hl7.org/CodeSystem/v3-ActCode"
_CONFIDENTIALITY: Final = "http://terminology.hl7.org/CodeSystem/v3-Confidentiality"
_PLACES: Final = "http://terminology.hl7.org/CodeSystem/location-physical-type"
_NUMBERS: Final = "http://terminology.hl7.org/CodeSystem/v2-0203"
_PLACE_STATUS: Final = {
    Kind.DESIGNATED: "planned", Kind.CHANGED: "planned", Kind.ARRIVED: "active"
}  # fmt: skip
_WARD_BYTES, _VISIT_BYTES = 8, 16

Json = dict[str, Any]


def encounter_id(visit: VisitRef, ward: str) -> str:
    """The logical id of what a ward is told of a visit: it names neither."""
    named = f"{visit.source}\x1f{visit.visit}\x1f{ward}"
    return f"{ward_part(ward)}-{blake2b(named.encode(), digest_size=_VISIT_BYTES).hexdigest()}"


def ward_part(ward: str) -> str:
    """How the id begins for every visit of a ward, so that the ward can be found by it."""
    return blake2b(ward.encode(), digest_size=_WARD_BYTES).hexdigest()


def encounter_of(notice: DesignationData, at: datetime | None, beside: Beside = MINIMAL) -> Json:
    """The Encounter after a notice; ``at`` is when that was decided, None where that is not known."""
    meta: Json = {"versionId": str(notice.version)}
    if at is not None:
        meta["lastUpdated"] = instant(at)
    if notice.protected or beside.protected:
        meta["security"] = [{"system": _CONFIDENTIALITY, "code": "R", "display": "restricted"}]
    said = ((KINDS, notice.kind), (REASONS, notice.reason), (WARDS, notice.ward))
    meta["tag"] = [_coding(system, code) for system, code in said]
    if beside.incomplete:
        meta["tag"].append(_coding(FIELDS, "incomplete"))
    found: Json = {
        "resourceType": "Encounter",
        "id": encounter_id(notice.visit, notice.ward),
        "meta": meta,
        "identifier": [_visit_number(notice.visit)],
        "status": _status(notice),
        "class": _coding(_ACT, "IMP"),
    }
    if status := _PLACE_STATUS.get(notice.kind):
        found["location"] = _locations(notice, status)
        if beside.details is not None:
            _add_details(found, beside.details)
    if beside.patient is not None:
        found["contained"] = [patient_mapping.patient_of(beside.patient)]
        found["subject"] = patient_mapping.SUBJECT
    if notice.hospital is not None:
        found["serviceProvider"] = {"type": "Organization", "display": notice.hospital}
    return found


def _status(notice: DesignationData) -> str:
    """Of the stay on this ward; whether a visit goes on that is not to come any more, nobody has said.

    Never ``cancelled``: whoever knows visits by their number would cancel the visit itself.
    """
    if notice.kind is Kind.WITHDRAWN:
        return "finished" if notice.reason is Reason.DISCHARGED else "unknown"
    return "in-progress" if notice.kind is Kind.ARRIVED else "planned"


def _add_details(found: Json, details: Details) -> None:
    """Where the patient lies now."""
    if details.from_ward is None:
        return
    found["status"] = "onleave" if details.on_leave else "in-progress"
    found["location"].append(_location(_ward_reference(details.from_ward), "active", "wa"))


def instant(at: datetime) -> str:
    """A moment as FHIR writes it; it is in UTC."""
    return at.isoformat().replace("+00:00", "Z")


def _ward_reference(ward: str) -> Json:
    """A ward, by its id in the ward register."""
    return {"type": "Location", "identifier": {"system": WARDS, "value": ward}, "display": ward}


def _location(reference: Json, status: str, kind: str) -> Json:
    """One ``Encounter.location``."""
    physical = {"coding": [_coding(_PLACES, kind)]}
    return {"location": reference, "status": status, "physicalType": physical}


def _locations(notice: DesignationData, status: str) -> list[Json]:
    """The ward first, then the room and the bed, if they are said."""
    ward = _location(_ward_reference(notice.ward), status, "wa")
    if notice.expected_at is not None and status == "planned":
        ward["period"] = {"start": instant(notice.expected_at)}
    said = (("ro", notice.room), ("bd", notice.bed))
    return [ward, *(_location({"display": name}, status, kind) for kind, name in said if name)]


def _visit_number(visit: VisitRef) -> Json:
    kind = {"coding": [_coding(_NUMBERS, "VN")]}
    return {"type": kind, "system": f"{VISITS}{visit.source}", "value": visit.visit}


def _coding(system: str, code: str) -> Json:
    return {"system": system, "code": str(code)}
