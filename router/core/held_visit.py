"""A visit in the router's state: its facts as rows, parsed only when needed, and its fold."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from router.core.annulment import cancels
from router.core.due import Agenda
from router.core.facts import Fact, parsed, row_of
from router.core.fulfilment import BY_PLACE, Fulfilment
from router.core.keys import VisitKey
from router.core.long_visits import LONG, LongVisits
from router.core.numbers import Numbers
from router.core.replay import VisitReplay
from router.core.versions import in_server_order
from router.core.visit import Fold, folded
from router.core.visit_patient import counting, counts

MAX_FOREIGN: Final = 100
"""Facts about others that a visit holds, until a merge may make them count. A sender that mixes up two patients
sends a few; one whose visit field holds a constant sends everybody's."""


MAX_FACTS: Final = 5_000
"""Facts of one visit: twenty a day for most of a year. What each costs follows what it changes (``replay``)."""

MAX_RETOLD: Final = 5_000
"""Events that the corrections of one visit tell again, each as often as it is meant: a thousand updates that name one
movement, corrected five times."""

MAX_CANCELS: Final = 200
"""Cancels of one visit that annul another event: each makes the whole visit be looked through again."""

MAX_AHEAD: Final = 100
"""Facts of one visit that lay ahead when they were said: a transfer and a discharge, each planned anew fifty times."""


