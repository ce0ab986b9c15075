"""What an Encounter claims, three-valued: wards, times, leave, class, doctor, protection.

An Encounter is a state: what it could say and does not is cleared, so that a planned location that
is gone takes the mark with it. What it says and cannot be read is absent, with a warning; a place or
ward among that is named as unread. A visit that is over claims neither place nor mark.

Sources: http://hl7.org/fhir/R4/encounter.html, R5 likewise; serviceProvider is the responsible
ward by the Nordic convention; the official v2-to-FHIR mapping for class and participant types.
"""

from __future__ import annotations

from datetime import datetime, timedelta
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
from adapters.fhir.statement import Statement
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
        self._skew = timedelta(seconds=profile.future_s)
        self._places = PlaceReader(profile.place, wards, source, edition.place_kind)
        self._marking = {"planned", "reserved"} if profile.reserved_marks else {"planned"}
        self._marking_rule = f"status {' or '.join(sorted(self._marking))}"

    def read(self, statement: Statement, meaning: Meaning, at: datetime, said: Said) -> None:
        """Say what is claimed, and what could not be read. Raises RefusedError for a broken form.

        ``at``: when the version was recorded, which tells what has begun and ended by then.
        """
        encounter, resources = statement.encounter, statement.resources
        said.say("on_leave", meaning.on_leave, f"{encounter.path}.status", "the table of statuses")
        if meaning.what is What.DESCRIBED:
            self._locations(statement, at, said)
            self._planned(encounter, 1, "planned_discharge_at", said)
        self._responsible_ward(encounter, resources, said)
        self._class(encounter, said)
        self._doctor(encounter, resources, said)
        self._protect(encounter, resources, said)

    # places

    def _locations(self, statement: Statement, at: datetime, said: Said) -> None:
        encounter, resources = statement.encounter, statement.resources
        entries = encounter.elements("location")
        marks = [each for each in entries if self._marks(each)]
        is_to_come = encounter.text("status") == "planned"
        doubtful = [
            each
            for each in entries
            if self._is_doubtful(each, at) or (is_to_come and not marks and not each.text("status"))
        ]
        for each in doubtful:
            detail = "whether the patient is there, or is to come, cannot be told"
            where = f"{each.path}.status"
            said.troubles.append(
                Trouble("location-status-unknown", detail, where, mark_unread=True)
            )
        if doubtful:
            return  # it may be the mark or the place: neither can be said to be none
        if said.owns("mark"):
            place = self._place(marks, encounter, resources)
            said.say("mark", place, _where(marks, encounter), self._marking_rule)
        if "mark" in said:  # the time of a mark that cannot be read would be given to an older one
            self._expected(encounter, marks, said)
        if said.owns("place"):
            current, rule = self._current(entries, at, is_to_come=is_to_come)
            place = self._place(current, encounter, resources)
            said.say("place", place, _where(current, encounter), rule)

    def _marks(self, entry: Element) -> bool:
        return entry.text("status") in self._marking and not _is_temporary(entry)

    def _is_doubtful(self, entry: Element, at: datetime) -> bool:
        """A status that nobody knows, that is said to be absent, or that its period contradicts."""
        status = entry.text("status")
        if not status:
            return "_status" in entry
        return status not in _STATUSES or (status == "active" and not self._is_now(entry, at))

    def _current(
        self, entries: list[Element], at: datetime, *, is_to_come: bool
    ) -> tuple[list[Element], str]:
        """Where the patient is: the active locations, else those without a status that last."""
        active = [each for each in entries if each.text("status") == "active"]
        if active:
            return active, "status active"
        unsaid = [each for each in entries if not each.text("status") and self._is_now(each, at)]
        return ([] if is_to_come else unsaid), "no status, and a period that lasts"

    def _is_now(self, entry: Element, at: datetime) -> bool:
        """Whether it had begun and not ended by then; an end that cannot be read is one."""
        period = entry.element("period")
        if period is None:
            return True
        start, end = (self._moment(period, name) for name in ("start", "end"))
        has_begun = start is None or start.at <= at + self._skew
        return has_begun and ("end" not in period or (end is not None and end.at > at))

    def _moment(self, period: Element, name: str) -> Moment | None:
        text = period.text(name)
        found = read_time(text, f"{period.path}.{name}", self.zone) if text else None
        return found if isinstance(found, Moment) else None

    def _place(
        self, entries: list[Element], encounter: Element, resources: Resources
    ) -> Location | Trouble | None:
        spots: list[Spot] = []
        for entry in entries:
            entry.refuse_modifiers()
            spots.append(self._places.spot(entry, encounter, resources))
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
        numbers = found.elements("identifier") if found else []
        return numbers[0].text("value") if len(numbers) == 1 else logical_id(address)

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


def _where(entries: list[Element], encounter: Element) -> str:
    """The only entry, or the list that several or none of them are in."""
    return entries[0].path if len(entries) == 1 else f"{encounter.path}.location"


def _is_admitter(kind: Element) -> bool:
    return any(coding.text("code") in _ADMITTERS for coding in kind.elements("coding"))
