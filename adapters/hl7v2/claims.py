"""Reads the claims of a visit event, three-valued: wards, times, class, doctor, protection.

Source: HL7 v2.5.1 chapter 3 (EVN, PD1, PV1, PV2), IHE PAM (ZBE). Which fields are asked is the
trigger table's and the feed profile's to say. A field that cannot be read is absent, with a
warning; a plan that names no ward, or a cancel that names one nobody knows, is a trouble of the
whole message, since the rest of it would mislead.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final

from adapters.common.claims_builder import ClaimsBuilder
from adapters.common.outcome import Trouble
from adapters.hl7v2.case import Case, WithheldError, doubt_of
from adapters.hl7v2.fields import FieldPath, field_path
from adapters.hl7v2.location import LocationReader
from adapters.hl7v2.marks import (
    MarkReader,
    PlanReaders,
    WardChoices,
    choices_of,
    filled_of,
    first_that_names,
    names_no_ward,
    unknown_ward,
)
from adapters.hl7v2.movement import HISTORIC_UPDATE, Zbe, zbe_shift
from adapters.hl7v2.profile import Hl7Profile
from adapters.hl7v2.reader import NULL, Segment
from adapters.hl7v2.triggers import CORRECTED, PLANS, TRIGGERS, VisitEvent
from schemas.observation import Claims, Location, Protection, What, strictest

Paths = tuple[FieldPath, ...]

BY_TABLE: Final = "the trigger table"
_OF_UNKNOWN: Final = "cancel-of-unknown-ward"
_PLACE: Final = (field_path("PV1-3"),)
_CLASS: Final = field_path("PV1-2")


class MessageClaimsReader:
    """Reads the claims of one feed's messages."""

    def __init__(self, profile: Hl7Profile, locations: LocationReader) -> None:
        self._locations = locations
        self._marks = {event: MarkReader(event, rule) for event, rule in profile.marks.items()}
        self._plans = PlanReaders(profile.marks)
        self._cancels = {event: WardChoices(rule) for event, rule in profile.cancels.items()}
        self._cancels_name = choices_of(profile.cancels_name)
        self._updates_move = profile.updates_move
        self._responsible = field_path(profile.responsible_ward)
        self._doctor = field_path(profile.admitting_doctor)
        self._protection = _protection_fields(profile)
        self._asked = {
            event: _Asked(meaning)
            for event, meaning in TRIGGERS.items()
            if isinstance(meaning, VisitEvent)
        }

    def read(self, case: Case, event: VisitEvent, zbe: Zbe | None) -> Claims:
        """The claims; raises WithheldError where a plan's or a cancel's ward cannot be told."""
        said = ClaimsBuilder(case.origins, case.warnings)
        designates = self._mark(case, event, zbe, said)
        asked = self._asked_of(case, event)
        self._place(case, event, zbe, said)
        if designates:
            self._expected(case, asked.expected, said)
        self._time(case, case.filled(asked.planned_discharge), "planned_discharge_at", said)
        if event.describes:
            self._describe(case, event, said)
        self._protect(case, said)
        case.unread += said.unread
        return Claims.model_validate(said)

    def protection(self, case: Case) -> Claims:
        """All that an event about a person claims."""
        said = ClaimsBuilder(case.origins, case.warnings)
        self._protect(case, said)
        return Claims.model_validate(said)

    def _mark(self, case: Case, event: VisitEvent, zbe: Zbe | None, said: ClaimsBuilder) -> bool:
        """Say the mark; False where the patient is of a class that the event does not designate.

        The time of such a booking is that of a clinic, say, and of no ward that was marked before.
        """
        if event.what is What.PLAN_CANCELLED:
            self._cancelled_ward(case, said)
            return True
        if event is CORRECTED:
            self._corrected_mark(case, said)
            return True
        reader = self._marks.get(case.event)
        if reader is None:
            return True
        if not reader.takes(case):
            return False
        found = reader.read(case, self._locations)
        if event.needs_ward and names_no_ward(found):
            names = " and ".join(path.text for path in reader.paths)
            withheld = WithheldError(
                "plan-without-ward", f"no ward in {names}", reader.paths[0].text
            )
            if zbe is None or zbe.action != "update":
                raise withheld
            case.note(withheld.trouble)  # a correction of its time, say
        if found is not None:
            said.say("mark", found[1], found[0].text, "profile.marks")
        return True

    def _corrected_mark(self, case: Case, said: ClaimsBuilder) -> None:
        """Of a plan, should it be one that the message corrects."""
        found = self._plans.read(case, self._locations)
        if found is not None:
            said.say("mark", found[1], found[0].text, "profile.marks")

    def _cancelled_ward(self, case: Case, said: ClaimsBuilder) -> None:
        """The ward a cancel names; a location without a ward names none, and the next may."""
        found = first_that_names(filled_of(case, self._cancels_name), case, self._locations)
        if found is None:
            return
        path, said_of_it = found
        if isinstance(said_of_it, Location):
            said.say("mark", said_of_it, path.text, "profile.cancels_name")
        elif unknown := unknown_ward(said_of_it):
            raise WithheldError(_OF_UNKNOWN, unknown.detail, path.text)
        elif isinstance(said_of_it, Trouble):
            case.warnings.append(said_of_it)

    def taken_back(self, case: Case) -> Claims | None:
        """The plan that an event takes back beside what else it says; None where it takes none."""
        wards = self._cancels.get(case.event)
        applies = wards.applies(case) if wards else False
        if wards is None or applies is False:
            return None
        path, location = wards.read(case, self._locations) or (wards.paths[0], None)
        if isinstance(location, Location):
            case.origins.note("claims.mark", path.text, "profile.cancels")
            return Claims(mark=location)
        if unknown := unknown_ward(location):
            case.note(Trouble(_OF_UNKNOWN, unknown.detail, path.text, mark_unread=True))
            return None
        return Claims() if applies else None

    def _place(self, case: Case, event: VisitEvent, zbe: Zbe | None, said: ClaimsBuilder) -> None:
        if _cancels_the_past(case, zbe):
            return
        asked = self._asked_of(case, event)
        if asked.temporary and self._is_elsewhere(case, asked.temporary, said):
            return
        paths, rule = asked.place, BY_TABLE
        if event.what is What.UPDATED:
            if self._updates_move:
                paths, rule = _PLACE, "profile.updates_move"
            elif _tells_movement(case, zbe):
                paths, rule = _PLACE, "it tells where a movement led"
        found = case.filled(paths)
        if found is not None:
            location = self._locations.read(found[1], found[0], case)
            said.say("place", location, found[0].text, rule)

    def _is_elsewhere(self, case: Case, paths: Paths, said: ClaimsBuilder) -> bool:
        """Whether a temporary place is given; the message tells nothing of the assigned one then."""
        found = case.filled(paths)
        location = self._locations.read(found[1], found[0], case) if found else None
        said.say("temporary_place", location, paths[0].text, BY_TABLE)
        return location is not None

    def _asked_of(self, case: Case, event: VisitEvent) -> _Asked:
        return self._asked.get(case.event) or _Asked(event)

    def _expected(self, case: Case, paths: Paths, said: ClaimsBuilder) -> None:
        reader = self._marks.get(case.event)
        if reader is None or reader.expected is None:
            self._time(case, case.filled(paths), "expected_at", said)
        else:
            found = next(filled_of(case, reader.expected), None)
            self._time(case, found, "expected_at", said, "profile.marks")

    @staticmethod
    def _time(
        case: Case,
        found: tuple[FieldPath, Segment] | None,
        name: str,
        said: ClaimsBuilder,
        rule: str = BY_TABLE,
    ) -> None:
        if found is None:
            return
        path, segment = found
        text = segment.first(path.field, path.component or 1)
        moment = case.moment_of(text, path)
        if moment is not None:
            said.say(name, moment.at, moment.rule, rule)
        elif text == NULL:
            said.say(name, None, path.text, rule)

    def _describe(self, case: Case, event: VisitEvent, said: ClaimsBuilder) -> None:
        for path, name, rule in (
            (_CLASS, "visit_class", BY_TABLE),
            (self._doctor, "admitting_doctor", "profile.admitting_doctor"),
        ):
            text = case.text(path)
            if doubt := doubt_of(text, path.text):
                case.warnings.append(doubt)
            elif text:
                said.say(name, None if text == NULL else text, path.text, rule)
        if event.what not in PLANS:  # the ward of a plan is responsible once it is carried out
            self._responsible_ward(case, said)

    def _responsible_ward(self, case: Case, said: ClaimsBuilder) -> None:
        path = self._responsible
        segment = case.message.first(path.segment)
        if path.segment == "ZBE" and (shift := zbe_shift(segment)):
            path = path._replace(field=path.field + shift)
        if path.field >= len(segment.fields) or segment.is_empty(path.field):
            return
        ward = self._locations.ward(segment, path)
        said.say("responsible_ward", ward, path.text, "profile.responsible_ward")

    def _protect(self, case: Case, said: ClaimsBuilder) -> None:
        """The strictest of the marks that are there; a code nobody configured is unknown."""
        marks = [
            (codes.get(text, Protection.UNKNOWN) if text != NULL else Protection.NONE, path.text)
            for path, codes in self._protection
            if (text := case.text(path))
        ]
        if marks:
            level = strictest(level for level, _ in marks)
            where = next(where for each, where in marks if each is level)
            said.say("protection", level, where, "profile.protection, the strictest")


