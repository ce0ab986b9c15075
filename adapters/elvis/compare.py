"""Compares an export with the previous snapshots: what changed, or why the file is not believed.

Pure. Invariants:

* A row is observed when it is new or its claims changed; a file seen again changes nothing.
* The newest sighting of a patient decides, whatever order the scopes' files come in.
* Absence is not discharge: :mod:`adapters.elvis.absence` says when a visit has ended. The next
  sighting starts a new episode, a new visit.
* A row whose patient cannot be read may be anybody's, and so may one of two rows of one patient: a
  file that has such a row ends nobody.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Final, NamedTuple

from adapters.common.describing import Describer
from adapters.common.feed import FeedIdentity
from adapters.common.outcome import Trouble
from adapters.common.review import FeedReview
from adapters.elvis import absence, guards
from adapters.elvis.format import MTIME
from adapters.elvis.observe import RECORDED_RULE, SnapshotMoment, SnapshotObserver
from adapters.elvis.parse import Export
from adapters.elvis.row import RowReader, Sheet
from adapters.elvis.scan import Fresh, RowTrouble, Scan, scan
from adapters.elvis.settings import ElvisSettings
from adapters.elvis.state import (
    PatientState,
    ScopeState,
    SnapshotChange,
    SnapshotRow,
    SnapshotState,
    sequence_of,
)
from schemas.observation import BY_FILE, Observation

_DAY_US: Final = 86_400_000_000


class Context(NamedTuple):
    """What stays the same from file to file: names, configuration, how rows are read.

    ``describer``: where it is kept who the patients are; an export has their numbers only. ``review``:
    what is open of the feed, which alone changes.
    """

    feed: FeedIdentity
    settings: ElvisSettings
    sheet: Sheet
    review: FeedReview
    describer: Describer | None = None


class Arrival(NamedTuple):
    """A file as it came: which one it is, when, and whether a person approved it."""

    identity: str
    received_at: datetime
    approved: bool = False


@dataclass(frozen=True, slots=True)
class Comparison:
    """What an accepted file changes. Numbers are indexes of rows; who is gone has none.

    ``parts``: what the rows say that were looked at anew.
    """

    change: SnapshotChange
    observed: tuple[tuple[int | None, Observation], ...]
    troubles: tuple[tuple[int, Trouble], ...]
    parts: tuple[str, ...] = ()


def compare(
    state: SnapshotState, export: Export, arrival: Arrival, context: Context
) -> Comparison | Trouble:
    """What the export changes, or the guard that it fails. ``state`` is left as it is."""
    scope = guards.scope_of(export, context.settings.scopes, state.scopes)
    if isinstance(scope, Trouble):
        return scope
    last = state.scopes.get(scope)
    rule = BY_FILE if context.sheet.form.exported_at == MTIME else RECORDED_RULE
    moment = SnapshotMoment(scope, _exported_at(export, scope, last), arrival.received_at, rule)
    if last is not None and last.file == arrival.identity:  # read again: it is no older than itself
        moment = _as_before(moment, export, last)
    elif refused := _refused_by_time(moment, last, context):
        return refused
    reader = RowReader(context.sheet, export)
    is_read_alike = last is not None and last.reading == context.sheet.fingerprint
    found = scan(export.rows, reader, _settled(state, scope) if is_read_alike else {})
    before = state.listed.get(scope, {})
    absent = before.keys() - found.listed.keys()
    refused = _refused_by_rows(before, found, absent, export, context, arrival)
    if refused:
        return refused
    interval_s = context.settings.export_interval_s(scope)
    newest = _newest(last or absence.NEVER, moment, found, interval_s)
    newest = replace(
        newest, file=arrival.identity, wards=export.wards, reading=context.sheet.fingerprint
    )
    step = _Step(state, moment, newest, context, len(export.rows))
    return step.comparison(found, absent, reader)


def _exported_at(export: Export, scope: str, last: ScopeState | None) -> datetime:
    # In the hour that autumn repeats, the first pass unless that is past already.
    first = export.exported_at
    is_past = last is not None and sequence_of(first, scope) <= last.sequence
    return export.exported_late_at if is_past else first


def _as_before(moment: SnapshotMoment, export: Export, last: ScopeState) -> SnapshotMoment:
    """The time that the file was taken for when it was accepted."""
    passes = (export.exported_at, export.exported_late_at)
    taken = (at for at in passes if sequence_of(at, moment.scope) == last.sequence)
    return moment._replace(at=next(taken, moment.at))


def _settled(state: SnapshotState, scope: str) -> dict[str, str]:
    # Whoever another scope lists too is compared anew each time: the newest sighting decides.
    return {
        listing.row: key
        for key, listing in state.listed.get(scope, {}).items()
        if not listing.anew and len(state.patients[key].listed) == 1
    }


def _refused_by_time(
    moment: SnapshotMoment, last: ScopeState | None, context: Context
) -> Trouble | None:
    ahead = guards.not_ahead(moment.at, moment.received_at, context.settings.guards)
    return ahead or guards.not_older(moment.sequence, last)


def _refused_by_rows(  # noqa: PLR0913, PLR0917 - all that is known of the rows
    before: Mapping[str, SnapshotRow],
    found: Scan,
    absent: Collection[str],
    export: Export,
    context: Context,
    arrival: Arrival,
) -> Trouble | None:
    limits, rows = context.settings.guards, len(export.rows)
    hard = guards.not_all_unused(found, rows) or guards.each_ward_listed(export, found)
    if hard or arrival.approved:
        return hard
    return guards.mostly_readable(found, rows, limits) or guards.not_shrunk(before, absent, limits)


def _newest(before: ScopeState, moment: SnapshotMoment, found: Scan, interval_s: int) -> ScopeState:
    """What the scope's state becomes, but for which bytes and wards it was."""
    told = frozenset(trouble.statement for trouble in found.unused)
    newest = replace(before, sequence=moment.sequence, told=told, left=frozenset())
    if found.unused:
        left = (before.told | before.left) - told
        return replace(
            newest, left=left if len(left) <= guards.MAX_UNUSED_ROWS else before.told - told
        )
    has_resumed = absence.is_silence(before, moment.sequence, interval_s)
    resumed = moment.sequence if has_resumed else before.resumed
    return replace(newest, whole=moment.sequence, resumed=resumed)


