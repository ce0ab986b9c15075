"""Maps the bytes of one message to an outcome: observations, or the reason why there are none.

Invariants
----------
* Total: any bytes give an outcome with a stable reason; nothing raises.
* Only an unreadable trigger, visit or patient withholds a message, and a plan or a cancel whose
  ward cannot be told; any other unreadable field is absent, with a warning.
* What MSH-11 says is a test (HL7 v2.5.1 chapter 2, table 0103) tells no ward of a patient.
* MSH-9.2 names the event, whatever EVN-1 says; the control id decides nothing.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Final, NamedTuple

from adapters.common.describing import Describer
from adapters.common.feed import FeedIdentity
from adapters.common.keys import PatientKeyer
from adapters.common.origin import Origins
from adapters.common.outcome import (
    InputOutcome,
    Trouble,
    accepted,
    ignored,
    to_review,
)
from adapters.common.visits import VisitNumber, visit_id
from adapters.hl7v2 import reader
from adapters.hl7v2.case import Case, WithheldError, doubt_of
from adapters.hl7v2.charset import Charsets
from adapters.hl7v2.claims import BY_TABLE, MessageClaimsReader
from adapters.hl7v2.cx import Cx, read_cx
from adapters.hl7v2.errors import Hl7Error, InternalError, UnknownCharsetError
from adapters.hl7v2.fields import field_path
from adapters.hl7v2.kind import trigger_of
from adapters.hl7v2.limits import MAX_MERGED_NUMBERS, MAX_MERGES
from adapters.hl7v2.location import LocationReader
from adapters.hl7v2.movement import HISTORIC_UPDATE, Zbe, meant, zbe_of
from adapters.hl7v2.occurrence import OccurrenceReader
from adapters.hl7v2.patient import Hl7PatientReader
from adapters.hl7v2.person import person_of
from adapters.hl7v2.profile import Hl7Profile
from adapters.hl7v2.reader import NULL, Message, Segment
from adapters.hl7v2.stamp import observation_id, order_stamp, recorded
from adapters.hl7v2.statement import event_of
from adapters.hl7v2.times import Hl7TimeReader
from adapters.hl7v2.triggers import (
    TRIGGERS,
    Later,
    Meaning,
    PersonEvent,
    Unconcerned,
    VisitEvent,
)
from schemas.observation import Observation, Patient, Rank, What
from schemas.ward import WardRegister

RULES: Final = 2
"""Raise it when an input is read otherwise than before by the same profile: `tests/golden` notices."""

_ONCE: Final = frozenset({"EVN", "PID", "PD1", "PV1", "PV2", "ZBE"})
"""Segments that a message about one patient and one visit has once (HL7 v2.5.1 chapter 3, IHE PAM)."""
_FIELD_NAMES: Final = re.compile(r"\b([A-Z][A-Z0-9]{2})-[1-9]")


class FrameReading(NamedTuple):
    """An input's outcome, and what its answer needs: the message if there is one, or the fault."""

    outcome: InputOutcome
    message: Message | None
    fault: Hl7Error | None = None


