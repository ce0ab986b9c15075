"""Adapters, router and a ward's list over one log in memory: what a ward sees of messages as they are sent.

Profiles are TOML, as a hospital writes them. Each message is decided at once, under a receipt of its own.
"""

from __future__ import annotations

import tomllib
from collections.abc import Iterator, Sequence
from datetime import datetime
from pathlib import Path

from adapters.common.feed import FeedIdentity, Input, envelope_record, patient_records
from adapters.common.keys import PatientKeyer, raw_pointer
from adapters.common.outcome import InputOutcome
from adapters.elvis import handle as elvis
from adapters.elvis import state as elvis_state
from adapters.elvis.compare import Context
from adapters.elvis.settings import ElvisSettings
from adapters.fhir.mapping import FhirNormaliser
from adapters.fhir.profile import FhirProfile
from adapters.hl7v2.mapping import Hl7Normaliser
from adapters.hl7v2.profile import Hl7Profile
from bus.memory import MemoryLog
from bus.port import Log, Record, Stored
from bus.records import records_of
from bus.runner import StepRunner
from router.core.partition import RouterState
from router.core.step import RouterStep
from schemas import topics
from schemas.authority import Authority, AuthorityEntry
from schemas.fields import Beside
from schemas.review import ReviewItem
from schemas.ward import WardRegister
from wardbridge.readmodels.board import Board
from wardbridge.readmodels.census import Census
from wardbridge.readmodels.disclosure import Disclosure
from wardbridge.readmodels.identities import Identities

REALM = "lab"
KEYER = PatientKeyer(b"a secret of the tests")
WARDS = WardRegister(open_register=True)


class Hospital:
    """One realm. ``believed``: the source of every ward."""

    def __init__(self, believed: str = "ehr", log: Log | None = None) -> None:
        self.log = log or MemoryLog()
        self.believed = believed
        self._feeds: dict[str, Hl7Normaliser | FhirNormaliser] = {}
        self._exports: dict[str, tuple[Context, elvis_state.SnapshotState]] = {}
        entry = AuthorityEntry(scope="realm", name="", source=believed)
        timeline = Authority(realm=REALM, entries=(entry,)).model_dump_json().encode()
        self.log.append([Record(topics.AUTHORITY, REALM, REALM, timeline)])
        self._runner = self._new_runner()

    def hl7(self, profile: str = "", *, source: str = "ehr", feed: str = "hl7") -> Hospital:
        """A feed of messages."""
        named, read = FeedIdentity(feed, source, REALM), tomllib.loads(profile)
        settings = Hl7Profile.model_validate(read)
        self._feeds[feed] = Hl7Normaliser(named, settings, WARDS, KEYER, describe=True)
        return self

    def fhir(self, profile: str = "", *, source: str = "ehr", feed: str = "fhir") -> Hospital:
        """A feed of Encounters."""
        named, read = FeedIdentity(feed, source, REALM), tomllib.loads(profile)
        settings = FhirProfile.model_validate(read)
        self._feeds[feed] = FhirNormaliser(named, settings, WARDS, KEYER, describe=True)
        return self

    def elvis(self, settings: str = "", *, source: str = "elvis", feed: str = "elvis") -> Hospital:
        """A feed of exports."""
        named, read = FeedIdentity(feed, source, REALM), tomllib.loads(settings)
        found = ElvisSettings.model_validate({"directory": Path("inbox"), **read})
        context = elvis.make_context(named, found, WARDS, KEYER, describe=True)
        self._exports[feed] = (context, elvis_state.SnapshotState())
        return self

    def send(self, payload: bytes, at: datetime, feed: str = "hl7") -> InputOutcome:
        """A message or resource, received at a moment."""
        reader = self._feeds[feed]
        outcome = reader.normalise(payload, at)
        taken = Input(raw_pointer(payload, at, feed), at)
        records = [envelope_record(reader.feed, taken, outcome)] if outcome.observations else []
        self._decide([*records, *patient_records(outcome)])
        return outcome

    def export(self, payload: bytes, name: str, at: datetime, feed: str = "elvis") -> InputOutcome:
        """An export, read at a moment."""
        context, state = self._exports[feed]
        file = elvis.incoming(payload, name, at, context)
        handled = elvis.handle(state, file, context)
        elvis_state.apply(state, handled.change)
        outcome = handled.outcome
        taken = Input(file.raw, at)
        records = [envelope_record(context.feed, taken, outcome)] if outcome.observations else []
        self._decide([*records, *patient_records(outcome)])
        return outcome

    def restart(self) -> Hospital:
        """Another process takes over: only what is committed is known."""
        self.log.rewind("router")
        self._runner = self._new_runner()
        return self

    def inbound(self, ward: str) -> list[Beside]:
        """Who is on the way to the ward, as a reader with identified fields sees it."""
        board, census = Board(), Census(lambda _: self.believed)
        known = Disclosure(census, WARDS, Identities(census.aliases))
        known.take(*(self._rows(t) for t in (topics.ENCOUNTERS, topics.PATIENTS, topics.ALIASES)))
        for row in self._rows(topics.INBOUND):
            board.set_row(row)
        coming = sorted(board.inbound(ward), key=lambda each: each.visit.visit)
        return [known.beside(each, "identified") for each in coming]

    def names(self, ward: str) -> list[str]:
        """Their family names and numbers, a protected person's in parentheses."""
        return [
            f"({text})" if each.protected else text
            for each in self.inbound(ward)
            for text in [f"{each.patient.family} {each.patient.number}" if each.patient else "?"]
        ]

    def visits(self, ward: str) -> list[str]:
        """The numbers of the visits on the ward's list."""
        board = Board()
        for row in self._rows(topics.INBOUND):
            board.set_row(row)
        return sorted(each.visit.visit for each in board.inbound(ward))

    @property
    def review(self) -> list[str]:
        """Reasons of the router's items, each item once."""
        rows = {row.key: row.value for row in self._rows(topics.REVIEW)}
        items = [ReviewItem.model_validate_json(value) for value in rows.values() if value]
        return sorted(item.reason for item in items)

    def _rows(self, topic: str) -> Iterator[Stored]:
        return records_of(self.log, topic)

    def _decide(self, records: Sequence[Record]) -> None:
        self.log.append(records)
        while self._runner.run_once():
            pass

    def _new_runner(self) -> StepRunner[RouterState]:
        return StepRunner(self.log, "router", RouterStep(WARDS), _fail)


def _fail(stored: Stored, error: Exception) -> Sequence[Record]:
    raise AssertionError(f"the step raised {error!r} at {stored.topic}/{stored.offset}")
