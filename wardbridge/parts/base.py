"""The interface of a part of the service: start, stop, what blocks it, what has failed."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from bus.port import LogError
from bus.runner import RunnerFigures


class Watched(Protocol):
    """A part as health sees it, wherever it runs."""

    @property
    def name(self) -> str:
        """As ``/readyz`` names it."""
        ...

    def blocking(self) -> str | None:
        """Why it does not do its work now, though it may yet; None when all is well."""
        ...

    def failure(self) -> str | None:
        """Why it never will again; the service then ends. None otherwise."""
        ...


class Component(Watched, Protocol):
    """A part of the service. Started in one order, stopped in the reverse."""

    async def start(self) -> None:
        """Begin. What it raises ends the service."""
        ...

    async def stop(self) -> None:
        """Finish what is in hand and end. Idempotent."""
        ...


class RouterPart(Component, Protocol):
    """The router, wherever it runs."""

    def figures(self) -> RunnerFigures:
        """Counts since the start."""
        ...

    def lag(self) -> int:
        """How many records wait now: asks the log, and waits for it. Raises LogError."""
        ...


class TellableError(Exception):
    """Its text says what to do and quotes no input: health may tell it."""


class CannotStartError(OSError):
    """A part cannot start; the text names it and says why."""


async def start(part: Component) -> None:
    """Start a part. Raises CannotStartError, which names it, where the system refuses."""
    try:
        await part.start()
    except CannotStartError:
        raise
    except OSError as error:
        raise CannotStartError(f"{part.name}: {error.strerror or error}") from error


async def stop_all(parts: Sequence[Component]) -> None:
    """Stop them, the last started first."""
    for part in reversed(parts):
        await part.stop()


def describe(error: BaseException) -> str:
    """An error as health may tell it: of a log's error its type and text, of others that may quote an input the type."""
    if isinstance(error, TellableError):
        return str(error)
    name = type(error).__name__
    return f"{name}: {error}" if isinstance(error, LogError) else name
