"""What an Encounter claims, three-valued: wards, times, leave, class, doctor, protection.

An Encounter is a state: what it could say and does not is cleared, so that a planned location that
is gone takes the mark with it. What it says and cannot be read is absent, with a warning; a place or
ward among that is named as unread. A visit that is over claims neither place nor mark.

Sources: http://hl7.org/fhir/R4/encounter.html, R5 likewise; serviceProvider is the responsible
ward by the Nordic convention; the official v2-to-FHIR mapping for class and participant types.
"""

from __future__ import annotations

from typing import Final
from zoneinfo import ZoneInfo

from adapters.common.outcome import Trouble
from adapters.fhir.edition import Edition, Meaning
from adapters.fhir.element import Element
from adapters.fhir.location import PlaceReader, Spot, merged
from adapters.fhir.profile import FhirProfile
from adapters.fhir.references import Resources, logical_id
from adapters.fhir.times import Moment, read_time
from schemas.observation import MAY_BE_UNREAD, Claims, Location, Protection, Unread, What
from schemas.ward import WardRegister

Said = dict[str, object]

TEMPORARY: Final = "temporary-location"
_CLASSES: Final = {"IMP": "I", "ACUTE": "I", "NONAC": "I", "EMER": "E", "AMB": "O", "PRENC": "P"}
"""v3 ActCode to HL7 table 0004; other codes stay as sent."""
_ADMITTERS: Final = ("ADM",)
_STATUSES: Final = frozenset({"", "planned", "reserved", "active", "completed"})
_STRICTEST_LAST: Final = tuple(Protection)


