"""Collects the claims of an observation: values, what could not be read, and where each comes from."""

from __future__ import annotations

from collections.abc import Container, Iterable
from dataclasses import replace

from adapters.common.origin import Origins
from adapters.common.outcome import Trouble
from schemas.observation import MAY_BE_UNREAD, OF_THE_MARK, Unread


class ClaimsBuilder(dict[str, object]):
    """Claims by their names; a name that is not there is absent, None is cleared.

    ``owned``: the claims that the feed is to make; another feed of its source makes the others.
    ``unread``: places and wards that are claimed and could not be read. Say the mark first: what
    belongs to one that could not be read is not said either.
    """

    __slots__ = ("_kept", "_origins", "_owned", "troubles", "unread")

    def __init__(
        self, origins: Origins, troubles: list[Trouble], owned: Container[str] | None = None
    ) -> None:
        super().__init__()
        self.troubles = troubles
        self.unread: list[Unread] = []
        self._origins = origins
        self._owned = owned
        self._kept: tuple[str, ...] = ()

    def owns(self, name: str) -> bool:
        """Whether the claim is this feed's to make."""
        return self._owned is None or name in self._owned

    def missing(self, names: Iterable[Unread]) -> tuple[Unread, ...]:
        """Those of the names that are this feed's to say and are absent, but not :meth:`keep`."""
        return tuple(
            name
            for name in names
            if self.owns(name) and name not in self and name not in self._kept
        )

    def keep(self, name: str) -> None:
        """Say on purpose nothing of a claim: it is as it was before, and not unread."""
        self._kept += (name,)

    def say(self, name: str, value: object, where: str, rule: str) -> None:
        """Claim a value; one that could not be read is a trouble, and the claim stays absent."""
        if self._owned is not None and name not in self._owned:
            return
        if name in OF_THE_MARK and "mark" in self.unread:
            return
        if isinstance(value, Trouble):
            self.troubles.append(replace(value, mark_unread=name == "mark"))
            self.unread += [unread for unread in MAY_BE_UNREAD if unread == name]
            return
        self[name] = value
        if self._origins.asked:
            self._origins.note(f"claims.{name}", where, rule)
