"""Protection marks that outlive a visit, or were stated without one.

Rows of state ``person``: source, patient, observation id; see ``state``.

Of a source the newest word counts (``patient.protection_of``). So a mark outlives the visit that said it, and so does
the word that lifts it, for as long as an older one is kept that would otherwise count again.
"""

from __future__ import annotations

from collections.abc import Iterator

from router.core.facts import Fact, Order, parsed, row_of
from router.core.held_visit import Visit
from router.core.output_records import OutputRecords
from router.core.patient import Said, marks_of_others, numbers_of, said_of
from router.core.state import Realm
from schemas.observation import Claims, Protection, What


def keep_mark(realm: Realm, outbox: OutputRecords, source: str, fact: Fact) -> bool:
    """Keep what a fact says of a person's protection; whether that is new."""
    rows = realm.person(source, fact.patient)
    row, held = row_of(fact), rows.get(fact.id)
    if held is not None:
        row = row_of(parsed(held).told_again(fact))
    if row == held:
        return False
    rows[fact.id] = row
    outbox.state(_key(realm, source, fact), row)
    return True


def keep_marks_of(realm: Realm, outbox: OutputRecords, visit: Visit) -> None:
    """Before a visit is dropped: keep what it says of protection and must not be forgotten."""
    for fact in _marks_in(visit):
        if fact.claims.protection is not Protection.NONE or _lifts(realm, visit, fact):
            keep_mark(realm, outbox, visit.source, fact)


def retire_marks(
    realm: Realm, outbox: OutputRecords, source: str, patient: str, horizon: int
) -> None:
    """Forget what is older than the horizon (microseconds) and decides nothing any more."""
    rows = realm.person(source, patient)
    facts = sorted(map(parsed, rows.values()), key=lambda fact: fact.order)
    if facts and facts[0].stamp[0] < horizon:
        said = _said_by(realm, source, patient)
        for fact in facts:
            if fact.stamp[0] < horizon and not _decides(_said(fact), said):
                del rows[fact.id]
                outbox.state(_key(realm, source, fact), None)
    if not rows:
        realm.forget_person(source, patient)


def _decides(each: Said, said: list[Said]) -> bool:
    """Whether the newest word would be another without this one, or would unmask."""
    if each != max(said):
        return False
    return each[1] is not Protection.NONE or _has_older_mark(each, said)


def _has_older_mark(each: Said, said: list[Said]) -> bool:
    return any(other[1] is not Protection.NONE and other < each for other in said)


def _lifts(realm: Realm, visit: Visit, fact: Fact) -> bool:
    return _has_older_mark(_said(fact), _said_by(realm, visit.source, fact.patient))


def _said_by(realm: Realm, source: str, patient: str) -> list[Said]:
    numbers = numbers_of(realm, patient)
    return [said for by, said in said_of(realm, numbers) if by == source]


def _marks_in(visit: Visit) -> Iterator[Fact]:
    """The newest word of the visit on its patient, and marks of others that it has to do with."""
    fold = visit.fold()
    if fold.protection is not None and fold.protection_order is not None:
        yield _mark(fold.patient, fold.protection_order, fold.protection)
    for fact, level in marks_of_others(visit):
        yield _mark(fact.patient, fact.order, level)


def _mark(patient: str, order: Order, level: Protection) -> Fact:
    """What is said of a person's protection, as a fact of its own."""
    stamp, fact_id = order
    return Fact(fact_id, 0, "", stamp, What.PERSON_UPDATED, is_state=False, patient=patient,
                claims=Claims(protection=level))  # fmt: skip


def _said(fact: Fact) -> Said:
    return fact.order, fact.claims.protection or Protection.NONE


def _key(realm: Realm, source: str, fact: Fact) -> str:
    return realm.key("person", source, fact.patient, fact.id)
