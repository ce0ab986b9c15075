"""What the service asks of each of its parts."""

from __future__ import annotations

from typing import Protocol

from bus.runner import Figures


class Component(Protocol):
    """A part of the service. Started in one order, stopped in the reverse."""

    @property
    def name(self) -> str:
        """As ``/readyz`` names it."""
        ...

    async def start(self) -> None:
        """Begin. What it raises ends the service."""
        ...

    async def stop(self) -> None:
        """Finish what is in hand and end. Idempotent."""
        ...

    def blocking(self) -> str | None:
        """Why it does not do its work now, though it may yet; None when all is well."""
        ...

    def failure(self) -> str | None:
        """Why it never will again; the service then ends. None otherwise."""
        ...


class RouterPart(Component, Protocol):
    """The router, wherever it runs."""

    def figures(self) -> Figures:
        """Counts since the start, and what waits. Raises LogError when the log is closed."""
        ...


def describe(error: BaseException) -> str:
    """An error as health may tell it: its type only, for its text may quote an input."""
    return type(error).__name__
