"""Reads the claims of an Encounter, three-valued: wards, times, leave, class, doctor, protection.

An Encounter is a state: what it could say and does not is cleared, so that a planned location that
is gone takes the mark with it. What it says and cannot be read is absent, with a warning; a place or
ward among that is named as unread. A visit that is over claims neither place nor mark.

Sources: http://hl7.org/fhir/R4/encounter.html, R5 likewise; serviceProvider is the responsible
ward by the Nordic convention; the official v2-to-FHIR mapping for class and participant types.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Final
from zoneinfo import ZoneInfo

from adapters.common.claims_builder import ClaimsBuilder
from adapters.common.outcome import Trouble
from adapters.common.patient_class import TABLE_0004, takes
from adapters.common.stamp import Moment
from adapters.common.text import was_cleaned
from adapters.fhir.current import CurrentReader, where_of
from adapters.fhir.edition import Edition, Meaning
from adapters.fhir.element import Element
from adapters.fhir.location import LocationParts, PlaceReader, merged
from adapters.fhir.profile import FhirProfile
from adapters.fhir.references import logical_id, token_of
from adapters.fhir.refusal import ResourceRefusedError
from adapters.fhir.statement import EncounterStatement, StatementContext
from adapters.fhir.times import FOR_EVER, read_time
from schemas.observation import Location, OrderStamp, Protection, What, strictest
from schemas.ward import WardRegister

UNSAID: Final = "nothing is said: a state clears"
_CLASSES: Final = {"IMP": "I", "ACUTE": "I", "NONAC": "I", "EMER": "E", "AMB": "O", "PRENC": "P"}
"""v3 ActCode to HL7 table 0004; other codes stay as sent."""
_KNOWN: Final = TABLE_0004 | {"VR", "HH", "FLD"}
"""Besides table 0004 whom ActEncounterCode has on no ward: virtual, home health, field."""
_ADMITTERS: Final = ("ADM",)
_PEOPLE: Final = ("Practitioner", "PractitionerRole", "RelatedPerson")


class EncounterClaimsReader:
    """Reads the claims of one feed's Encounters."""

    def __init__(
        self, profile: FhirProfile, edition: Edition, wards: WardRegister, source: str
    ) -> None:
        self._profile = profile
        self._edition = edition
        self.zone = ZoneInfo(profile.zone)
        self._places = PlaceReader(profile.place, wards, source, edition.place_kind)
        marking = {"planned", "reserved"} if profile.reserved_marks else {"planned"}
        self._marking_rule = f"status {' or '.join(sorted(marking))}"
        skew = timedelta(seconds=profile.future_s)
        self._current = CurrentReader(frozenset(marking), self.zone, skew, edition.period)

    def read(
        self,
        statement: EncounterStatement,
        meaning: Meaning,
        stamp: OrderStamp,
        said: ClaimsBuilder,
    ) -> None:
        """Say what is claimed, and what could not be read: that costs its own claim only."""
        encounter = statement.encounter
        around = StatementContext(encounter, statement.resources, stamp.received_at, self.zone)
        said.say("on_leave", meaning.on_leave, f"{encounter.path}.status", "the table of statuses")
        if meaning.what is What.DESCRIBED:
            with beside(said.troubles, mark_unread=True):
                self._locations(around, stamp, said)
            with beside(said.troubles):
                self._planned(encounter, 1, "planned_discharge_at", said)
        for read in (self._responsible_ward, self._class, self._doctor):
            try:
                read(around, said)
            except ResourceRefusedError as refused:
                said.troubles.append(refused.beside())
        self._protect(around, said)

    # places

    def _locations(self, around: StatementContext, stamp: OrderStamp, said: ClaimsBuilder) -> None:
        encounter = around.encounter
        current = self._current.read(encounter, stamp.at, stamp.received_at)
        if encounter.text("status") == "planned" and not self._designates(encounter, said):
            current = current.without_marks()
        said.troubles += current.troubles
        if current.tells("mark") and said.owns("mark"):
            with beside(said.troubles, mark_unread=True):
                place = self._place(current.marks, around, said)
                where = where_of(current.marks, encounter)
                said.say("mark", place, where, self._marking_rule)
        if "mark" in said:  # the time of a mark that cannot be read would be given to an older one
            with beside(said.troubles):
                self._expected(encounter, current.marks, said)
        if current.temporary:
            with beside(said.troubles):
                place = self._place(current.temporary, around, said)
                where = where_of(current.temporary, encounter)
                said.say("temporary_place", place, where, "the extension temporary-location")
        if current.temporary and not current.place and current.tells("place"):
            said.keep("place")  # who is elsewhere for a while keeps the place, as with A10
        elif current.tells("place") and said.owns("place"):
            rule = "status active" if current.is_by_status else "no status, and a period that lasts"
            with beside(said.troubles):
                place = self._place(current.place, around, said)
                said.say("place", place, where_of(current.place, encounter), rule)

    def _designates(self, encounter: Element, said: ClaimsBuilder) -> bool:
        """Whether a planned Encounter of its class is for a ward, as HL7's A05; in doubt it is."""
        try:
            codes = {code.upper() for code in self._class_codes(encounter)}
        except ResourceRefusedError:
            return True  # told where the class is claimed
        found = [self._takes(code) for code in codes]
        if any(found) or not found:
            return True
        if None not in found:
            return False
        detail = "no code of table 0004 or ActEncounterCode: name it in the profile's planned.classes or not_classes"
        said.troubles.append(Trouble("class-unknown", detail, f"{encounter.path}.class"))
        return True

    def _takes(self, code: str) -> bool | None:
        """By the code as sent where the profile has that, else as table 0004 has it."""
        rule = self._profile.planned
        if code in rule.not_classes or code in rule.classes:
            return code not in rule.not_classes
        return takes(_CLASSES.get(code, code), rule.classes, rule.not_classes, _KNOWN)

    def _place(
        self, entries: Sequence[Element], around: StatementContext, said: ClaimsBuilder
    ) -> Location | Trouble | None:
        spots: list[LocationParts] = []
        for entry in entries:
            entry.refuse_modifiers()
            spot = self._places.spot(entry, around)
            spots.append(spot)
            if spot.cleaned:
                said.troubles.append(was_cleaned(spot.cleaned))
        return merged(spots, f"{around.encounter.path}.location") if spots else None

    # times

    def _expected(self, encounter: Element, marks: Sequence[Element], said: ClaimsBuilder) -> None:
        """The planned location's own time, else the admission's while that is still planned."""
        periods = [p for each in marks if (p := each.element("period")) and "start" in p]
        if periods:
            self._time(min(periods, key=self._begins), "start", "expected_at", said)
        elif marks and encounter.text("status") == "planned":
            self._planned(encounter, 0, "expected_at", said)
        else:
            said.say("expected_at", None, f"{encounter.path}.location", UNSAID)

    def _begins(self, period: Element) -> datetime:
        """Of several parts of one mark the first counts, and of those that cannot be read none."""
        moment = read_time(period.text("start"), "", self.zone)
        return moment.at if isinstance(moment, Moment) else FOR_EVER

    def _planned(self, encounter: Element, which: int, name: str, said: ClaimsBuilder) -> None:
        if not said.owns(name):
            return
        extension = encounter.extension(self._edition.planned_extensions[which])
        if extension is not None:
            self._time(extension, "valueDateTime", name, said)
        else:
            self._time(encounter, self._edition.planned[which], name, said)

    def _time(self, element: Element, child: str, name: str, said: ClaimsBuilder) -> None:
        text = element.text(child)
        expression = "value" if child.startswith("value") else child  # a choice, in FHIRPath
        where = f"{element.path}.{expression}"
        moment = read_time(text, where, self.zone) if text else None
        if isinstance(moment, Moment):
            said.say(name, moment.at, where, moment.rule)
        else:
            said.say(name, moment, where, UNSAID)

    # who and what

    def _class(self, around: StatementContext, said: ClaimsBuilder) -> None:
        encounter = around.encounter
        code = next(iter(self._class_codes(encounter)), "")
        visit_class = _CLASSES.get(code, code) or None
        said.say("visit_class", visit_class, f"{encounter.path}.class", "the table of classes")

    def _class_codes(self, encounter: Element) -> list[str]:
        """As sent. Raises RefusedError."""
        if self._edition.class_is_list:
            codings = [c for each in encounter.elements("class") for c in each.elements("coding")]
        else:
            coding = encounter.element("class")
            codings = [coding] if coding else []
        return [code for each in codings if (code := each.text("code"))]

    def _responsible_ward(self, around: StatementContext, said: ClaimsBuilder) -> None:
        if not said.owns("responsible_ward"):
            return
        reference = around.encounter.element("serviceProvider")
        ward = self._places.ward(reference, around) if reference else None
        rule = "profile.place.code_from" if reference else UNSAID
        said.say("responsible_ward", ward, f"{around.encounter.path}.serviceProvider", rule)

    def _doctor(self, around: StatementContext, said: ClaimsBuilder) -> None:
        """The admitter's identifier; where there is an admitter and none can be told, absent."""
        admitters = [
            each
            for each in around.encounter.elements("participant")
            if any(_is_admitter(kind) for kind in each.elements("type"))
        ]
        doctors = {self._doctor_in(each, around) for each in admitters}
        where = f"{around.encounter.path}.participant"
        if not admitters:
            said.say("admitting_doctor", None, where, UNSAID)
        elif len(doctors) == 1 and "" not in doctors:
            said.say("admitting_doctor", doctors.pop(), where, "who admits (ADM)")

    def _doctor_in(self, participant: Element, around: StatementContext) -> str:
        reference = participant.element(self._edition.participant)
        if reference is None:
            return ""
        address = reference.uri("reference")
        token = token_of(address)
        kind = token.type if token is not None and token.type in _PEOPLE else _PEOPLE[0]
        found = around.said_by(reference, kind) or around.identifiers(around.resolve(reference))
        return found[0].text("value") if len(found) == 1 else logical_id(address)

    def _protect(self, around: StatementContext, said: ClaimsBuilder) -> None:
        """The strictest label of the Encounter and its Patient; without any label, absent.

        A label that cannot be read is one: who cannot tell must not show.
        """
        try:
            labels = self._labels(around)
        except ResourceRefusedError as refused:
            said.troubles.append(refused.beside())
            labels = [(Protection.UNKNOWN, refused.trouble.where or around.encounter.path)]
        if labels:
            level = strictest(level for level, _ in labels)
            where = next(where for each, where in labels if each is level)
            said.say("protection", level, where, "profile.protection, the strictest")

    def _labels(self, around: StatementContext) -> list[tuple[Protection, str]]:
        subject = around.encounter.element("subject")
        patient = around.resolve(subject) if subject else None
        return [
            (self._label(label), label.path)
            for each in (around.encounter, patient)
            if each is not None and (meta := each.element("meta"))
            for label in meta.elements("security")
        ]

    def _label(self, label: Element) -> Protection:
        name = f"{label.uri('system')}|{label.text('code')}"
        return self._profile.protection.get(name, Protection.UNKNOWN)


def _is_admitter(kind: Element) -> bool:
    return any(coding.text("code") in _ADMITTERS for coding in kind.elements("coding"))


@contextmanager
def beside(troubles: list[Trouble], *, mark_unread: bool = False) -> Iterator[None]:
    """What cannot be read within costs what it was to say, with a warning, and nothing else."""
    try:
        yield
    except ResourceRefusedError as refused:
        troubles.append(replace(refused.beside(), mark_unread=mark_unread))
