"""The Elvis feed: watches a directory, commits each export, then moves its file.

Commit order, for one file: raw pointer, envelopes, review items and snapshot rows in one commit;
then the state in memory; then the file is moved. A crash before the commit leaves the file to be
handled again; one between commit and move leaves a file whose hash is known: it is only moved.
When the log fails, files stay where they are, and the state is loaded anew before the next try,
for what was committed may not be known.

No file stops another: one that cannot be read, may still grow or cannot be moved is left aside
and tried again. A file is moved only while it is the one that was read: what a writer has put
into its place meanwhile is read as any other.
"""

from __future__ import annotations

import os
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from itertools import islice
from pathlib import Path
from typing import Final, NamedTuple

from watchfiles import watch

from adapters.common.feed import FeedIdentity
from adapters.common.figures import Figures
from adapters.common.keys import PatientKeyer
from adapters.common.outcome import Outcome, Trouble, Verdict
from adapters.elvis import state as snapshot_state
from adapters.elvis.handle import Handled, Incoming, handle, incoming, make_context, records_of
from adapters.elvis.inbox import Inbox, Signature
from adapters.elvis.settings import ElvisSettings
from adapters.elvis.state import SnapshotState
from bus.port import Log, LogError, LogFencedError, TopicPartition
from schemas import topics
from schemas.ward import WardRegister

FILES_AT_ONCE: Final = 16
"""Parsed files held in memory, to take them in order of their export times."""

_WATCH_STEP_MS: Final = 20


class _Found(NamedTuple):
    """A file as it was read; ``signature`` tells whether it is still the one that stands there."""

    path: Path
    signature: Signature
    file: Incoming


class _ToMove(NamedTuple):
    """A handled file, as far as moving it needs; kept while it cannot be moved."""

    path: Path
    signature: Signature
    sha256: str
    outcome: Outcome