class Hl7Normaliser:
    """Reads one feed's messages. Keeps nothing: all connections of a feed may share it.

    ``describe``: whether it is to be told who the patients are, too.
    """

    def __init__(  # noqa: PLR0913 - one for each thing that a feed may vary
        self,
        feed: FeedIdentity,
        profile: Hl7Profile,
        wards: WardRegister,
        keyer: PatientKeyer,
        *,
        explain: bool = False,
        describe: bool = False,
    ) -> None:
        self.feed = feed
        self.profile = profile
        self._unasked = None if explain else Origins(asked=False)
        self._visit = field_path(profile.visit)
        self._asked = _segments_of(profile)
        self._charsets = Charsets.of(profile.charset, profile.charsets)
        self._skew = timedelta(seconds=profile.future_s)
        self._times = Hl7TimeReader(profile.zone, self._skew)
        self._occurrences = OccurrenceReader(profile)
        self._patients = Hl7PatientReader(profile, keyer.of(feed.source))
        self._describer = Describer(feed, keyer) if describe else None
        self._claims = MessageClaimsReader(
            profile, LocationReader(profile.location, wards, feed.source)
        )

    def normalise(self, payload: bytes, received_at: datetime) -> InputOutcome:
        """What one message means."""
        return self.read(payload, received_at).outcome

    def read(self, payload: bytes, received_at: datetime) -> FrameReading:
        """What one message means, with what is needed to answer it."""
        try:
            message = reader.read(payload, self._charsets)
        except Hl7Error as error:
            fault = None if isinstance(error, UnknownCharsetError) else error
            trouble = Trouble(error.reason, error.detail, error.where)
            return FrameReading(self._withheld(trouble, payload), None, fault)
        try:
            return FrameReading(self._outcome(message, received_at), message)
        except WithheldError as withheld:
            return FrameReading(self._withheld(withheld.trouble, payload), message)

    def patients(self, payload: bytes, received_at: datetime) -> Iterator[Patient]:
        """Whom a message names (PID-3), also where it cannot be used. Total."""
        try:
            message = reader.read(payload, self._charsets)
        except Hl7Error:
            return
        for _, segment in message.sequence("PID"):
            found, _ = self._patients.read(segment, 3, "PID-3", received_at)
            if not isinstance(found, Trouble):
                yield found.patient

    def _withheld(self, trouble: Trouble, payload: bytes) -> InputOutcome:
        return to_review(replace(trouble, mark_unread=self.may_mark(payload)))

    def may_mark(self, payload: bytes) -> bool:
        """Whether a message that is not used may be one that designates, or takes a mark back."""
        event = event_of(payload) if payload.count(b"MSH") == 1 else None
        if event is None:
            return b"MSH" in payload
        profile, meaning = self.profile, TRIGGERS.get(event)
        takes_back = isinstance(meaning, VisitEvent) and meaning.what is What.PLAN_CANCELLED
        corrects = event == HISTORIC_UPDATE  # which may correct a plan
        return takes_back or corrects or event in profile.marks or event in profile.cancels

    def _outcome(self, message: Message, received_at: datetime) -> InputOutcome:
        trigger = trigger_of(message)
        if trigger is None:
            return ignored("not-adt", "a message of another kind than ADT")
        if message.header.first(11) not in self.profile.processing_ids:
            raise WithheldError(
                "not-production", "training or debugging: see the profile", "MSH-11"
            )
        if name := message.broken(self._asked):
            detail = (
                "a line end in one of its fields cuts off the rest: ask the sender to escape it"
            )
            raise WithheldError("segment-broken", detail, name)
        origins = self._unasked or Origins(asked=True)
        case = Case(message, received_at, trigger, trigger, self._times_of(message), origins)
        if message.doubt is not None:
            case.warnings.append(message.doubt)
        return self._by_meaning(case, TRIGGERS[trigger])

    def _times_of(self, message: Message) -> Hl7TimeReader:
        sent = message.header.raw(7)
        if not ("+" in sent or "-" in sent) or not self.profile.offset_of_msh_7:
            return self._times
        return self._times.of_message(message.header.first(7))

    def _by_meaning(self, case: Case, meaning: Meaning) -> InputOutcome:
        match meaning:
            case VisitEvent():
                return self._visit_event(case, meaning)
            case PersonEvent(What.PATIENTS_MERGED):
                return self._merge(case)
            case PersonEvent():
                return self._person(case)
            case Later(reason, detail):
                raise WithheldError(reason, detail, "MSH-9")
            case Unconcerned(reason, detail):
                return ignored(reason, detail)

    def _visit_event(self, case: Case, event: VisitEvent) -> InputOutcome:
        _check_single(case.message)
        zbe = zbe_of(case)
        meaning = meant(case, event, zbe)
        if not isinstance(meaning, VisitEvent):
            return self._by_meaning(case, meaning)
        return self._meant_event(case, meaning, zbe)

    def _meant_event(self, case: Case, event: VisitEvent, zbe: Zbe | None) -> InputOutcome:
        visit = self._visit_number(case)
        patient = self._patient(case, case.message.first("PID"), 3, "patient")
        case.origins.note("what", "MSH-9.2" if case.event == case.trigger else "ZBE-6", BY_TABLE)
        said: dict[str, object] = {"what": event.what, "visit": visit.id, "patient": patient}
        said["claims"] = claims = self._claims.read(case, event, zbe)
        if zbe is not None and (movement := zbe.movement()) is not None:
            said["movement"] = movement
        if case.unread:
            said["unread"] = tuple(case.unread)
        if self.profile.corrects_patient and case.trigger == "A08":
            said["corrects_patient"] = True
        said |= self._occurrences.read(case, event, zbe, claims)
        own = self._observation(case, event.rank, said, visit.as_sent)
        observations = [own]
        if (plan := self._claims.taken_back(case)) is not None:
            case.origins.note("what", "profile.cancels", "profile.cancels")
            taken = {
                "what": What.PLAN_CANCELLED,
                "visit": visit.id,
                "patient": patient,
                "claims": plan,
            }
            # what is cancelled is the plan before the one that the same message makes
            cancel = self._observation(case, Rank.PLAN, taken, visit.as_sent, number=1)
            observations = [_ranked_behind_plans(own), cancel]
        return self._accepted(case, observations)

    def _person(self, case: Case) -> InputOutcome:
        _check_single(case.message)
        patient = self._patient(case, case.message.first("PID"), 3, "patient")
        case.origins.note("what", "MSH-9.2", BY_TABLE)
        said: dict[str, object] = {"what": What.PERSON_UPDATED, "patient": patient}
        said["claims"] = self._claims.protection(case)
        return self._accepted(case, [self._observation(case, Rank.UPDATE, said)])

    def _merge(self, case: Case) -> InputOutcome:
        merges: list[Observation] = []
        read: dict[int, Patient] = {}  # one PID may survive many
        for number, (survivor, ceasing) in enumerate(_merge_pairs(case.message)):
            into = read.get(id(survivor)) or self._patient(case, survivor, 3, "merged_into")
            read[id(survivor)] = into
            patient = _other_than(into, self._patient(case, ceasing, 1, "patient"))
            if patient is not None:
                case.origins.note("what", "MSH-9.2", BY_TABLE)
                said = {"what": What.PATIENTS_MERGED, "patient": patient, "merged_into": into}
                merges.append(self._observation(case, Rank.UPDATE, said, number=number))
        if not merges:
            return ignored("merge-into-itself", "both sides of the merge are the same patient")
        return self._accepted(case, merges)

    def _accepted(self, case: Case, observations: Sequence[Observation]) -> InputOutcome:
        outcome = accepted(observations, case.warnings, origins=case.origins.finished)
        if self._describer is None:
            return outcome
        return replace(outcome, patients=self._describer.rows(observations, case.persons))

    def _observation(
        self, case: Case, rank: Rank, said: dict[str, object], visit: str = "", number: int = 0
    ) -> Observation:
        when = recorded(case)
        said |= {
            "id": observation_id(self.feed.source, visit, case, when, number),
            **self.feed.reading,
            "source": self.feed.source,
            "feed": self.feed.name,
            "trigger": case.trigger,
            "shape": "event",
            "recorded_at": when.moment.at,
            "recorded_rule": when.moment.rule,
            "stamp": order_stamp(case, when, rank, self._skew),
        }
        case.origins.finish()
        return Observation.model_validate(said)

    def _visit_number(self, case: Case) -> VisitNumber:
        cx = self._visit_field(case)
        if cx is None:
            detail = "the feed's visit field is empty: nothing tells which stay it is about"
            raise WithheldError("visit-missing", detail, self._visit.text)
        assigner = cx.assigners[0] if cx.assigners else self.profile.visit_assigner
        for text in (cx.number, assigner or ""):
            if doubt := doubt_of(text, self._visit.text, "visit-unreadable"):
                raise WithheldError.of(doubt)
        case.origins.note("visit", self._visit.text, "profile.visit")
        return VisitNumber(visit_id(cx.number, assigner), cx.number, self._visit.text)

    def _visit_field(self, case: Case) -> Cx | None:
        """The number and who gave it; of a component that the profile names, the number alone."""
        if self._visit.component:
            number = case.text(self._visit)
            return None if number in {"", NULL} else Cx(number, (), "", "", "")
        segment = case.message.first(self._visit.segment)
        first = next(iter(segment.repetitions(self._visit.field)), "")
        return read_cx(segment, first, self.profile.assigners)

    def _patient(self, case: Case, segment: Segment, field: int, name: str) -> Patient:
        where = f"{segment.fields[0]}-{field}"
        found, doubts = self._patients.read(segment, field, where, case.received_at)
        if isinstance(found, Trouble):
            raise WithheldError.of(found)
        for doubt in doubts:  # the same of every merge is one
            case.note(doubt)
        case.origins.note(name, found.where, found.rule)
        if self._describer is not None and segment.fields[0] == "PID":
            case.persons[found.patient.key] = person_of(segment, case)
        return found.patient