class _Asked:
    """The fields that an event's row of the trigger table asks for."""

    __slots__ = ("expected", "place", "planned_discharge", "temporary")

    def __init__(self, event: VisitEvent) -> None:
        self.place = _paths(event.place)
        self.temporary = _paths(event.temporary)
        self.expected = _paths(event.expected)
        self.planned_discharge = _paths(event.planned_discharge)


def _paths(fields: Sequence[str]) -> Paths:
    return tuple(map(field_path, fields))


def _protection_fields(
    profile: Hl7Profile,
) -> tuple[tuple[FieldPath, Mapping[str, Protection]], ...]:
    codes = profile.protection
    return (
        (field_path("PD1-12"), codes.pd1_12),
        (field_path("PV1-16"), codes.pv1_16),
        (field_path("PV2-22"), codes.pv2_22),
    )


def _tells_movement(case: Case, zbe: Zbe | None) -> bool:
    """Whether an update tells where a movement went: any Z99's, else one of the past."""
    if zbe is None or zbe.action == "cancel":
        return False
    return zbe.historic or (case.trigger == HISTORIC_UPDATE and zbe.action == "insert")


def _cancels_the_past(case: Case, zbe: Zbe | None) -> bool:
    """Whether PV1-3 is where a cancelled movement had led: A02 as its own cancel, a historic one."""
    if zbe is None or zbe.action != "cancel":
        return False
    return zbe.historic or case.trigger not in {case.event, HISTORIC_UPDATE}