class ElvisDirectoryFeed:
    """One directory of exports. ``start`` runs it in a thread; ``look`` is one round of it."""

    def __init__(  # noqa: PLR0913, PLR0917 - the composition root names each part
        self,
        identity: FeedIdentity,
        settings: ElvisSettings,
        register: WardRegister,
        keyer: PatientKeyer,
        log: Log,
        clock: Callable[[], datetime],
        monotonic: Callable[[], float] = time.monotonic,
        *,
        describe: bool = False,
    ) -> None:
        self.identity = identity
        self.taken = Figures()
        self.failure: Exception | None = None
        self.blocking: str | None = None
        self._context = make_context(identity, settings, register, keyer, describe=describe)
        self._watching = settings.watching
        self._scopes = [scope.name for scope in settings.scopes]
        self._log = log
        self._clock = clock
        self._monotonic = monotonic
        self._inbox = Inbox(settings.directory, settings.watching)
        self._state: SnapshotState | None = None
        self._figures: Counter[str] = Counter()
        self._waiting = 0
        self._growing: dict[Path, Signature] = {}
        self._unmoved: dict[Path, _ToMove] = {}
        self._failed_in_a_row = 0
        self._try_again_at = 0.0
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._run, name=f"feed-{identity.name}")

    # -- life -----------------------------------------------------------------------------------

    def start(self) -> None:
        """Make the directory if need be, and begin to watch it."""
        self._inbox.prepare()
        self._thread.start()

    def stop(self) -> None:
        """Finish the file in hand, then end. Idempotent."""
        self._stopping.set()
        if self._thread.is_alive():
            self._thread.join()

    def figures(self) -> Mapping[str, int]:
        """Counts since the start, and the files that waited after the last look.

        No I/O: health is asked in the event loop, and a share that hangs must not stop it.
        """
        return {**self._figures, "files_waiting": self._waiting}

    def is_alive(self) -> bool:
        """Whether the thread runs; if it ended by itself, ``failure`` says why."""
        return self._thread.is_alive()

    # -- one round --------------------------------------------------------------------------------

    def look(self) -> None:
        """Handle every complete file, in order of export time, then name."""
        if self._monotonic() < self._try_again_at:
            return
        self._move_again()
        read = list(islice(self._readable(self._complete()), FILES_AT_ONCE))
        try:
            for found in sorted(read, key=_export_order):
                if self._stopping.is_set():
                    return
                self._take(found)
        except LogFencedError:
            raise
        except LogError as error:
            self._back_off(error)
        else:
            self._failed_in_a_row = 0

    def _complete(self) -> list[Path]:
        try:
            seen = self._inbox.waiting()
        except OSError as error:
            self._figures["looks_failed"] += 1
            self.blocking = f"the directory cannot be read: {error.strerror or error}"
            return []
        self.blocking = None
        self._waiting = len(seen)
        self._growing = {path: was for path, was in self._growing.items() if path in seen}
        return self._inbox.complete(seen, self._monotonic())

    def _readable(self, paths: Iterable[Path]) -> Iterator[_Found]:
        for path in paths:
            if path not in self._unmoved and (found := self._read(path)):
                yield found

    def _read(self, path: Path) -> _Found | None:
        try:
            with path.open("rb") as file:
                before = Signature.of(os.fstat(file.fileno()))
                if self._is_left_to_grow(path, before):
                    return None
                payload = file.read(self._context.settings.guards.file_bytes + 1)
                after = Signature.of(os.fstat(file.fileno()))
        except OSError:
            self._figures["files_unreadable"] += 1
            return None
        if before != after:
            return None
        return self._whole(_Found(path, before, self._incoming(path, payload)))

    def _incoming(self, path: Path, payload: bytes) -> Incoming:
        approved = self._inbox.is_approved(path)
        return incoming(payload, path.name, self._clock(), self._context, approved=approved)

    def _whole(self, found: _Found) -> _Found | None:
        if found.file.may_grow and not self._has_settled(found.signature):
            self._growing[found.path] = found.signature
            return None
        return found

    def _is_left_to_grow(self, path: Path, signature: Signature) -> bool:
        """Whether it was seen to be cut before, and has not changed nor settled since."""
        return self._growing.get(path) == signature and not self._has_settled(signature)

    def _has_settled(self, signature: Signature) -> bool:
        if self._watching.done_marker:
            return True
        changed_at = datetime.fromtimestamp(signature.mtime_ns / 1e9, UTC)
        return self._clock() >= changed_at + timedelta(seconds=self._watching.incomplete_s)

    def _take(self, found: _Found) -> None:
        state = self._loaded()
        handled = handle(state, found.file, self._context)
        self._commit(handled, found.file)
        snapshot_state.apply(state, handled.change)
        self._count(handled)
        outcome = replace(handled.outcome, observations=())
        self._move(_ToMove(found.path, found.signature, found.file.raw.sha256, outcome))

    def _loaded(self) -> SnapshotState:
        if self._state is None:
            name = self.identity.name
            partition = self._log.partition_of(topics.SNAPSHOTS, name)
            rows = self._log.load(TopicPartition(topics.SNAPSHOTS, partition))
            state = snapshot_state.load(name, rows)
            kept = self._scopes or state.scopes
            self._state = snapshot_state.without_scopes(state, kept)
        return self._state

    def _commit(self, handled: Handled, file: Incoming) -> None:
        records = records_of(handled, file, self.identity)
        if records:
            self._log.commit(f"feed:{self.identity.name}", {}, records)

    def _move_again(self) -> None:
        for handled in list(self._unmoved.values()):
            self._move(handled)

    def _move(self, handled: _ToMove) -> None:
        path = handled.path
        self._unmoved.pop(path, None)
        if not self._inbox.is_unchanged(path, handled.signature):
            self._figures["files_replaced"] += 1
            return
        try:
            self._put_away(handled)
        except OSError:
            self._figures["moves_failed"] += 1
            self._unmoved[path] = handled
        else:
            self._waiting = max(0, self._waiting - 1)

    def _put_away(self, handled: _ToMove) -> None:
        if handled.outcome.verdict is Verdict.REVIEW:
            self._inbox.reject(handled.path, handled.sha256, handled.outcome)
        else:
            self._inbox.finish(handled.path, handled.sha256)

    def _count(self, handled: Handled) -> None:
        self.taken.last_seen = self._clock()
        if not handled.is_known:
            self.taken.became(handled.outcome)
        verdict = "known" if handled.is_known else handled.outcome.verdict.value
        self._figures[f"files_{verdict}"] += 1
        self._figures["observations"] += len(handled.outcome.observations)
        self._figures["warnings"] += len(handled.outcome.warnings)

    def _back_off(self, error: LogError) -> None:
        self._state = None
        self.blocking = f"exports cannot be committed: {error}"
        self._figures["commits_failed"] += 1
        longest = self._watching.retry_max_s
        doubled = self._watching.retry_s * 2 ** min(self._failed_in_a_row, 16)
        self._failed_in_a_row += 1
        self._try_again_at = self._monotonic() + min(longest, doubled)

    # -- the thread ---------------------------------------------------------------------------------

    def _run(self) -> None:
        try:
            self.look()
            for _ in self._rounds():
                self.look()
        except Exception as error:  # noqa: BLE001 - the only one: the supervisor reads it
            self.failure = error

    def _rounds(self) -> Iterable[object]:
        return watch(
            self._inbox.directory,
            self._inbox.approved,
            recursive=False,
            step=_WATCH_STEP_MS,
            rust_timeout=int(self._watching.look_s * 1000),
            yield_on_timeout=True,
            force_polling=self._watching.polling,
            stop_event=self._stopping,
            raise_interrupt=False,
        )


def _export_order(found: _Found) -> tuple[datetime, str]:
    parsed = found.file.parsed
    at = found.file.received_at if isinstance(parsed, Trouble) else parsed.exported_at
    return (at, found.path.name)
