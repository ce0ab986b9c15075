"""The Elvis adapter as a feed at work."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Iterator, Sequence
from datetime import datetime
from pathlib import Path
from typing import Final

from adapters.common.outcome import InputOutcome
from adapters.elvis import locating
from adapters.elvis.configured import CONFIGURED
from adapters.elvis.feed import ElvisDirectoryFeed
from adapters.elvis.handle import incoming, make_context
from adapters.elvis.kept import KeptExports, foreseen
from adapters.elvis.outcomes import outcomes, patients
from adapters.elvis.row import RULES
from adapters.elvis.settings import ElvisSettings
from adapters.elvis.state import SnapshotState, apply
from adapters.elvis.taking import state_in
from bus.port import Record
from schemas.observation import Patient
from wardbridge.ingest.kind import (
    FeedEnvironment,
    FeedKind,
    FeedStatus,
    NotReadError,
    ReadingContext,
    ShownInput,
)
from wardbridge.parts.base import describe

_LINE: Final = re.compile(r"line (\d+)")
GONE: Final = "the file is in neither rejected/ nor done/ of the feed's directory on this machine"


class ElvisFeed:
    """The directory feed, whose own thread does the work."""

    def __init__(
        self, reading: ReadingContext, place: FeedEnvironment, settings: ElvisSettings
    ) -> None:
        self._feed = ElvisDirectoryFeed(
            reading.identity, _moved(settings, place), reading.register, reading.keyer, place.log, reading.clock,
            describe=reading.describe, review=place.review,
        )  # fmt: skip

    async def start(self) -> None:
        """Make the directory and watch it."""
        await asyncio.to_thread(self._feed.start)

    async def stop(self) -> None:
        """Finish the file in hand."""
        await asyncio.to_thread(self._feed.stop)

    def status(self) -> FeedStatus:
        """Counts, what blocks, and whether the thread lives."""
        feed, figures = self._feed, self._feed.figures
        return FeedStatus(
            figures.last_seen,
            figures.last_accepted_at,
            figures.counts(),
            dict(figures.outcomes),
            blocking=feed.blocking(),
            trouble=feed.trouble(),
            failure=self._failure(),
        )

    def _failure(self) -> str | None:
        if self._feed.is_alive():
            return None
        return describe(self._feed.failure) if self._feed.failure else "ended by itself"


class ElvisFiles:
    """The handled exports of a feed."""

    def __init__(
        self, reading: ReadingContext, place: FeedEnvironment, settings: ElvisSettings
    ) -> None:
        moved = _moved(settings, place)
        self._log = place.log
        self._kept = KeptExports(moved)
        self._state: SnapshotState | None = None
        self._context = make_context(
            reading.identity, moved, reading.register, reading.keyer,
            describe=reading.describe, review=place.review,
        )  # fmt: skip

    def foresee(self, sha256: str, at: datetime) -> tuple[InputOutcome, Sequence[Record]]:
        """What the feed would make of a file now, after those asked for before it.

        Raises NotReadError or LogError.
        """
        try:
            path = self._kept.find(sha256)
            if path is None:
                raise NotReadError(GONE)
            self._state = self._state or state_in(self._log, self._context)
            found = foreseen(path, sha256, at, self._state, self._context)
        except OSError as error:
            raise NotReadError(f"the file cannot be read: {error.strerror}") from None
        apply(self._state, found.handled.change)
        self._context.review.note(found.found)
        return found.handled.outcome, found.records

    def hand_back(self, sha256: str) -> None:
        """Have the feed read it again. Raises NotReadError."""
        try:
            if not self._kept.hand_back(sha256):
                raise NotReadError(GONE)
        except OSError as error:
            raise NotReadError(f"the file cannot be handed back: {error.strerror}") from None

    def has(self, sha256: str) -> bool:
        """Whether it is kept: not while it is handed back and unread. Raises NotReadError."""
        try:
            return self._kept.find(sha256) is not None
        except OSError as error:
            raise NotReadError(f"the file cannot be looked for: {error.strerror}") from None

    def bytes_of(self, sha256: str) -> bytes:
        """What is in it. Raises NotReadError."""
        try:
            path = self._kept.find(sha256)
            if path is None:
                raise NotReadError(GONE)
            return path.read_bytes()
        except OSError as error:
            raise NotReadError(f"the file cannot be read: {error.strerror}") from None


def _moved(settings: ElvisSettings, place: FeedEnvironment) -> ElvisSettings:
    return settings.model_copy(update={"directory": place.data / settings.directory})


def _outcomes(
    reading: ReadingContext, settings: ElvisSettings, path: Path, payload: bytes
) -> Iterator[tuple[int, InputOutcome]]:
    context = make_context(reading.identity, settings, reading.register, reading.keyer)
    yield from outcomes(payload, path.name, reading.clock(), context, _mtime_ns(path))


def _patients(
    reading: ReadingContext, settings: ElvisSettings, shown: ShownInput
) -> Iterator[Patient]:
    line = _LINE.match(shown.where)
    context = make_context(reading.identity, settings, reading.register, reading.keyer)
    file = incoming(shown.payload, shown.path.name, reading.clock(), context)
    if line is not None:
        yield from patients(file, int(line[1]), context)


def _mtime_ns(path: Path) -> int | None:
    try:
        return path.stat().st_mtime_ns
    except OSError:
        return None


KIND = FeedKind(
    configured=CONFIGURED,
    make=ElvisFeed,
    outcomes=_outcomes,
    kept_files=ElvisFiles,
    reads_by=lambda settings: settings.format,
    rules=RULES,
    locate=lambda settings, payload, where: locating.locate(payload, where, settings.format),
    kept=lambda settings, payload: locating.kept(payload, settings.format),
    patients=_patients,
)
