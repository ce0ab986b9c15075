"""The router's step: one record in, everything it leads to out. Pure and total.

Inputs are observations, authority and ticks, routed by realm. After each record the difference
between what is effective and what was announced, for the patients it touched, is told; there is
no other way to a notification.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import Final

from pydantic import BaseModel, ValidationError

from bus.port import Record, Stored
from router.core.announce import Announcer
from router.core.facts import taken_at
from router.core.fulfilment import ALL_BY_PLACE, BY_PLACE, Fulfilment
from router.core.observation_handler import ObservationHandler
from router.core.output_records import OutputRecords, review_of_record
from router.core.partition import RouterState
from router.core.patient import everyone_known_as
from router.core.realm_follower import RealmFollower
from schemas import topics
from schemas.authority import Authority, Tick
from schemas.observation import OF_OUR_CLOCK, Envelope
from schemas.ward import WardRegister

UNREADABLE: Final = "unreadable-record"
_MODELS: Final[Mapping[str, type[BaseModel]]] = {
    topics.OBSERVATIONS: Envelope,
    topics.AUTHORITY: Authority,
    topics.TICKS: Tick,
}
DEFAULT_KEEP: Final = timedelta(days=30)


GROUP: Final = "router"
"""The consumer group of the router: its positions on the log stand under this name."""


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
        return self._decided(state, said, taken_at(stored)).records

    def _decided(self, state: RouterState, said: BaseModel, at: datetime) -> OutputRecords:
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
        outbox = OutputRecords(realm)
        detail = f"{why}; written by another version, or by hand"
        outbox.review(review_of_record(stored, realm, UNREADABLE, detail))
        return outbox.records

    def _observe(self, state: RouterState, envelope: Envelope) -> OutputRecords:
        realm, outbox = state.realm(envelope.realm), OutputRecords(envelope.realm)
        observer = ObservationHandler(realm, outbox, envelope, self._keep)
        follower = RealmFollower(realm, outbox, self._register)
        follower.look_first_at(envelope)
        touched: set[str] = set()
        for said in envelope.observations:
            touched |= observer.take_in(said)
        touched = everyone_known_as(realm, touched)
        Announcer(realm, self._register, outbox, envelope.told_at).reconcile(touched)
        for said in envelope.observations:  # only now, as others may be looked at for it
            if said.recorded_rule not in OF_OUR_CLOCK:
                follower.heard(min(said.recorded_at, envelope.received_at))
        observer.close()
        return outbox

    def _believe(
        self, state: RouterState, authority: Authority, written_at: datetime
    ) -> OutputRecords:
        realm, outbox = state.realm(authority.realm), OutputRecords(authority.realm)
        RealmFollower(realm, outbox, self._register).believe(authority, written_at)
        return outbox

    def _tick(self, state: RouterState, tick: Tick) -> OutputRecords:
        realm, outbox = state.realm(tick.realm), OutputRecords(tick.realm)
        fulfilment = self._fulfilments.get(tick.realm, BY_PLACE)
        RealmFollower(realm, outbox, self._register).tick(tick, self._keep, fulfilment)
        return outbox


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
