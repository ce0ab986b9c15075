"""Claims while they are gathered: what is said, what could not be read, where each comes from."""

from __future__ import annotations

from collections.abc import Container

from adapters.common.origin import Origins
from adapters.common.outcome import Trouble


class Said(dict[str, object]):
    """Claims by their names; a name that is not there is absent, None is cleared.

    ``owned``: the claims that the feed is to make; another feed of its source makes the others.
    """

    __slots__ = ("_origins", "_owned", "troubles")

    def __init__(
        self, origins: Origins, troubles: list[Trouble], owned: Container[str] | None = None
    ) -> None:
        super().__init__()
        self.troubles = troubles
        self._origins = origins
        self._owned = owned

    def owns(self, name: str) -> bool:
        """Whether the claim is this feed's to make."""
        return self._owned is None or name in self._owned

    def say(self, name: str, value: object, where: str, rule: str) -> None:
        """Claim a value; one that could not be read is a trouble, and the claim stays absent."""
        if self._owned is not None and name not in self._owned:
            return
        if isinstance(value, Trouble):
            self.troubles.append(value)
            return
        self[name] = value
        if self._origins.asked:
            self._origins.note(f"claims.{name}", where, rule)
