"""Audits refused requests and sign-ins: who as far as known, from which address, to which route.

However many come, few entries are written. The first of a kind is written at once, those like it in the same
minute as one more with their ``count``. Of one address :data:`MAX_OF_SOURCE` kinds are told apart in a minute, in all
:data:`MAX_KINDS`; what goes beyond is counted together, without its route and ward, then without its address.
Those of readers who are known have room of their own, so that no stranger's flood hides them. A token is never
among what is noted, nor a ward that the register has not.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Callable
from datetime import datetime
from ipaddress import ip_address
from typing import Final, NamedTuple

import structlog

from adapters.common.crowd import peer_of
from bus.port import Log, LogError, Record
from schemas import topics
from schemas.audit import Action, AuditEntry

WINDOW_S: Final = 60.0
MAX_OF_SOURCE: Final = 10
"""Kinds of refusals of one address that have an entry of their own in a minute: the others have one together."""

MAX_KINDS: Final = 100
"""Entries of refusals in a minute, whoever comes: beyond that one entry counts the others, so the audit never fills."""


class Attempt(NamedTuple):
    """What was asked for, and refused or let in. ``ward`` is one of the register's, or empty."""

    action: Action
    status: int
    source: str
    route: str = ""
    ward: str = ""
    reader: str = ""
    how: str = ""
    unit: str = ""

    def of_its_source(self) -> Attempt:
        """The same, told apart by its address only."""
        return Attempt(self.action, self.status, self.source)

    def of_anybody(self) -> Attempt:
        """The same, not told apart from others."""
        return Attempt(self.action, self.status, "")


class Window:
    """One minute: how often each kind came after the first time."""

    def __init__(self) -> None:
        self.more: Counter[Attempt] = Counter()
        self._kinds: Counter[bool] = Counter()
        self._of_source: Counter[tuple[bool, str]] = Counter()

    def take(self, attempt: Attempt) -> Attempt | None:
        """Count it; the kind to be noted now, if it is the first of it."""
        kind = attempt if attempt in self.more else self._kind(attempt)
        if kind in self.more:
            self.more[kind] += 1
            return None
        self.more[kind] = 0
        return kind

    def _kind(self, attempt: Attempt) -> Attempt:
        """How exactly there is room to tell it apart."""
        is_known = bool(attempt.reader)
        source = (is_known, attempt.reader or peer_of(attempt.source))
        if self._kinds[is_known] >= MAX_KINDS:
            return attempt.of_anybody()
        self._of_source[source] += 1
        if self._of_source[source] > MAX_OF_SOURCE:
            kind = attempt.of_its_source()
            self._kinds[is_known] += kind not in self.more
            return kind
        self._kinds[is_known] += 1
        return attempt


class Refusals:
    """Notes them. A part of the service: what a minute has counted is written when it is over."""

    name = "audit-refusals"

    def __init__(self, log: Log, now: Callable[[], datetime]) -> None:
        self.failures = 0
        self._log = log
        self._now = now
        self._window = Window()
        self._task: asyncio.Task[None] | None = None

    async def start(self) -> None:
        """Begin to look at the time."""
        self._task = asyncio.create_task(self._each_minute(), name=self.name)

    async def stop(self) -> None:
        """Write what was counted."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.wait([self._task])
            self._task = None
        self.write_rest()

    def blocking(self) -> str | None:
        """Never."""
        return None

    def failure(self) -> str | None:
        """Never."""
        return None

    def note(self, attempt: Attempt) -> None:
        """One more."""
        if kind := self._window.take(attempt):
            self._write(kind, 1)

    def write_rest(self) -> None:
        """End the minute."""
        window, self._window = self._window, Window()
        for kind, count in window.more.items():
            if count:
                self._write(kind, count)

    async def _each_minute(self) -> None:
        while True:
            await asyncio.sleep(WINDOW_S)
            self.write_rest()

    def _write(self, kind: Attempt, count: int) -> None:
        entry = AuditEntry(
            at=self._now(),
            action=kind.action,
            reader=kind.reader,
            how=kind.how,
            unit=kind.unit,
            ward=kind.ward,
            fields="",
            source=kind.source,
            route=kind.route,
            status=kind.status,
            count=count,
        )

        def done(error: LogError | None) -> None:  # in a thread of the log's
            if error is not None:
                self.failures += 1
                structlog.get_logger().error("audit_not_written", reason=type(error).__name__)

        try:
            self._log.submit([Record(topics.AUDIT, "", "", entry.model_dump_json().encode())], done)
        except LogError as error:
            done(error)


def source_of(address: str) -> str:
    """An address that can be written down; empty where it is none."""
    try:
        return str(ip_address(address))
    except ValueError:
        return ""
