"""Cache of values computed from facts, reused while the facts are the same.

A visit that is folded again is mostly what it was. What is not made anew stays the same object, so that a
comparison with the last time costs next to nothing.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable
from typing import Any, TypeVar

from router.core.facts import Fact

Made = TypeVar("Made")


class FoldCache:
    """By a key, what was made last, and of which facts. What is made must depend on the two alone."""

    def __init__(self) -> None:
        self._made: dict[Hashable, tuple[tuple[Fact, ...], Any]] = {}

    def made(self, key: Hashable, of: tuple[Fact, ...], make: Callable[..., Made]) -> Made:
        """``make(*of)``, or what that gave the last time."""
        held = self._made.get(key)
        if held is not None and _are_same(held[0], of):
            made: Made = held[1]
            return made
        made = make(*of)
        self._made[key] = of, made
        return made


def _are_same(these: tuple[Fact, ...], those: tuple[Fact, ...]) -> bool:
    return len(these) == len(those) and all(map(is_same, these, those))


def is_same(fact: Fact, other: Fact) -> bool:
    """Whether both say the same. To compare claims is not enough: of those, cleared equals absent."""
    return fact is other or (fact.claims is other.claims and fact == other)
