"""The router's step: one record in, everything it leads to out. Pure and total.

Inputs are observations, authority and ticks, routed by realm. After each record the difference
between what is effective and what was announced, for the patients it touched, is told; there is
no other way to a notification.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Final

from pydantic import BaseModel, ValidationError

from bus.port import Record, Stored
from router.core.announce import Announcer
from router.core.facts import moment
from router.core.fulfilment import ALL_BY_PLACE, Fulfilment
from router.core.observe import Observer
from router.core.outbox import Outbox, review_of_record
from router.core.passing import pass_time
from router.core.patient import believed_for, everyone_known_as
from router.core.retention import sweep
from router.core.state import Realm, RouterState
from schemas import topics
from schemas.authority import Authority, Tick
from schemas.observation import Envelope
from schemas.ward import WardRegister

UNREADABLE: Final = "unreadable-record"
_MODELS: Final[Mapping[str, type[BaseModel]]] = {
    topics.OBSERVATIONS: Envelope,
    topics.AUTHORITY: Authority,
    topics.TICKS: Tick,
}
DEFAULT_KEEP: Final = timedelta(days=30)
SET_BACK: Final = timedelta(days=1)
"""A tick so far behind the last says that the clock was ahead then: it is believed."""
SWEPT_PER_TICK: Final = 200  # some 20 ms; 500 ticks look at 100,000 visits


class RouterStep:
    """The step of ``bus.runner``.

    ``keep``: how long visits that are over are remembered. ``fulfilments``: by realm, what ends the
    wait for a patient, where it is not by place.
    """

    inputs: Sequence[str] = (topics.AUTHORITY, topics.TICKS, topics.OBSERVATIONS)
    state_topics: Sequence[str] = (topics.STATE,)

    def __init__(
        self,
        register: WardRegister,
        keep: timedelta = DEFAULT_KEEP,
        fulfilments: Mapping[str, Fulfilment] = ALL_BY_PLACE,
    ) -> None:
        self._register = register
        self._keep = keep
        self._fulfilments = fulfilments

    def empty(self, partition: int) -> RouterState:
        """A state without rows."""
        del partition
        return RouterState(self._fulfilments)

    def restore(self, state: RouterState, stored: Stored) -> None:
        """Put one committed row back."""
        if stored.key is not None and stored.value is not None:
            state.restore(stored.key, stored.value)

    def decide(self, state: RouterState, stored: Stored) -> Sequence[Record]:
        """The outputs and state rows that a record leads to; changes ``state`` in place."""
        try:
            said = _MODELS[stored.topic].model_validate_json(stored.value or b"")
            _check_key(stored, said)
        except ValidationError as error:  # nothing of the state has been touched yet
            return self._unreadable(stored, _first(error))
        except ForeignKeyError as error:
            return self._unreadable(stored, str(error))
        return self._decided(state, said, moment(stored.timestamp_ms * 1000)).records

    def _decided(self, state: RouterState, said: BaseModel, at: datetime) -> Outbox:
        match said:
            case Envelope():
                return self._observe(state, said)
            case Authority():
                return self._believe(state, said, at)
            case Tick():
                return self._tick(state, said)
        raise TypeError(f"the router reads no {type(said).__name__}")

    def _unreadable(self, stored: Stored, why: str) -> Sequence[Record]:
        is_realm = stored.topic != topics.OBSERVATIONS and stored.key and not stored.is_foreign
        realm = stored.key if is_realm and stored.key else ""
        outbox = Outbox(realm)
        detail = f"{why}; written by another version, or by hand"
        outbox.review(review_of_record(stored, realm, UNREADABLE, detail))
        return outbox.records

    def _observe(self, state: RouterState, envelope: Envelope) -> Outbox:
        realm, outbox = state.realm(envelope.realm), Outbox(envelope.realm)
        observer = Observer(realm, outbox, envelope, self._keep)
        touched: set[str] = set()
        for said in envelope.observations:
            touched |= observer.take_in(said)
        touched = everyone_known_as(realm, touched)
        Announcer(realm, self._register, outbox, envelope.told_at).reconcile(touched)
        outbox.settle(envelope)
        return outbox

    def _believe(self, state: RouterState, authority: Authority, written_at: datetime) -> Outbox:
        realm, outbox = state.realm(authority.realm), Outbox(authority.realm)
        realm.authority = authority
        outbox.state(realm.key("authority"), authority.model_dump_json().encode())
        self._follow_authority(realm, outbox, realm.clock or written_at)
        return outbox

    def _tick(self, state: RouterState, tick: Tick) -> Outbox:
        realm, outbox = state.realm(tick.realm), Outbox(tick.realm)
        set_back = realm.clock is not None and tick.at < realm.clock - SET_BACK
        if realm.clock is not None and tick.at <= realm.clock and not set_back:
            return outbox
        realm.clock = tick.at
        outbox.state(realm.key("clock"), tick.at.isoformat().encode())
        happened = pass_time(realm, outbox, tick.at, set_back=set_back)
        if set_back or not realm.believed.holds_at(tick.at):
            self._follow_authority(realm, outbox, tick.at)
        if not realm.looked_over:  # a restart may have brought another register
            realm.looked_over = True
            happened |= set(_patients_of(realm, _wards(realm)))
        touched = everyone_known_as(realm, happened)
        Announcer(realm, self._register, outbox, tick.at).reconcile(touched)
        sweep(realm, outbox, self._keep, SWEPT_PER_TICK)
        return outbox

    def _follow_authority(self, realm: Realm, outbox: Outbox, at: datetime) -> None:
        wards = _wards(realm)
        before = {ward: believed_for(realm, ward, self._register) for ward in wards}
        realm.believe()
        moved = {w for w in wards if believed_for(realm, w, self._register) != before[w]}
        gained = frozenset(ward for ward in moved if before[ward] is not None)
        touched = set(_patients_of(realm, moved))
        Announcer(realm, self._register, outbox, at, gained).reconcile(touched)


class ForeignKeyError(Exception):
    """A record that stands under a key which is not its own."""


def _check_key(stored: Stored, said: BaseModel) -> None:
    """A timeline under another key would outlive its successors in a compacted topic."""
    if isinstance(said, Authority) and stored.key != said.realm:
        raise ForeignKeyError("the key is not the realm")


def _first(error: ValidationError) -> str:
    """The first thing that is wrong, without any value."""
    first = error.errors(include_url=False, include_context=False, include_input=False)[0]
    where = ".".join(map(str, first["loc"])) or "the record"
    return f"{where}: {first['type']}"


def _wards(realm: Realm) -> set[str]:
    told = {name.ward for names in realm.open_of.values() for name in names}
    return told.union(realm.by_ward)


def _patients_of(realm: Realm, wards: Iterable[str]) -> Iterator[str]:
    """Who is announced to these wards, or marked for them by anyone."""
    chosen = set(wards)
    for patient, names in realm.open_of.items():
        if any(name.ward in chosen for name in names):
            yield patient
    for ward in chosen:
        for at in realm.by_ward.get(ward, ()):
            visit = realm.visits[at]
            if visit.glance().awaits_patient_in == ward:
                yield realm.patient_of(visit)