def read_frame(normaliser: Hl7Normaliser, payload: bytes, received_at: datetime) -> FrameReading:
    """What a frame means. A fault of ours costs one message its use, never the connection."""
    try:
        return normaliser.read(payload, received_at)
    except Exception as error:  # noqa: BLE001 - the one supervisor of a message
        fault = InternalError(f"{type(error).__name__} while reading")
        outcome = to_review(Trouble(fault.reason, fault.detail, mark_unread=True))
        return FrameReading(outcome, None, fault)


def _segments_of(profile: Hl7Profile) -> frozenset[str]:
    """The segments that are read: the standard's, and every one that the profile names a field of."""
    named = _FIELD_NAMES.findall(profile.model_dump_json())
    return frozenset({"MSH", "EVN", "PID", "PD1", "PV1", "PV2", "MRG", "ZBE", *named})


def _check_single(message: Message) -> None:
    """Of two patients or visits in a message one would be read, and nobody would miss the other."""
    if name := message.contradicted(_ONCE):
        detail = "there are two that differ, and one message tells of one: have one sent for each"
        raise WithheldError("segment-repeated", detail, name)


def _ranked_behind_plans(said: Observation) -> Observation:
    """The same, also of a plan, behind the cancel of one in the same message."""
    rank = max(said.stamp.rank, Rank.MOVEMENT)
    return said.model_copy(update={"stamp": said.stamp.model_copy(update={"rank": rank})})


