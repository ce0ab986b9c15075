"""What is kept, and for how long: a visit that is over is dropped after the keep time.

Over means ended, or planned with nothing left to wait for. Each tick looks at a bounded number of
visits, round and round. A protection mark outlives the visit that said it: forgetting would
unmask.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime, timedelta

from router.core.facts import Fact, microseconds, row_of
from router.core.outbox import Outbox
from router.core.people import Order
from router.core.state import Realm, Visit
from router.core.visit import Fold
from schemas.encounter import Phase
from schemas.observation import Claims, Protection, What


def is_over(fold: Fold, horizon: datetime) -> bool:
    """Whether nothing has been said since ``horizon`` and nothing is awaited any more."""
    if fold.ahead.facts or fold.last is None or fold.last[0][0] >= microseconds(horizon):
        return False
    return fold.ended or (fold.phase is Phase.PLANNED and fold.awaits_patient_in is None)


def drop(realm: Realm, outbox: Outbox, visit: Visit) -> None:
    """Forget a visit that is over."""
    _keep_protection(realm, outbox, visit)
    outbox.no_encounter(visit)
    for key in realm.drop(visit):
        outbox.state(key, None)


def _keep_protection(realm: Realm, outbox: Outbox, visit: Visit) -> None:
    fold = visit.glance()
    if fold.protection_order is not None and fold.protection is not None:
        _keep_mark(realm, outbox, visit, fold.patient, fold.protection_order, fold.protection)
    for fact in visit.facts() if visit.foreign else ():
        if fact.id in visit.foreign and fact.claims.protection is not None:
            _keep_mark(realm, outbox, visit, fact.patient, fact.order, fact.claims.protection)


def _keep_mark(  # noqa: PLR0913, PLR0917 - a mark, and where it is kept
    realm: Realm, outbox: Outbox, visit: Visit, patient: str, order: Order, level: Protection
) -> None:
    if level is Protection.NONE:
        return
    (stamp, fact_id), claims = order, Claims(protection=level)
    fact = Fact(fact_id, 0, stamp, What.PERSON_UPDATED, is_state=False, patient=patient,
                claims=claims)  # fmt: skip
    row = realm.person(visit.source, patient)[fact_id] = row_of(fact)
    outbox.state(realm.key("person", visit.source, patient, fact_id), row)


def sweep(realm: Realm, outbox: Outbox, keep: timedelta, limit: int) -> None:
    """Drop what is over among the next ``limit`` visits."""
    if realm.clock is None:
        return
    horizon = realm.clock - keep
    for visit in _next_visits(realm, limit):
        if is_over(visit.glance(), horizon):
            drop(realm, outbox, visit)


def _next_visits(realm: Realm, limit: int) -> Iterator[Visit]:
    if not realm.unswept:
        realm.unswept = list(realm.visits)
    for _ in range(min(limit, len(realm.unswept))):
        visit = realm.visits.get(realm.unswept.pop())
        if visit is not None:
            yield visit
