"""The senders that work in this process: those of the configuration, and whoever registered since."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import NamedTuple

from router.delivery.sender import Sender
from schemas.registration import Registration


class Change(NamedTuple):
    """Who is to begin, and who to end first."""

    begin: Sequence[Sender]
    end: Sequence[Sender]


class Roster:
    """Read from any thread; changed by one. ``wanted`` tells who is registered; it raises LogError."""

    def __init__(
        self,
        configured: Sequence[Sender],
        wanted: Callable[[], Mapping[str, Registration]] = dict,
        make: Callable[[Registration], Sender] | None = None,
    ) -> None:
        self._configured = tuple(configured)
        self._wanted = wanted
        self._make = make
        self._registered: Mapping[tuple[str, str], Sender] = {}

    def __iter__(self) -> Iterator[Sender]:
        return iter((*self._configured, *self._registered.values()))

    def __len__(self) -> int:
        return len(self._configured) + len(self._registered)

    def change(self) -> Change:
        """Bring it in line with who is registered: one that was changed ends and begins. Raises LogError."""
        # What is sealed is never the same twice, however a name was given up and registered meanwhile.
        wanted = {(each.name, each.sealed): each for each in self._wanted().values()}
        before = self._registered
        kept = {key: sender for key, sender in before.items() if key in wanted}
        new = {
            key: self._make(each)
            for key, each in wanted.items()
            if key not in before and self._make is not None
        }
        self._registered = {**kept, **new}
        ended = [sender for key, sender in before.items() if key not in wanted]
        return Change(list(new.values()), ended)