class _Step:
    """One accepted snapshot against the state before it."""

    def __init__(
        self,
        state: SnapshotState,
        moment: SnapshotMoment,
        newest: ScopeState,
        context: Context,
        rows: int,
    ) -> None:
        self._state = state
        self._moment = moment
        self._context = context
        self._last = state.scopes.get(moment.scope)
        self._newest = newest
        self._is_read_alike = self._last is not None and self._last.reading == newest.reading
        self._observer = SnapshotObserver(context.feed, context.sheet.keyer, moment)
        self._scopes = {**state.scopes, moment.scope: newest}
        self._asked = absence.scopes_asked(self._scopes, context.settings)
        self._grace_s = context.settings.absence_grace_s(len(self._asked))
        self._patients: dict[str, PatientState | None] = {}
        self._ended_as = rows  # ends come behind the rows
        self._observed: list[tuple[int | None, Observation]] = []
        self._troubles: list[tuple[int, Trouble]] = []
        self._parts: list[str] = []

    def comparison(self, found: Scan, absent: Collection[str], reader: RowReader) -> Comparison:
        """Everything that the snapshot changes."""
        for key, fresh in found.fresh.items():
            self._see(key, fresh, found.listed[key], reader)
        for key in sorted(found.listed.keys() - found.fresh.keys()):
            self._keep(key, found.listed[key])
        for key in sorted(absent):
            self._miss(key)
        for key in sorted({*self._state.unlisted, *absent}):
            self._end_if_gone(key)
        self._forget()
        self._tell_once(found.unused)
        change = SnapshotChange({self._moment.scope: self._newest}, self._patients)
        told = tuple(self._observed), tuple(self._troubles), tuple(self._parts)
        return Comparison(change, *told)

    # -- patients of the file -----------------------------------------------------------------

    def _see(self, key: str, fresh: Fresh, listing: SnapshotRow, reader: RowReader) -> None:
        old = self._state.patients.get(key)
        said = reader.claims(fresh.row)
        before = old.listed.get(self._moment.scope) if old else None
        if before != listing or not self._is_read_alike:
            odd = reader.about_number(fresh.row, fresh.who.patient.identifiers[0])
            self._troubles += [(fresh.number, trouble) for trouble in (*odd, *said.troubles)]
            self._parts += dict.fromkeys((before.row if before else listing.row, listing.row))
        claims = said.claims.model_dump_json(exclude_unset=True)
        content = self._hash("claims", fresh.who.patient.key, claims)
        new = self._sighted(old, fresh, content, listing)
        if new != old:
            self._patients[key] = new
        if old is None or old.ended or new.content != old.content:
            told = self._observer.described(new, said, fresh.row, fresh.number)
            self._observed.append((fresh.number, told))

    def _sighted(
        self, old: PatientState | None, fresh: Fresh, content: str, listing: SnapshotRow
    ) -> PatientState:
        if old is None or old.ended:
            return self._first_sighting(old, fresh, content, listing)
        patient = fresh.who.patient
        if self._is_superseded(old):
            # Not observed, so it is compared anew the next time that it stands there.
            listing, content, patient = listing._replace(anew=True), old.content, old.patient
        said = replace(old, content=content, patient=patient)
        return _listed(said, self._moment.scope, listing)

    def _first_sighting(
        self, old: PatientState | None, fresh: Fresh, content: str, listing: SnapshotRow
    ) -> PatientState:
        episode = old.episode + 1 if old else 1
        who = fresh.who
        hashed = self._hash("visit", self._context.feed.source, who.key, str(episode))
        listed = {self._moment.scope: listing}
        return PatientState(who.patient, episode, who.visit or hashed, content, listed)

    def _is_superseded(self, patient: PatientState) -> bool:
        # A later snapshot of another scope has listed the patient since: that is what holds.
        others = [
            self._scopes[scope].sequence for scope in patient.listed if scope != self._moment.scope
        ]
        return max([patient.left, *others]) > self._moment.sequence

    def _keep(self, key: str, listing: SnapshotRow) -> None:
        # Listed as before, or twice: whoever was never known is not made a visit by two rows.
        old = self._state.patients.get(key)
        if old and not old.ended and old.listed.get(self._moment.scope) != listing:
            self._patients[key] = _listed(old, self._moment.scope, listing)

    # -- patients that the file lacks ------------------------------------------------------------

    def _miss(self, key: str) -> None:
        old = self._state.patients[key]
        last = self._last.sequence if self._last else 0
        # What another scope says now counts again, though its row has not changed.
        listed = {
            scope: listing._replace(anew=True)
            for scope, listing in old.listed.items()
            if scope != self._moment.scope
        }
        left, missed = max(old.left, last), max(old.missed, self._moment.sequence)
        self._patients[key] = replace(
            old, listed=listed, left=left, missed=missed, rounds=0, round_at=missed
        )

    def _end_if_gone(self, key: str) -> None:
        patient = self._patients.get(key) or self._state.patients[key]
        if patient.listed:
            return
        judged = absence.judged(patient, self._asked, self._grace_s)
        if judged is absence.Absence.GONE:
            self._patients[key] = replace(patient, ended=self._moment.sequence)
            self._observed.append((None, self._observer.discharged(patient, self._ended_as)))
            self._ended_as += 1
        elif judged is absence.Absence.ROUND_OVER:
            spoken = max(scope.whole for scope in self._asked)
            self._patients[key] = replace(patient, rounds=patient.rounds + 1, round_at=spoken)

    def _forget(self) -> None:
        kept_us = self._context.settings.remember_ended_days * _DAY_US
        for key, ended in self._state.ended.items():
            if ended >= self._moment.sequence - kept_us:
                return
            self._patients.setdefault(key, None)

    # -- what is told ------------------------------------------------------------------------------

    def _tell_once(self, found: list[RowTrouble]) -> None:
        """Rows that say nothing, but for those that said so before; none at all: those before have ended."""
        told = self._last.told if self._last else frozenset[str]()
        known = told if self._is_read_alike else frozenset[str]()
        self._troubles += [(one.number, one.trouble) for one in found if one.statement not in known]
        if not found and self._last:
            self._parts += sorted(told | self._last.left)

    def _hash(self, *parts: str) -> str:
        return self._context.sheet.keyer.hash(*parts)


def _listed(patient: PatientState, scope: str, listing: SnapshotRow) -> PatientState:
    """Seen again: nothing is missed any more."""
    listed = {**patient.listed, scope: listing}
    return replace(patient, listed=listed, missed=0, rounds=0, round_at=0)
