"""Index of what ties the numbers of one source together: ownership statements and merges.

Kinds of row, each keyed by the source and what it is about:

* ``number``: number, owner. Its value is empty (``[]``) while kept visits, statements or merges say so; what
  those had said that are dropped is in it by the first and the last recorded time of all that.
* ``merge``: observation id. ``spoken``: see there.
* ``crowded``: a number that so many others stand beside that it is nobody's; when that was said last.

The pairs stand in the keys, so that restart indexes a million of them without parsing one.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from typing import Final, NamedTuple

from pydantic import TypeAdapter

from router.core.facts import Fact, Order
from router.core.people import Merge, NumbersStatement
from router.core.person_statements import PersonStatements
from schemas.observation import RawPointer

MAX_BESIDE: Final = 50
"""Other numbers beside one, as owner, owned or merged. A patient has a handful; what the sender writes for
want of a number (0000000000) stands beside everybody's."""

MAX_SPAN: Final = 16
"""Orders that are kept of one pair: two recorded times, with as many as are said at one time."""
NO_SPAN: Final = b"[]"
Pair = tuple[str, str]
"""A number, and the owner that it was said to have."""


class KeptMerge(NamedTuple):
    """A merge, and the input that said so, which is in review if the merge is refused.

    ``others``: more numbers of the survivor, as the same reading gives them.
    """

    fact: Fact
    feed: str
    trigger: str
    raw: RawPointer | None
    others: tuple[str, ...] = ()

    @property
    def merge(self) -> Merge:
        """As it is folded."""
        fact = self.fact
        return Merge(fact.order, (fact.patient, *fact.others), fact.merged_into or fact.patient)

    @property
    def survivor(self) -> NumbersStatement:
        """What it says of the survivor's numbers."""
        return NumbersStatement(self.fact.order, self.merge.survivor, self.others)

    @property
    def named(self) -> tuple[str, ...]:
        """Every number in it."""
        return (*self.merge.named, *self.others)


KEPT_MERGE: Final = TypeAdapter(KeptMerge)


