"""Applies changes that concern many visits (authority, time, another ward register), in bounded parts.

Authority takes effect when the realm's clock has seen its time pass (``clock``), and is looked up anew where that
clock was set back. Whoever is concerned waits in the ``backlog``; what is left of it when a record is decided is gone
on with by a tick of the same moment, which the router writes to itself.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from datetime import datetime, timedelta

from router.core import clock
from router.core.announce import Announcer
from router.core.backlog import Waiting, reading_of
from router.core.clock import Clock
from router.core.designations import Name
from router.core.fulfilment import BY_PLACE, Fulfilment
from router.core.output_records import OutputRecords
from router.core.passing import pass_time, undo
from router.core.patient import believed_for, everyone_known_as
from router.core.retention import sweep
from router.core.state import Realm
from schemas.authority import Authority, Tick
from schemas.observation import Envelope, Observation
from schemas.ward import WardRegister


class RealmFollower:
    """Follows authority, time and the register in one realm. ``keep``: how long visits that are over are kept."""

    def __init__(self, realm: Realm, outbox: OutputRecords, register: WardRegister) -> None:
        self._realm = realm
        self._outbox = outbox
        self._register = register

    def believe(self, authority: Authority, at: datetime) -> None:
        """Another timeline: it is in effect as far as time has passed."""
        realm = self._realm
        realm.authority = authority
        self._outbox.state(realm.key("authority"), authority.model_dump_json().encode())
        self._follow_authority(realm.clock or at)

    def tick(self, tick: Tick, keep: timedelta, fulfilment: Fulfilment = BY_PLACE) -> None:
        """Time passes, by one clock's word."""
        realm = self._realm
        interval = timedelta(seconds=tick.interval_s)
        was = realm.seen
        is_back = self._see(was.ticked(tick.at, interval) if was else Clock(tick.at))
        is_later = self._pass_time(tick.at, is_back=is_back)
        if not is_later:
            self._undo(tick.at)
        self._follow_register(fulfilment)
        self.look_again(tick.at)
        if is_later and realm.seen is not None:
            sweep(realm, self._outbox, realm.seen.at, keep)

    def heard(self, recorded_at: datetime) -> None:
        """A sender recorded something at this time, by its own clock, which may confirm a jump of ours."""
        realm = self._realm
        if realm.seen is None or realm.seen.last is None:  # nearly always
            return
        if self._see(realm.seen.heard(recorded_at)):
            self._pass_time(realm.seen.at, is_back=True)

    def look_first_at(self, envelope: Envelope) -> None:
        """Bring in line whom an input is about and who waits, before the input counts.

        So the wards are told of each change for its own reason, however long the backlog is.
        """
        realm = self._realm
        if not realm.backlog:  # nearly always
            return
        meant = {each for said in envelope.observations for each in _spoken_of(realm, said)}
        gained = realm.backlog.gained
        announcer = Announcer(realm, self._register, self._outbox, envelope.told_at, gained)
        announcer.reconcile(everyone_known_as(realm, meant))

    def look_again(self, at: datetime) -> None:
        """Bring the next patients of the backlog in line."""
        realm, backlog = self._realm, self._realm.backlog
        if not backlog:
            return
        before, gained, reread = backlog.row, backlog.gained, backlog.reread
        taken = backlog.take(self._concerned)
        patients = everyone_known_as(realm, self._patients(taken))
        Announcer(realm, self._register, self._outbox, at, gained).reconcile(patients)
        if reread:
            self._describe(taken)
        if backlog.row != before:
            self._outbox.state(realm.key("backlog"), backlog.row)
        if backlog:
            self._outbox.tick(realm.clock or at)

    def _see(self, seen: Clock) -> bool:
        """Believe so far; whether that is less far than before."""
        realm, before = self._realm, self._realm.seen
        if seen == before:
            return False
        realm.seen = seen
        self._outbox.state(realm.key("seen"), clock.row_of(*seen))
        is_back = before is not None and seen.at < before.at
        if is_back or not realm.believed.holds_at(seen.at):
            self._follow_authority(seen.at)
        return is_back

    def _pass_time(self, at: datetime, *, is_back: bool) -> bool:
        """Have happen what is due; whether the tick says another time than the last one."""
        realm = self._realm
        set_back = is_back or self._contradicts(at)
        if realm.clock is not None and at <= realm.clock and not set_back:
            return False
        self._go_by(at, None)
        self._bring_in_line(pass_time(realm, self._outbox, at, set_back=set_back), at)
        return True

    def _undo(self, at: datetime) -> None:
        """Go on with what a clock that was ahead had made happen too early."""
        self._bring_in_line(undo(self._realm, self._outbox), at)

    def _bring_in_line(self, patients: set[str], at: datetime) -> None:
        realm = self._realm
        touched = everyone_known_as(realm, patients)
        Announcer(realm, self._register, self._outbox, at).reconcile(touched)
        if realm.agenda.early is not None:
            self._outbox.tick(realm.clock or at)

    def _contradicts(self, at: datetime) -> bool:
        """Whether a tick was ahead of the time that is believed, which has gone on for a while without it."""
        realm = self._realm
        if realm.clock is None or at >= realm.clock - clock.CLOSE:
            return False
        if realm.seen is None or realm.seen.last is not None:
            return False
        if realm.doubted_since is None:
            self._go_by(realm.clock, at)
            return False
        return at - realm.doubted_since >= clock.CLOSE

    def _go_by(self, at: datetime, doubted_since: datetime | None) -> None:
        realm = self._realm
        realm.clock, realm.doubted_since = at, doubted_since
        self._outbox.state(realm.key("clock"), clock.row_of(at, doubted_since))

    def _follow_register(self, fulfilment: Fulfilment) -> None:
        """A restart may have brought another register, or another choice of a hospital."""
        realm = self._realm
        if realm.is_read:
            return
        realm.is_read = True
        reading = reading_of(self._register, fulfilment)
        if reading == realm.reading:
            return
        realm.reading = reading
        self._outbox.state(realm.key("register"), reading.encode())
        if wards := self._wards():
            realm.backlog.add(wards, reread=wards)
            self._outbox.state(realm.key("backlog"), realm.backlog.row)

    def _follow_authority(self, at: datetime) -> None:
        realm = self._realm
        wards = self._wards()
        before = {ward: believed_for(realm, ward, self._register) for ward in wards}
        realm.believe()
        moved = {w for w in wards if believed_for(realm, w, self._register) != before[w]}
        if moved:
            gained = [ward for ward in moved if before[ward] is not None]
            realm.backlog.add(moved, gained)
            self._outbox.state(realm.key("backlog"), realm.backlog.row)
            self.look_again(at)

    def _wards(self) -> set[str]:
        return {*self._realm.open_at, *self._realm.by_ward}

    def _describe(self, taken: Iterable[Waiting]) -> None:
        """Write the views of these visits, which may be read otherwise than before."""
        for at in taken:
            visit = None if isinstance(at, Name) else self._realm.visits.get(at)
            if visit is not None:
                self._outbox.encounter(visit, visit.glance())

    def _concerned(self, ward: str) -> Iterator[Waiting]:
        """What is announced to the ward, and what was ever marked for it, by anyone."""
        yield from sorted(self._realm.open_at.get(ward, ()))
        yield from sorted(self._realm.by_ward.get(ward, ()))

    def _patients(self, waiting: Iterable[Waiting]) -> Iterator[str]:
        realm = self._realm
        for each in waiting:
            if isinstance(each, Name):
                announced = realm.told.get(each)
                if announced is not None and announced.backing is not None:
                    yield announced.terms.patient
            elif (visit := realm.visits.get(each)) and visit.glance().awaits_patient_in:
                yield realm.patient_of(visit)


def _spoken_of(realm: Realm, said: Observation) -> Iterator[str]:
    """Every patient whom an observation names, or whose its visit is or may become."""
    numbers = realm.numbers_of(said.source)
    for person in filter(None, (said.patient, said.merged_into)):
        yield from map(numbers.resolve, (person.key, *person.other_keys))
    visit = realm.visits.get((said.source, said.visit or ""))
    if visit is not None:
        yield from (realm.patient_of(visit), *visit.everyone())