def _other_than(survivor: Patient, ceasing: Patient) -> Patient | None:
    """The ceasing patient under the numbers that are not the survivor's chosen one; None without any."""
    if ceasing.key != survivor.key:
        return ceasing
    if not ceasing.other_keys:
        return None
    first, *others = ceasing.other_keys
    return ceasing.model_copy(update={"key": first, "other_keys": tuple(others)})


def _merge_pairs(message: Message) -> list[tuple[Segment, Segment]]:
    """Survivor (PID) and ceasing patient (MRG), as often as the message has them."""
    if max(message.count("PID"), message.count("MRG")) > MAX_MERGES:
        raise _merge_unreadable(f"more than {MAX_MERGES} merges")
    pairs: list[tuple[Segment, Segment]] = []
    survivor: Segment | None = None
    numbers = 0
    for name, segment in message.sequence("PID", "MRG"):
        numbers += segment.count(3 if name == "PID" else 1)
        if name == "PID":
            survivor = segment
        elif survivor is not None:
            pairs.append((survivor, segment))
    if numbers > MAX_MERGED_NUMBERS:
        raise _merge_unreadable(f"more than {MAX_MERGED_NUMBERS} numbers of its patients")
    if not pairs:
        told = "its PID must stand before it: it names who remains"
        if not message.count("MRG"):
            told = "there is no MRG: it names the number that ceases; have it sent"
        raise _merge_unreadable(told)
    return pairs


def _merge_unreadable(detail: str) -> WithheldError:
    return WithheldError("merge-unreadable", detail, "MRG-1")