class Bonds:
    """The pairs, merges, statements about persons and crowded numbers of one source."""

    def __init__(self) -> None:
        self.crowded: dict[str, int] = {}
        self.merges: dict[str, KeptMerge] = {}
        self.spoken = PersonStatements()
        self._owners: dict[str, tuple[str, ...]] = {}
        self._owned: dict[str, tuple[str, ...]] = {}
        self._spans: dict[Pair, bytes] = {}
        self._merges_of: dict[str, tuple[str, ...]] = {}

    # -- asking ---------------------------------------------------------------------------------

    def has(self, number: str, owner: str) -> bool:
        """Whether the source ever said so of what is kept."""
        return owner in self._owners.get(number, ())

    def is_bound(self, number: str) -> bool:
        """Whether anything is tied to the number."""
        return number in self._owners or number in self._owned or number in self._merges_of

    def is_held(self, number: str) -> bool:
        """Whether anything is kept of the number."""
        return self.is_bound(number) or number in self.crowded or self.spoken.is_of(number)

    def only_owner(self, number: str) -> str | None:
        """The owner of a number that nothing else was ever said of."""
        owners = self._owners.get(number, ())
        if len(owners) != 1 or number in self._owned or number in self._merges_of:
            return None
        return owners[0]

    def is_plain(self, owner: str) -> bool:
        """Whether the number owns others that have no other owner, and is nobody else's."""
        if owner in self._owners or owner in self._merges_of:
            return False
        return all(self.only_owner(number) == owner for number in self._owned.get(owner, ()))

    def has_rivals(self, number: str, owner: str) -> bool:
        """Whether the number was ever said to be another's."""
        return any(each != owner for each in self._owners.get(number, ()))

    def owned(self, owner: str) -> tuple[str, ...]:
        """The numbers that were ever said to be this one's."""
        return self._owned.get(owner, ())

    def neighbours(self, number: str) -> Iterator[str]:
        """The numbers beside this one."""
        yield from self._owners.get(number, ())
        yield from self._owned.get(number, ())
        for merge_id in self._merges_of.get(number, ()):
            yield from self.merges[merge_id].merge.named

    def hang_together(self, number: str) -> set[str]:
        """Every number that anything ties to this one, by whatever way."""
        found, waiting = {number}, [number]
        while waiting:
            fresh = set(self.neighbours(waiting.pop())) - found
            found |= fresh
            waiting += fresh
        return found

    def is_too_many(self, number: str) -> bool:
        """Whether more stand beside the number than beside any patient's."""
        return len(set(self.neighbours(number)) - {number}) > MAX_BESIDE

    def said(self, owner: str, but: KeptMerge | None = None) -> Iterator[NumbersStatement]:
        """What is kept whole of statements about the owner that no visit holds, without those of one merge."""
        yield from self.spoken.of(owner)
        for kept in map(self.merges.__getitem__, self._merges_of.get(owner, ())):
            if kept.others and kept.survivor.owner == owner and kept is not but:
                yield kept.survivor

    def spans(self, owner: str) -> Iterator[NumbersStatement]:
        """What is left of statements about the owner that nothing holds any more."""
        for number in self._owned.get(owner, ()):
            for order in _orders(self._spans.get((number, owner))):
                yield NumbersStatement(order, owner, (number,))

    def merges_among(self, numbers: Iterable[str]) -> list[Merge]:
        """All merges of these numbers."""
        ids = {each for number in numbers for each in self._merges_of.get(number, ())}
        return [self.merges[merge_id].merge for merge_id in ids]

    def last_at(self, numbers: Iterable[str]) -> int:
        """When the newest of what no kept visit holds was said of these numbers, in microseconds."""
        newest = [0]
        for number in numbers:
            newest += [merge.order[0][0] for merge in self.merges_among((number,))]
            newest += [said.order[0][0] for said in self.spans(number)]
            newest += [said.order[0][0] for said in self.spoken.of(number)]
            newest.append(self.crowded.get(number, 0))
        return max(newest)

    def everyone(self) -> list[str]:
        """Every number that takes up room."""
        return [*self._owners, *self._merges_of, *self.crowded, *self.spoken.owners()]

    def merge_ids(self, number: str) -> tuple[str, ...]:
        """Of every merge that names the number."""
        return self._merges_of.get(number, ())

    def pairs_of(self, number: str) -> list[Pair]:
        """All pairs that the number is in."""
        own = [(number, owner) for owner in self._owners.get(number, ())]
        return own + [(other, number) for other in self._owned.get(number, ())]

    # -- changing -------------------------------------------------------------------------------

    def add(self, number: str, owner: str) -> bytes:
        """Tie a number to an owner; the row."""
        if not self.has(number, owner):
            self._owners[number] = (*self._owners.get(number, ()), owner)
            self._owned[owner] = (*self._owned.get(owner, ()), number)
        return self._spans.get((number, owner), NO_SPAN)

    def restore(self, number: str, owner: str, row: bytes) -> None:
        """Put one committed row back, unparsed."""
        self.add(number, owner)
        if row != NO_SPAN:
            self._spans[number, owner] = row

    def extend(self, number: str, owner: str, order: Order) -> bytes | None:
        """Keep that it was said at the order, though nothing holds that; the row if it is new."""
        held = self._spans.get((number, owner))
        row = _row_of(_extended(_orders(held), order))
        self._spans[number, owner] = row
        return row if row != held else None

    def has_span(self, number: str, owner: str) -> bool:
        """Whether it was said by what is not kept any more."""
        return (number, owner) in self._spans

    def remove(self, number: str, owner: str) -> None:
        """Untie a number from an owner."""
        self._spans.pop((number, owner), None)
        _without(self._owners, number, owner)
        _without(self._owned, owner, number)

    def add_merge(self, kept: KeptMerge) -> None:
        """Keep a merge, or a better telling of one."""
        self.remove_merge(kept.fact.id)
        self.merges[kept.fact.id] = kept
        for number in set(kept.merge.named):
            self._merges_of[number] = (*self._merges_of.get(number, ()), kept.fact.id)

    def remove_merge(self, merge_id: str) -> None:
        """Forget a merge, if it is there."""
        kept = self.merges.pop(merge_id, None)
        for number in set(kept.merge.named) if kept else ():
            _without(self._merges_of, number, merge_id)


def _without(index: dict[str, tuple[str, ...]], key: str, each: str) -> None:
    left = tuple(other for other in index.get(key, ()) if other != each)
    if left:
        index[key] = left
    else:
        index.pop(key, None)


def _orders(row: bytes | None) -> list[Order]:
    return [(tuple(stamp), said) for stamp, said in json.loads(row or NO_SPAN)]


def _row_of(orders: Iterable[Order]) -> bytes:
    return json.dumps(list(orders), separators=(",", ":")).encode()


def _extended(orders: Iterable[Order], order: Order) -> list[Order]:
    """Those of the first and of the last recorded time, with one more.

    What is said again, under another message time and receipt, stays where it was said first: within one
    recorded time each of those is known by its id.
    """
    stamps = {said: stamp for stamp, said in orders}
    stamps[order[1]] = min(order[0], stamps.get(order[1], order[0]))
    ends = {min(stamps.values())[0], max(stamps.values())[0]}
    kept = sorted((stamp, said) for said, stamp in stamps.items() if stamp[0] in ends)
    return kept if len(kept) <= MAX_SPAN else [*kept[: MAX_SPAN // 2], *kept[-MAX_SPAN // 2 :]]
