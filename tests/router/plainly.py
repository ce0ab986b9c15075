"""A visit's history told plainly: every pair of facts is looked at, as the rules say it.

The router's own (``annulment``, ``standing_events``, ``corrected_events``, ``corrections``, ``history``, ``restating``) must come
to the same; it looks at each fact a few times only.

What is said of one fact or of one event alone is taken from the router, and is not compared here: which kinds a
cancel may mean (``ANNULS``, ``cancels``, ``may_mean``), what an event is once it was told again (``_events``), what is
left of one of the past (``of_the_past``, ``only``), and the ``Fold``. Those have stories: ``stories_told_again``,
``stories_ahead`` and ``stories``.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Container, Iterable, Iterator, Mapping, Sequence

from router.core.annulment import ANNULS, cancels, may_mean
from router.core.corrected_events import kind as kind_of
from router.core.corrections import Event, _events, of_the_past, only
from router.core.facts import CANCELS, GIVES_BACK, Fact
from router.core.fold_cache import FoldCache
from router.core.fulfilment import BY_PLACE, Fulfilment
from router.core.history import HistoryEvent
from router.core.visit import Fold
from schemas.observation import Claims, Location, What


def folded(facts: Iterable[Fact], fulfilment: Fulfilment = BY_PLACE, now: int = 0) -> Fold:
    """All facts, one after the other."""
    fold = Fold(fulfilment)
    for fact, is_annulled in history(facts):
        if is_annulled:
            fold.take_note_of(fact)
        else:
            fold.advance(fact)
    fold.pass_time(now)
    return fold


# -- what lies ahead and is said again ---------------------------------------------------------------


def says_the_same(fact: Fact, earlier: Fact) -> bool:
    """Whether both tell of one event."""
    if fact.what is not earlier.what:
        return False
    if fact.what is What.TRANSFERRED:
        return all(_ward(fact.claims, name) == _ward(earlier.claims, name) for name in _LED_TO)
    return True


def replaced_by(later: Iterable[Fact], facts: Iterable[Fact]) -> set[str]:
    """Ids of those that lay ahead when one of the others said the same anew."""
    ahead = [fact for fact in facts if fact.lies_ahead]
    return {
        fact.id for again in (later if ahead else ()) for fact in ahead if _replaces(again, fact)
    }


def _replaces(fact: Fact, earlier: Fact) -> bool:
    is_in_time = earlier.order < fact.order < earlier.takes_effect
    return is_in_time and says_the_same(fact, earlier)


# -- annulled ----------------------------------------------------------------------------------------


_OF_ANY_KIND = frozenset({What.UPDATED, What.CORRECTED})


def annulled(facts: Sequence[Fact]) -> frozenset[str]:
    """Ids of the annulled among a visit's facts, which are given in order."""
    gone: set[str] = set()
    loose: list[Fact] = []
    for fact in facts:
        kinds = cancels(fact)
        named = _named(facts, fact, kinds) if kinds else set()
        gone |= named
        if kinds and not named and not (fact.retells and _is_known(facts, fact)):
            loose.append(fact)
    for fact in loose:
        gone |= _latest_before(facts, fact, gone)
    return frozenset(gone)


def _named(facts: Iterable[Fact], cancel: Fact, kinds: frozenset[What]) -> set[str]:
    """All that was told of the movement that a cancel names."""
    if cancel.movement is None:
        return set()
    told = (fact for fact in facts if fact.movement == cancel.movement)
    return {fact.id for fact in told if fact.what in kinds or _is_of_any_kind(fact)}


def _is_of_any_kind(fact: Fact) -> bool:
    return fact.is_of_history and fact.what in _OF_ANY_KIND


def _is_known(facts: Iterable[Fact], again: Fact) -> bool:
    """Whether the cancel that is told again is held itself."""
    return any(
        fact.what is again.what
        and not fact.retells
        and (
            fact.movement == again.movement or (may_mean(again, fact) and fact.order < again.order)
        )
        for fact in facts
    )


def _latest_before(facts: Sequence[Fact], cancel: Fact, gone: set[str]) -> set[str]:
    kind = ANNULS.get(cancel.what)
    before = [fact for fact in facts if fact.stands < cancel.order]
    out = gone | replaced_by(before, before)
    before.sort(key=lambda fact: (not fact.is_only_past, _place(fact, cancel)))
    for fact in reversed(before):
        if fact.what is kind and fact.id not in out and may_mean(cancel, fact):
            return {fact.id} | _named(before, fact, frozenset({kind}))
    return set()


def _place(fact: Fact, cancel: Fact) -> tuple[object, ...]:
    """Where it stands for a cancel: what lay ahead, when it took effect if it had by then."""
    return fact.takes_effect if fact.takes_effect < cancel.order else fact.stands


# -- corrected ---------------------------------------------------------------------------------------


