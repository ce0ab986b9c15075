"""Bounds how many review items one export can create.

Pure. Of troubles that are alike (one reason, one column) so many are told one by one; the others of the file
are one more, with how many they are. Nothing else is left out.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import replace
from typing import Final

from adapters.common.outcome import Trouble

MAX_ALIKE: Final = 200
"""A person looks at some; without a limit a file of 100,000 rows makes 800,000 items, and a gigabyte."""


def bounded(troubles: Sequence[Trouble]) -> tuple[list[Trouble], frozenset[str]]:
    """What is told, and the statements of which something is left out."""
    if len(troubles) <= MAX_ALIKE:
        return list(troubles), frozenset()
    alike: dict[tuple[str, str | None], list[Trouble]] = defaultdict(list)
    for trouble in troubles:
        alike[trouble.reason, trouble.within].append(trouble)
    told = [one for group in alike.values() for one in group[:MAX_ALIKE]]
    rest = [group[MAX_ALIKE:] for group in alike.values() if len(group) > MAX_ALIKE]
    cut = frozenset(one.statement for group in rest for one in group)
    return [*told, *map(_summed, rest)], cut


def _summed(group: Sequence[Trouble]) -> Trouble:
    first = group[0]
    detail = f"{len(group)} more rows of this export have the same: {first.detail}"
    mark_unread = any(one.mark_unread for one in group)
    return replace(first, detail=detail, statement="", mark_unread=mark_unread)
