"""Merges: which patient a patient's number stands for now, per source.

The merges of a source are folded in stamp order; a later merge of the same patient replaces the
earlier one. A merge that would make a patient an alias of itself is refused (a cycle: a person
must look), and since the fold is over the whole set, arrival order does not decide which.
"""

from __future__ import annotations

from router.core.facts import Fact, Stamp, parsed


class Aliases:
    """The merges of one source. Rows restored are parsed when first asked for."""

    def __init__(self) -> None:
        self._unread: list[bytes] = []
        self._merges: dict[str, Fact] = {}
        self._into: dict[str, str] = {}
        self._from: dict[str, set[str]] = {}
        self._refused: frozenset[str] = frozenset()
        self._last: tuple[Stamp, str] | None = None

    def restore(self, row: bytes) -> None:
        """Put one committed row back."""
        self._unread.append(row)

    def known(self, merge_id: str) -> Fact | None:
        """The merge as held, if it is."""
        self._read()
        return self._merges.get(merge_id)

    def refused(self) -> frozenset[str]:
        """Ids of the merges that would close a cycle."""
        self._read()
        return self._refused

    def add(self, merge: Fact) -> set[str]:
        """Take in a merge, or a better telling of one; the patients that it touches."""
        self._read()
        is_next = merge.id not in self._merges and (self._last is None or merge.order > self._last)
        self._merges[merge.id] = merge
        if is_next:
            before = self.resolve(merge.patient)
            self._advance(merge)
            return {before, self.resolve(merge.patient)}
        return self._fold_and_compare()

    def resolve(self, patient: str) -> str:
        """The patient that this number stands for."""
        self._read()
        while patient in self._into:
            patient = self._into[patient]
        return patient

    def members(self, patient: str) -> set[str]:
        """Every number that stands for this patient, its own included."""
        self._read()
        found, waiting = {patient}, [patient]
        while waiting:
            fresh = self._from.get(waiting.pop(), set()) - found
            found |= fresh
            waiting += fresh
        return found

    def _fold_and_compare(self) -> set[str]:
        before = {patient: self.resolve(patient) for patient in self._into}
        self._fold()
        touched = set()
        for patient in before.keys() | self._into.keys():
            then, now = before.get(patient, patient), self.resolve(patient)
            if then != now:
                touched |= {then, now}
        return touched

    def _read(self) -> None:
        if self._unread:
            self._merges |= {merge.id: merge for merge in map(parsed, self._unread)}
            self._unread = []
            self._fold()

    def _fold(self) -> None:
        self._into, self._from, self._refused = {}, {}, frozenset()
        for merge in sorted(self._merges.values(), key=lambda merge: merge.order):
            self._advance(merge)

    def _advance(self, merge: Fact) -> None:
        self._last = merge.order
        if not self._link(merge.patient, merge.merged_into or merge.patient):
            self._refused |= {merge.id}

    def _link(self, ceases: str, survives: str) -> bool:
        if self._leads_to(survives, ceases):
            return False
        before = self._into.get(ceases)
        if before is not None:
            self._from[before].discard(ceases)
        self._into[ceases] = survives
        self._from.setdefault(survives, set()).add(ceases)
        return True

    def _leads_to(self, patient: str, goal: str) -> bool:
        while patient in self._into and patient != goal:
            patient = self._into[patient]
        return patient == goal
