"""Statements about a person's numbers apart from visits: the newest of each owner. Pure.

Row ``spoken``: source, owner, observation id; its value is the fact. A statement that is read anew with other
numbers, or of another owner, replaces the older reading, as a visit's facts do. Of each owner the newest
``MAX_SPOKEN`` are kept whole; of an older one only the first and the last time of each pair is (``Bonds.extend``),
and a new reading of it takes nothing back.

Invariant: an id is kept once.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Final

from router.core.facts import Fact, parsed, row_of
from router.core.people import NumbersStatement

MAX_SPOKEN: Final = 16
"""Statements of one owner that can still be read anew: somebody whose data are changed on every second day of a
month, which is the usual keep time."""


def statement_of(fact: Fact) -> NumbersStatement:
    """What a fact says of whose numbers are whose."""
    return NumbersStatement(fact.order, fact.patient, fact.others)


class PersonStatements:
    """The statements of one source, by owner and by id; a row is parsed when it is asked for."""

    def __init__(self) -> None:
        self._rows: dict[str, dict[str, bytes]] = {}
        self._owner_of: dict[str, str] = {}

    def known(self, fact_id: str) -> Fact | None:
        """The statement as it was read until now, whoever's it was."""
        owner = self._owner_of.get(fact_id)
        return None if owner is None else parsed(self._rows[owner][fact_id])

    def is_of(self, owner: str) -> bool:
        """Whether any is kept."""
        return owner in self._rows

    def owners(self) -> Iterable[str]:
        """Of whom any is kept."""
        return self._rows

    def of(self, owner: str) -> Iterator[NumbersStatement]:
        """All statements about an owner."""
        return map(statement_of, map(parsed, self._rows.get(owner, {}).values()))

    def hold(self, fact: Fact) -> bytes:
        """Keep one, instead of an older reading; the row."""
        row = row_of(fact)
        self.restore(fact.patient, fact.id, row)
        return row

    def restore(self, owner: str, fact_id: str, row: bytes) -> None:
        """Put one committed row back, unparsed."""
        self.let_go(fact_id)
        self._rows.setdefault(owner, {})[fact_id] = row
        self._owner_of[fact_id] = owner

    def let_go(self, fact_id: str) -> None:
        """Forget one, if it is there."""
        owner = self._owner_of.pop(fact_id, None)
        if owner is not None:
            del self._rows[owner][fact_id]
            if not self._rows[owner]:
                del self._rows[owner]

    def ids(self, owner: str) -> list[str]:
        """Of all statements about an owner."""
        return list(self._rows.get(owner, ()))

    def oldest_beyond(self, owner: str) -> NumbersStatement | None:
        """The one to let go, where there are too many."""
        if len(self._rows.get(owner, ())) <= MAX_SPOKEN:
            return None
        return min(self.of(owner), key=lambda each: each.order)