def corrected(facts: Iterable[Fact]) -> tuple[list[Event], frozenset[str]]:
    """A visit's facts as told last, in order, and the ids of the annulled."""
    told = sorted(facts, key=lambda fact: fact.stands)
    gone = annulled(told)
    if not any(fact.retells for fact in told):
        return [Event(fact, (fact.claims,)) for fact in told], gone | _replaced(told, gone)
    told = _with_ids_of_corrections(told, gone)
    gone = annulled(told)
    again = _tellings(told, gone)
    events = sorted(_events(told, again, FoldCache()), key=lambda event: event.fact.stands)
    replaced = _replaced([event.fact for event in events], gone)
    tellings = {each.id for fact_id in replaced for each in again.get(fact_id, ())}
    return events, gone | replaced | tellings


def _replaced(facts: Sequence[Fact], gone: Container[str]) -> set[str]:
    """Ids of what the annulled had said anew of what lies ahead: it goes with them."""
    return replaced_by((fact for fact in facts if fact.id in gone), facts)


def _with_ids_of_corrections(told: Sequence[Fact], gone: Container[str]) -> list[Fact]:
    """The facts, each with the movement's id that only its correction gives."""
    ids = {
        meant: fact.movement
        for meant, tellings in _tellings(told, gone).items()
        for fact in tellings
    }
    return [
        fact._replace(movement=ids[fact.id]) if fact.movement is None and fact.id in ids else fact
        for fact in told
    ]


def _tellings(told: Sequence[Fact], gone: Container[str]) -> Mapping[str, list[Fact]]:
    """By the id of what is corrected, its corrections in the order in which they were said.

    What was annulled is corrected only by what was annulled with it.
    """
    found: defaultdict[str, list[Fact]] = defaultdict(list)
    heads = [fact for fact in told if not fact.retells and fact.id not in gone]
    never = [fact for fact in told if not fact.retells and fact.id in gone]
    for again in sorted((fact for fact in told if fact.retells), key=lambda fact: fact.order):
        among = [*heads, *never] if again.id in gone else heads
        meant = _meant(again, among)
        for fact in meant:
            found[fact.id].append(again)
        if not meant:
            heads.append(again)  # the original was lost
    return found


def _meant(again: Fact, heads: Sequence[Fact]) -> list[Fact]:
    alike = [fact for fact in heads if _is_alike(again, fact)]
    named = [fact for fact in alike if fact.movement == again.movement is not None]
    if named or again.what is What.CORRECTED:
        return named
    before = [fact for fact in alike if fact.order < again.order and may_mean(again, fact)]
    return [max(before, key=lambda fact: fact.stands)] if before else []


def _is_alike(again: Fact, fact: Fact) -> bool:
    """Whether both may tell of one event, by their kinds."""
    if again.what is What.CORRECTED:
        return fact.what not in CANCELS and fact.what is not What.DESCRIBED
    return kind_of(again) == kind_of(fact)


# -- history -----------------------------------------------------------------------------------------


_LED_TO = ("place", "responsible_ward")


def history(facts: Iterable[Fact]) -> list[HistoryEvent]:
    """What happened, of a visit's facts given in any order."""
    events, gone = corrected(facts)
    return [
        HistoryEvent(of_the_past(fact) if fact.historic else fact, fact.id in gone)
        for fact in _given_back(events, gone)
    ]


def _given_back(events: Sequence[Event], gone: Container[str]) -> Iterator[Fact]:
    """The facts, with each cancel saying the wards of the movement that it means."""
    for at, (fact, _) in enumerate(events):
        given = fact
        for name in _LED_TO if fact.what in GIVES_BACK else ():
            led = _latest_that_led_to(_ward(fact.claims, name), name, events[:at], fact)
            if led is not None:
                given = _as_given_back(given, name, led, gone)
        yield given


def _latest_that_led_to(
    ward: str | None, name: str, before: Sequence[Event], cancel: Fact
) -> Fact | None:
    """Which one before a cancel, as it was told first or ever again."""
    if ward is None:
        return None
    for fact, told in reversed(before):
        had_led = fact.what not in GIVES_BACK and fact.takes_effect < cancel.order
        leads = had_led and not fact.historic
        if leads and any(_ward(claims, name) == ward for claims in told):
            return fact
    return None


def _ward(claims: Claims, name: str) -> str | None:
    said = getattr(claims, name)
    return said.ward if isinstance(said, Location) else said


def _as_given_back(cancel: Fact, name: str, led: Fact, gone: Container[str]) -> Fact:
    claims = cancel.claims
    if led.id in gone:
        return cancel._replace(claims=only(claims, claims.model_fields_set - {name}))
    if _ward(led.claims, name) == _ward(claims, name):
        return cancel  # which may know the bed
    return cancel._replace(claims=claims.model_copy(update={name: getattr(led.claims, name)}))
