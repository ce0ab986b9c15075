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
from adapters.common.said import Said
from adapters.common.stamp import Moment
from adapters.fhir.edition import Edition, Meaning
from adapters.fhir.element import Element
from adapters.fhir.location import PlaceReader, Spot, merged
from adapters.fhir.profile import FhirProfile
from adapters.fhir.references import Resources, logical_id
from adapters.fhir.times import read_time
from schemas.observation import Location, Protection, What, strictest
from schemas.ward import WardRegister

UNSAID: Final = "nothing is said: a state clears"
TEMPORARY: Final = "temporary-location"
_CLASSES: Final = {"IMP": "I", "ACUTE": "I", "NONAC": "I", "EMER": "E", "AMB": "O", "PRENC": "P"}
"""v3 ActCode to HL7 table 0004; other codes stay as sent."""
_ADMITTERS: Final = ("ADM",)
_STATUSES: Final = frozenset({"", "planned", "reserved", "active", "completed"})


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
        self._marking_rule = f"status {' or '.join(sorted(self._marking))}"

    def read(self, encounter: Element, meaning: Meaning, resources: Resources, said: Said) -> None:
        """Say what is claimed, and what could not be read. Raises RefusedError for a broken form."""
        said.say("on_leave", meaning.on_leave, f"{encounter.path}.status", "the table of statuses")
        if meaning.what is What.DESCRIBED:
            self._locations(encounter, resources, said)
            self._planned(encounter, 1, "planned_discharge_at", said)
        self._responsible_ward(encounter, resources, said)
        self._class(encounter, said)
        self._doctor(encounter, resources, said)
        self._protect(encounter, resources, said)

    # places

    def _locations(self, encounter: Element, resources: Resources, said: Said) -> None:
        entries = encounter.elements("location")
        doubtful = [each for each in entries if each.text("status") not in _STATUSES]
        for each in doubtful:
            detail = "whether the patient is there, or is to come, cannot be told"
            said.troubles.append(Trouble("location-status-unknown", detail, f"{each.path}.status"))
        if doubtful:
            return  # it may be the mark or the place: neither can be said to be none
        marks = [each for each in entries if self._marks(each)]
        if said.owns("mark"):
            place = self._place(marks, encounter, resources)
            said.say("mark", place, _where(marks, encounter), self._marking_rule)
        if "mark" in said:  # the time of a mark that cannot be read would be given to an older one
            self._expected(encounter, marks, said)
        if said.owns("place"):
            current, rule = _current(entries)
            place = self._place(current, encounter, resources)
            said.say("place", place, _where(current, encounter), rule)

    def _marks(self, entry: Element) -> bool:
        return entry.text("status") in self._marking and not _is_temporary(entry)

    def _place(
        self, entries: list[Element], encounter: Element, resources: Resources
    ) -> Location | Trouble | None:
        spots: list[Spot] = []
        for entry in entries:
            entry.refuse_modifiers()
            spot = self._places.spot(entry, encounter, resources)
            if spot is not None:
                spots.append(spot)
        return merged(spots, f"{encounter.path}.location") if spots else None

    # times

    def _expected(self, encounter: Element, marks: list[Element], said: Said) -> None:
        """The planned location's own time, else the admission's while that is still planned."""
        periods = [period for each in marks if (period := each.element("period"))]
        if periods and "start" in periods[0]:
            self._time(periods[0], "start", "expected_at", said)
        elif marks and encounter.text("status") == "planned":
            self._planned(encounter, 0, "expected_at", said)
        else:
            said.say("expected_at", None, f"{encounter.path}.location", UNSAID)

    def _planned(self, encounter: Element, which: int, name: str, said: Said) -> None:
        if not said.owns(name):
            return
        extension = encounter.extension(self._edition.planned_extensions[which])
        if extension is not None:
            self._time(extension, "valueDateTime", name, said)
        else:
            self._time(encounter, self._edition.planned[which], name, said)

    def _time(self, element: Element, child: str, name: str, said: Said) -> None:
        text = element.text(child)
        expression = "value" if child.startswith("value") else child  # a choice, in FHIRPath
        where = f"{element.path}.{expression}"
        moment = read_time(text, where, self.zone) if text else None
        if isinstance(moment, Moment):
            said.say(name, moment.at, where, moment.rule)
        else:
            said.say(name, moment, where, UNSAID)

    # who and what

    def _class(self, encounter: Element, said: Said) -> None:
        if self._edition.class_is_list:
            codings = [c for each in encounter.elements("class") for c in each.elements("coding")]
        else:
            coding = encounter.element("class")
            codings = [coding] if coding else []
        code = next(filter(None, (each.text("code") for each in codings)), "")
        visit_class = _CLASSES.get(code, code) or None
        said.say("visit_class", visit_class, f"{encounter.path}.class", "the table of classes")

    def _responsible_ward(self, encounter: Element, resources: Resources, said: Said) -> None:
        if not said.owns("responsible_ward"):
            return
        reference = encounter.element("serviceProvider")
        ward = self._places.ward(reference, encounter, resources) if reference else None
        rule = "profile.place.code_from" if reference else UNSAID
        said.say("responsible_ward", ward, f"{encounter.path}.serviceProvider", rule)

    def _doctor(self, encounter: Element, resources: Resources, said: Said) -> None:
        """The admitter's identifier; where there is an admitter and none can be told, absent."""
        admitters = [
            each
            for each in encounter.elements("participant")
            if any(_is_admitter(kind) for kind in each.elements("type"))
        ]
        doctors = {self._doctor_in(each, encounter, resources) for each in admitters}
        where = f"{encounter.path}.participant"
        if not admitters:
            said.say("admitting_doctor", None, where, UNSAID)
        elif len(doctors) == 1 and "" not in doctors:
            said.say("admitting_doctor", doctors.pop(), where, "who admits (ADM)")

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
            (self._label(label), label.path)
            for each in (encounter, patient)
            if each is not None and (meta := each.element("meta"))
            for label in meta.elements("security")
        ]
        if labels:
            level = strictest(level for level, _ in labels)
            where = next(where for each, where in labels if each is level)
            said.say("protection", level, where, "profile.protection, the strictest")

    def _label(self, label: Element) -> Protection:
        name = f"{label.uri('system')}|{label.text('code')}"
        return self._profile.protection.get(name, Protection.UNKNOWN)


def _is_temporary(entry: Element) -> bool:
    return any(
        each.uri("url").endswith(TEMPORARY) and each.content.get("valueBoolean") is not False
        for each in entry.elements("extension")
    )


def _current(entries: list[Element]) -> tuple[list[Element], str]:
    """Where the patient is: the active locations, else those without a status or an end."""
    active = [each for each in entries if each.text("status") == "active"]
    if active:
        return active, "status active"
    unsaid = [each for each in entries if not each.text("status") and not _has_ended(each)]
    return unsaid, "neither a status nor an end"


def _where(entries: list[Element], encounter: Element) -> str:
    """The only entry, or the list that several or none of them are in."""
    return entries[0].path if len(entries) == 1 else f"{encounter.path}.location"


def _has_ended(entry: Element) -> bool:
    period = entry.element("period")
    return period is not None and "end" in period


def _is_admitter(kind: Element) -> bool:
    return any(coding.text("code") in _ADMITTERS for coding in kind.elements("coding"))