class ClaimsReader:
    """Reads the claims of one feed's Encounters."""

    def __init__(
        self, profile: FhirProfile, edition: Edition, wards: WardRegister, source: str
    ) -> None:
        self._profile = profile
        self._edition = edition
        self.zone = ZoneInfo(profile.zone)
        self._places = PlaceReader(profile.place, wards, source, edition.place_kind)
        self._marking = {"planned", "reserved"} if profile.reserved_marks else {"planned"}

    def read(
        self, encounter: Element, meaning: Meaning, resources: Resources
    ) -> tuple[Claims, tuple[Unread, ...], list[Trouble]]:
        """The claims, which others are made, and why they could not be read.

        Raises RefusedError for a broken form.
        """
        said: Said = {"on_leave": meaning.on_leave}
        troubles: list[Trouble] = []
        if meaning.what is What.DESCRIBED:
            self._locations(encounter, resources, said, troubles)
            if self._owns("planned_discharge_at"):
                self._planned(encounter, 1, "planned_discharge_at", said, troubles)
        if self._owns("responsible_ward"):
            self._responsible_ward(encounter, resources, said, troubles)
        self._class(encounter, said)
        self._doctor(encounter, resources, said)
        self._protect(encounter, resources, said)
        owned = {name: value for name, value in said.items() if self._owns(name)}
        stated = MAY_BE_UNREAD if meaning.what is What.DESCRIBED else ()
        unread = tuple(name for name in stated if self._owns(name) and name not in said)
        return Claims.model_validate(owned), unread, troubles

    def _owns(self, claim: str) -> bool:
        """Whether this feed is to say it: another may own it."""
        return claim in self._profile.claims

    # places

    def _locations(
        self, encounter: Element, resources: Resources, said: Said, troubles: list[Trouble]
    ) -> None:
        entries = encounter.elements("location")
        doubtful = [each for each in entries if each.text("status") not in _STATUSES]
        for each in doubtful:
            detail = "whether the patient is there, or is to come, cannot be told"
            troubles.append(Trouble("location-status-unknown", detail, f"{each.path}.status"))
        if doubtful:
            return  # it may be the mark or the place: neither can be said to be none
        marks = [each for each in entries if self._marks(each)]
        if self._owns("mark"):
            self._place(marks, "mark", encounter, resources, said, troubles)
        if "mark" in said:  # the time of a mark that cannot be read would be given to an older one
            self._expected(encounter, marks, said, troubles)
        if self._owns("place"):
            self._place(_current(entries), "place", encounter, resources, said, troubles)

    def _marks(self, entry: Element) -> bool:
        return entry.text("status") in self._marking and not _is_temporary(entry)

    def _place(  # noqa: PLR0913, PLR0917 - the two claims differ in name and entries only
        self,
        entries: list[Element],
        name: str,
        encounter: Element,
        resources: Resources,
        said: Said,
        troubles: list[Trouble],
    ) -> None:
        spots: list[Spot] = []
        for entry in entries:
            entry.refuse_modifiers()
            spot = self._places.spot(entry, encounter, resources)
            if spot is not None:
                spots.append(spot)
        found = merged(spots, f"{encounter.path}.location") if spots else None
        if isinstance(found, Location | None):
            said[name] = found
        else:
            troubles.append(found)

    # times

    def _expected(
        self, encounter: Element, marks: list[Element], said: Said, troubles: list[Trouble]
    ) -> None:
        """The planned location's own time, else the admission's while that is still planned."""
        periods = [period for each in marks if (period := each.element("period"))]
        if periods and "start" in periods[0]:
            self._time(periods[0], "start", "expected_at", said, troubles)
        elif marks and encounter.text("status") == "planned":
            self._planned(encounter, 0, "expected_at", said, troubles)
        else:
            said["expected_at"] = None

    def _planned(
        self, encounter: Element, which: int, name: str, said: Said, troubles: list[Trouble]
    ) -> None:
        extension = encounter.extension(self._edition.planned_extensions[which])
        if extension is not None:
            self._time(extension, "valueDateTime", name, said, troubles)
        else:
            self._time(encounter, self._edition.planned[which], name, said, troubles)

    def _time(
        self, element: Element, child: str, name: str, said: Said, troubles: list[Trouble]
    ) -> None:
        text = element.text(child)
        expression = "value" if child.startswith("value") else child  # a choice, in FHIRPath
        moment = read_time(text, f"{element.path}.{expression}", self.zone) if text else None
        if isinstance(moment, Trouble):
            troubles.append(moment)
        else:
            said[name] = moment.at if isinstance(moment, Moment) else None

    # who and what

    def _class(self, encounter: Element, said: Said) -> None:
        if self._edition.class_is_list:
            codings = [c for each in encounter.elements("class") for c in each.elements("coding")]
        else:
            coding = encounter.element("class")
            codings = [coding] if coding else []
        code = next(filter(None, (each.text("code") for each in codings)), "")
        said["visit_class"] = _CLASSES.get(code, code) or None

    def _responsible_ward(
        self, encounter: Element, resources: Resources, said: Said, troubles: list[Trouble]
    ) -> None:
        reference = encounter.element("serviceProvider")
        if reference is None:
            said["responsible_ward"] = None
            return
        ward = self._places.ward(reference, encounter, resources)
        if isinstance(ward, Trouble):
            troubles.append(ward)
        else:
            said["responsible_ward"] = ward

    def _doctor(self, encounter: Element, resources: Resources, said: Said) -> None:
        """The admitter's identifier; where there is an admitter and none can be told, absent."""
        admitters = [
            each
            for each in encounter.elements("participant")
            if any(_is_admitter(kind) for kind in each.elements("type"))
        ]
        doctors = {self._doctor_in(each, encounter, resources) for each in admitters}
        if not admitters:
            said["admitting_doctor"] = None
        elif len(doctors) == 1 and "" not in doctors:
            said["admitting_doctor"] = doctors.pop()

    def _doctor_in(self, participant: Element, encounter: Element, resources: Resources) -> str:
        reference = participant.element(self._edition.participant)
        if reference is None:
            return ""
        if logical := reference.element("identifier"):
            return logical.text("value")
        address = reference.uri("reference")
        found = resources.resolve(address, encounter)
        numbers = [each.text("value") for each in found.elements("identifier")] if found else []
        return numbers[0] if len(numbers) == 1 else logical_id(address)

    def _protect(self, encounter: Element, resources: Resources, said: Said) -> None:
        """The strictest label of the Encounter and its Patient; without any label, absent."""
        subject = encounter.element("subject")
        address = subject.uri("reference") if subject else ""
        patient = resources.resolve(address, encounter) if address else None
        labels = [
            self._label(label)
            for each in (encounter, patient)
            if each is not None and (meta := each.element("meta"))
            for label in meta.elements("security")
        ]
        if labels:
            said["protection"] = max(labels, key=_STRICTEST_LAST.index)

    def _label(self, label: Element) -> Protection:
        name = f"{label.uri('system')}|{label.text('code')}"
        return self._profile.protection.get(name, Protection.UNKNOWN)


def _is_temporary(entry: Element) -> bool:
    return any(
        each.uri("url").endswith(TEMPORARY) and each.content.get("valueBoolean") is not False
        for each in entry.elements("extension")
    )


def _current(entries: list[Element]) -> list[Element]:
    """Where the patient is: the active locations, else those without a status or an end."""
    active = [each for each in entries if each.text("status") == "active"]
    return active or [each for each in entries if not each.text("status") and not _has_ended(each)]


def _has_ended(entry: Element) -> bool:
    period = entry.element("period")
    return period is not None and "end" in period


def _is_admitter(kind: Element) -> bool:
    return any(coding.text("code") in _ADMITTERS for coding in kind.elements("coding"))