class Visit:
    """One visit: its rows, and its fold once it was touched.

    ``patients``: every number that a fact names. ``foreign``: ids of the facts that are about somebody else
    and count as nothing, once it was folded.
    """

    __slots__ = (
        "_agenda",
        "_fulfilment",
        "_long_visits",
        "_replay",
        "_retold",
        "_rows",
        "_unread",
        "at",
        "fold_",
        "foreign",
        "numbers",
        "patients",
    )  # fmt: skip

    def __init__(  # noqa: PLR0913 - what it shares with the realm's other visits, each part named
        self,
        source: str,
        visit: str,
        fulfilment: Fulfilment = BY_PLACE,
        numbers: Numbers | None = None,
        agenda: Agenda | None = None,
        *,
        long_visits: LongVisits | None = None,
    ) -> None:
        self.at: VisitKey = (source, visit)
        self._agenda = agenda or Agenda()
        self._fulfilment = fulfilment
        self._long_visits = long_visits or LongVisits()
        self._replay: VisitReplay | None = None
        self.numbers = numbers or Numbers(lambda _: (), lambda _: False)
        self.fold_: Fold | None = None
        self._retold = 0
        self.patients: tuple[str, ...] = ()
        self.foreign: frozenset[str] = frozenset()
        self._rows: dict[str, bytes] | None = None
        self._unread: list[bytes] = []

    @property
    def source(self) -> str:
        """Whose visit it is."""
        return self.at[0]

    @property
    def visit(self) -> str:
        """Its number at the source."""
        return self.at[1]

    @property
    def is_full(self) -> bool:
        """Whether no more facts are held."""
        return self._size >= MAX_FACTS

    @property
    def weight(self) -> int:
        """How much happens in it: its facts, and what corrections tell again."""
        return self._size + self._retold

    @property
    def _size(self) -> int:
        return len(self._rows or ()) + len(self._unread)

    def is_corrected_too_often_for(self, fact: Fact) -> bool:
        """Whether the fact is a correction or corrected, and as much is told again as nobody tells."""
        if self._retold < MAX_RETOLD:
            return False
        return fact.retells or fact.movement in self.fold().awaited

    def is_cancelled_too_often_for(self, fact: Fact) -> bool:
        """Whether the fact annuls another, and as many do as no stay has."""
        if not cancels(fact) or self._size < MAX_CANCELS:
            return False
        return sum(1 for each in self.facts() if cancels(each)) >= MAX_CANCELS

    def has_too_much_ahead_for(self, fact: Fact) -> bool:
        """Whether the fact lies ahead, and as many do as nobody plans."""
        if not fact.lies_ahead or self._size < MAX_AHEAD:
            return False
        return sum(each.lies_ahead for each in self.facts()) >= MAX_AHEAD

    def restore(self, row: bytes) -> None:
        """Put one committed row back, unparsed."""
        self._unread.append(row)

    def facts(self) -> Iterator[Fact]:
        """Every fact held, in no order."""
        replay = self._long()
        return iter([*replay.facts.values()]) if replay else self._parsed()

    def known(self, fact_id: str) -> Fact | None:
        """The fact as held, if it is."""
        row = self._read().get(fact_id)
        return parsed(row) if row is not None else None

    def fold(self) -> Fold:
        """What the facts amount to by the realm's clock."""
        if self.fold_ is None:
            self.fold_ = self._folded()
        self.fold_.pass_time(self._agenda.now)
        return self.fold_

    def hold(self, fact: Fact) -> bytes:
        """Hold a fact, which :meth:`take` must fold then; its row."""
        row = self._read()[fact.id] = row_of(fact)
        if self._replay is not None:
            self._replay.facts[fact.id] = parsed(row)
        self.name(fact.patient)
        return row

    def take(self, fact: Fact, *, is_new: bool) -> None:
        """Fold a fact that is held. A new one that sorts after all others is taken in as it is."""
        fold = self.fold_
        if fold is None or not is_new or not self.follows(fact):
            self.fold_ = self._folded()
        elif not fold.patient or fact.patient == fold.patient:  # nearly always
            fold.advance(fact)
        elif fact.corrects and self.foreign:
            self.fold_ = self._folded()  # what was somebody else's may be this patient's
        elif counts(fact, fold.patient, self._is_same):
            fold.advance(fact)
        else:
            self.foreign |= {fact.id}

    def follows(self, fact: Fact) -> bool:
        """As the fold says, which knows nothing of the versions that were somebody else's."""
        return self.fold().follows(fact) and not (self.foreign and fact.series is not None)

    @property
    def is_crowded(self) -> bool:
        """Whether so many facts are about others that no more are held."""
        return len(self.foreign) >= MAX_FOREIGN

    def is_crowded_for(self, fact: Fact) -> bool:
        """Whether the fact is one more about somebody else than is held."""
        fold = self.fold()
        if not self.is_crowded or fact.corrects or fact.patient == fold.patient:
            return False
        return not self._is_same(fact.patient, fold.patient)

    def name(self, patient: str) -> None:
        """Know that a fact names the patient's number."""
        if patient not in self.patients:
            self.patients = (*self.patients, patient)

    def everyone(self) -> Iterator[str]:
        """Every patient whom a fact is about, whether it counts or not."""
        return map(self.numbers.resolve, self.patients)

    def let_go(self, fact_id: str) -> None:
        """Hold a fact no longer."""
        del self._read()[fact_id]
        if self._replay is not None:
            del self._replay.facts[fact_id]
        self.fold_ = None

    def put_away(self) -> None:
        """Keep only the rows of a long visit, and its fold."""
        self._replay = None

    def _read(self) -> dict[str, bytes]:
        if self._rows is None:
            self._rows = {parsed(row).id: row for row in self._unread}
            self._unread = []
        return self._rows

    def glance(self) -> Fold:
        """The fold, without keeping what a look at every visit would fill the memory with."""
        return self.fold() if self.fold_ else self._folded()

    def _folded(self) -> Fold:
        facts = in_server_order(self.facts())
        heard = facts if len(self.patients) <= 1 else counting(facts, self._is_same)
        self.foreign = frozenset()
        if len(heard) < len(facts):
            self.foreign = frozenset(fact.id for fact in facts) - {fact.id for fact in heard}
        if self._replay is None:  # nearly always
            self._retold = 0
            return folded(heard, self._fulfilment, self._agenda.now)
        fold = self._replay.fold(heard, self._agenda.now)
        self._retold = self._replay.happened - len(heard)
        return fold

    def _long(self) -> VisitReplay | None:
        """What folds a long visit again."""
        if self._size <= LONG:
            self._replay = None
            return None
        if self._replay is None:
            self._replay = VisitReplay(self._parsed(), self._fulfilment)
        self._long_visits.use(self)
        return self._replay

    def _parsed(self) -> Iterator[Fact]:
        return map(parsed, [*(self._rows or {}).values(), *self._unread])

    def _is_same(self, one: str, other: str) -> bool:
        return self.numbers.resolve(one) == self.numbers.resolve(other)


def marked(fact: Fact) -> str:
    """The ward that a fact names as marked, or nothing."""
    return fact.claims.mark.ward if fact.claims.mark else ""
