"""Options of commands that select by name, and errors that list the names that exist.

A name that nothing has is refused: an empty answer would read as "nobody" where it is a slip of the pen.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable

from adapters.common.visits import is_named
from bus.port import Log
from bus.records import records_of
from schemas import topics
from schemas.encounter import EncounterView
from wardbridge.cli._shared import refuse


def refuse_unknown(what: str, name: str | None, known: Collection[str]) -> None:
    """End the command where a name is asked for that there is not, and tell those that there are."""
    if name is not None and name not in known:
        refuse(f"there is no {what} {name!r}; there is {', '.join(sorted(known)) or 'none'}")


def refuse_unknown_visit(log: Log, asked: str | None, others: Iterable[str]) -> None:
    """End the command where neither the census has such a visit nor the ``others`` do.

    Which visits there are is not told: that would show them to whoever guesses.
    """
    if asked is None or any(is_named(visit, asked) for visit in _census(log)):
        return
    if not any(is_named(visit, asked) for visit in others):
        refuse(
            f"there is no visit {asked!r}: neither the census nor anything kept here has one; "
            "write its number, or NUMBER@ASSIGNER"
        )


def _census(log: Log) -> Iterable[str]:
    for record in records_of(log, topics.ENCOUNTERS):
        if record.value is not None:
            yield EncounterView.model_validate_json(record.value).visit
