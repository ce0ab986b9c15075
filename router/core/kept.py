"""A visit as it is kept: its facts as rows, unparsed until they are needed, and its fold once it was touched."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from router.core.due import Agenda
from router.core.facts import Fact, parsed, row_of
from router.core.fulfilment import BY_PLACE, Fulfilment
from router.core.keys import VisitKey
from router.core.numbers import Numbers
from router.core.visit import Fold, folded
from router.core.whose import counting, counts

MAX_FOREIGN: Final = 100
"""Facts about others that a visit holds, until a merge may make them count. A sender that mixes up two patients
sends a few; one whose visit field holds a constant sends everybody's."""


MAX_FACTS: Final = 5_000
"""Facts of one visit: twenty a day for most of a year. One that is corrected folds all of them again."""


class Visit:
    """One visit: its rows, and its fold once it was touched.

    ``patients``: every number that a fact names. ``foreign``: ids of the facts that are about somebody else
    and count as nothing, once it was folded.
    """

    __slots__ = (
        "_agenda",
        "_fulfilment",
        "_rows",
        "_unread",
        "at",
        "fold_",
        "foreign",
        "numbers",
        "patients",
    )  # fmt: skip

    def __init__(
        self,
        source: str,
        visit: str,
        fulfilment: Fulfilment = BY_PLACE,
        numbers: Numbers | None = None,
        agenda: Agenda | None = None,
    ) -> None:
        self.at: VisitKey = (source, visit)
        self._agenda = agenda or Agenda()
        self._fulfilment = fulfilment
        self.numbers = numbers or Numbers(lambda _: ())
        self.fold_: Fold | None = None
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
        return len(self._rows or ()) + len(self._unread) >= MAX_FACTS

    def restore(self, row: bytes) -> None:
        """Put one committed row back, unparsed."""
        self._unread.append(row)

    def facts(self) -> Iterator[Fact]:
        """Every fact held, in no order."""
        return map(parsed, [*(self._rows or {}).values(), *self._unread])

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
        self.name(fact.patient)
        return row

    def take(self, fact: Fact, *, is_new: bool) -> None:
        """Fold a fact that is held. A new one that sorts after all others is taken in as it is."""
        fold = self.fold_
        if fold is None or not is_new or not fold.follows(fact):
            self.fold_ = self._folded()
        elif not fold.patient or fact.patient == fold.patient:  # nearly always
            fold.advance(fact)
        elif fact.corrects and self.foreign:
            self.fold_ = self._folded()  # what was somebody else's may be this patient's
        elif counts(fact, fold.patient, self._is_same):
            fold.advance(fact)
        else:
            self.foreign |= {fact.id}

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
        self.fold_ = None

    def _read(self) -> dict[str, bytes]:
        if self._rows is None:
            self._rows = {parsed(row).id: row for row in self._unread}
            self._unread = []
        return self._rows

    def glance(self) -> Fold:
        """The fold, without keeping what a look at every visit would fill the memory with."""
        return self.fold() if self.fold_ else self._folded()

    def _folded(self) -> Fold:
        facts = list(self.facts())
        if len(self.patients) <= 1:  # nearly always
            self.foreign = frozenset()
            return folded(facts, self._fulfilment, self._agenda.now)
        heard = counting(facts, self._is_same)
        self.foreign = frozenset(fact.id for fact in facts) - {fact.id for fact in heard}
        return folded(heard, self._fulfilment, self._agenda.now)

    def _is_same(self, one: str, other: str) -> bool:
        return self.numbers.resolve(one) == self.numbers.resolve(other)


def marked(fact: Fact) -> str:
    """The ward that a fact names as marked, or nothing."""
    return fact.claims.mark.ward if fact.claims.mark else ""
