"""The Elvis feed: watches a directory, commits each export, then moves its file.

Commit order, for one file: raw pointer, envelopes, review items and snapshot rows in one commit;
then the state in memory; then the file is moved. A crash before the commit leaves the file to be
handled again; one between commit and move leaves a file whose hash is known: it is only moved.
When the log fails, files stay where they are, and the state is loaded anew before the next try,
for what was committed may not be known.
"""

from __future__ import annotations

import threading
import time
from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Final

from watchfiles import watch

from adapters.common.feed import FeedIdentity
from adapters.common.keys import PatientKeyer
from adapters.common.outcome import Trouble, Verdict
from adapters.elvis import state as snapshot_state
from adapters.elvis.handle import Handled, Incoming, handle, incoming, make_context, records_of
from adapters.elvis.inbox import Inbox
from adapters.elvis.settings import ElvisSettings
from adapters.elvis.state import SnapshotState
from bus.port import Log, LogError, LogFencedError, TopicPartition
from schemas import topics
from schemas.ward import WardRegister

FILES_AT_ONCE: Final = 16
"""Parsed files held in memory, to take them in order of their export times."""

_WATCH_STEP_MS: Final = 20


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
    ) -> None:
        self.identity = identity
        self.last_seen: datetime | None = None
        self.failure: Exception | None = None
        self._context = make_context(identity, settings, register, keyer)
        self._watching = settings.watching
        self._scopes = [scope.name for scope in settings.scopes]
        self._log = log
        self._clock = clock
        self._monotonic = monotonic
        self._inbox = Inbox(settings.directory, settings.watching)
        self._state: SnapshotState | None = None
        self._figures: Counter[str] = Counter()
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
        """Counts since the start, and the files that wait now."""
        return {**self._figures, "files_waiting": len(self._inbox.waiting())}

    def is_alive(self) -> bool:
        """Whether the thread runs; if it ended by itself, ``failure`` says why."""
        return self._thread.is_alive()

    # -- one round --------------------------------------------------------------------------------

    def look(self) -> None:
        """Handle every complete file, in order of export time, then name."""
        if self._monotonic() < self._try_again_at:
            return
        complete = self._inbox.complete(self._monotonic())[:FILES_AT_ONCE]
        read = [(path, file) for path in complete if (file := self._read(path))]
        try:
            for path, file in sorted(read, key=_export_order):
                if self._stopping.is_set():
                    return
                self._take(path, file)
        except LogFencedError:
            raise
        except LogError:
            self._back_off()
        else:
            self._failed_in_a_row = 0

    def _read(self, path: Path) -> Incoming | None:
        try:
            payload, changed_s = self._beginning(path), path.stat().st_mtime
        except OSError:
            self._figures["files_unreadable"] += 1
            return None
        approved = self._inbox.is_approved(path)
        file = incoming(payload, path.name, self._clock(), self._context, approved=approved)
        return None if self._may_be_growing(file, changed_s) else file

    def _beginning(self, path: Path) -> bytes:
        with path.open("rb") as file:
            return file.read(self._context.settings.guards.file_bytes + 1)

    def _may_be_growing(self, file: Incoming, changed_s: float) -> bool:
        if self._watching.done_marker or not file.may_grow:
            return False
        settled_at = datetime.fromtimestamp(changed_s, UTC) + timedelta(
            seconds=self._watching.incomplete_s
        )
        return self._clock() < settled_at

    def _take(self, path: Path, file: Incoming) -> None:
        state = self._loaded()
        handled = handle(state, file, self._context)
        self._commit(handled, file)
        snapshot_state.apply(state, handled.change)
        self._count(handled)
        self._move(path, file, handled)

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

    def _move(self, path: Path, file: Incoming, handled: Handled) -> None:
        # A move that fails is tried again at the next look: the hash is known by then.
        try:
            if handled.outcome.verdict is Verdict.REVIEW:
                self._inbox.reject(path, file.raw.sha256, handled.outcome)
            else:
                self._inbox.finish(path, file.raw.sha256)
        except OSError:
            self._figures["moves_failed"] += 1

    def _count(self, handled: Handled) -> None:
        self.last_seen = self._clock()
        verdict = "known" if handled.is_known else handled.outcome.verdict.value
        self._figures[f"files_{verdict}"] += 1
        self._figures["observations"] += len(handled.outcome.observations)
        self._figures["warnings"] += len(handled.outcome.warnings)

    def _back_off(self) -> None:
        self._state = None
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


def _export_order(read: tuple[Path, Incoming]) -> tuple[datetime, str]:
    path, file = read
    if isinstance(file.parsed, Trouble):
        return (file.received_at, path.name)
    return (file.parsed.exported_at, path.name)
