"""The Elvis feed: watches a directory, commits each export, then moves its file.

Commit order, for one file: raw pointer, envelopes, review items and snapshot rows in one commit;
then the state in memory; then the file is moved. A crash before the commit leaves the file to be
handled again; one between commit and move leaves a file whose hash is known: it is only moved.
When the log fails, files stay where they are.

No file stops another: one that cannot be read, may still grow, cannot be moved, or at which this
program fails, is left aside and tried again. A file is moved only while it is the one that was read:
what a writer has put into its place meanwhile is read as any other.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import replace
from datetime import datetime
from itertools import islice
from pathlib import Path
from typing import Final

import structlog

from adapters.common.backoff import Backoff
from adapters.common.feed import FeedIdentity
from adapters.common.keys import PatientKeyer
from adapters.common.outcome import InputOutcome, Trouble, Verdict
from adapters.common.review import FeedReview
from adapters.elvis.archive import Archive
from adapters.elvis.figures import ExportFigures
from adapters.elvis.guards import OLDER_THAN_LAST
from adapters.elvis.handle import Handled, IncomingFile, incoming, make_context
from adapters.elvis.inbox import Inbox, Signature
from adapters.elvis.moving import Mover, ToMove
from adapters.elvis.reading import Clocks, ExportReader, Found
from adapters.elvis.settings import ElvisSettings
from adapters.elvis.taking import Taker
from adapters.elvis.waiting import looks
from bus.port import Log, LogError, LogFencedError
from schemas.ward import WardRegister

FILES_AT_ONCE: Final = 16
"""Parsed files held in memory, to take them in order of their export times."""

SILENT_S: Final = 60.0
"""A step that takes longer waits for a share or a log that does not answer: health says so. Reading
and comparing the largest export takes some seconds."""

SILENT_INTERVALS: Final = 3
"""A scope that has not exported for so many of its intervals keeps visits open that have ended: one lost
export must not raise an alarm."""

LATE_IN_A_ROW: Final = 3
"""So many exports older than the last are no late ones: the clock that dates them was set back."""

PREPARED_WITHIN_S: Final = 5.0
"""A share that hangs at the start must not hold up the start."""

STOP_WITHIN_S: Final = 8.0
"""The thread may hang in a call of the system, which nothing can interrupt: then it is left to the end of
the process, to which it means nothing that is not durable."""


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
        review: FeedReview | None = None,
    ) -> None:
        self.identity = identity
        self.figures = ExportFigures()
        self.failure: Exception | None = None
        self._context = make_context(
            identity, settings, register, keyer, describe=describe, review=review
        )
        self._watching = settings.watching
        self._clocks = Clocks(clock, monotonic)
        self._inbox = Inbox(settings.directory, settings.watching)
        self._archive = Archive(settings.directory)
        self._mover = Mover(self._inbox, self._archive, self.figures)
        limit = settings.guards.file_bytes
        self._reader = ExportReader(self._incoming, limit, settings.watching, self._clocks)
        self._taker = Taker(self._context, log)
        self._aside: dict[Path, tuple[Signature, Backoff]] = {}
        self._log_backoff = self._new_backoff()
        self._is_prepared = False
        self._tried_to_prepare = threading.Event()
        self._directory_fault: str | None = None
        self._log_fault: str | None = None
        self._unreadable: dict[Path, str] = {}
        self._refused: dict[str, str] = {}
        self._heard_at = monotonic()
        self._started_at = clock()
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._run, name=f"feed-{identity.name}", daemon=True)

    # -- life -----------------------------------------------------------------------------------

    def start(self) -> None:
        """Begin to watch the directory; it is there then, unless it cannot be made or hangs."""
        self._heard_at = self._clocks.monotonic()
        self._thread.start()
        self._tried_to_prepare.wait(PREPARED_WITHIN_S)

    def stop(self) -> None:
        """Finish the file in hand, then end. Idempotent."""
        self._stopping.set()
        if self._thread.is_alive():
            self._thread.join(STOP_WITHIN_S)

    def is_alive(self) -> bool:
        """Whether the thread runs; if it ended by itself, ``failure`` says why."""
        return self._thread.is_alive()

    # -- how it is: no I/O, for health is asked in the event loop, and a share that hangs must not stop it

    def blocking(self) -> str | None:
        """Why no export is taken now."""
        if self._clocks.monotonic() - self._heard_at > SILENT_S:
            return f"the directory or the log has not answered for over {SILENT_S:.0f} s"
        return self._directory_fault or self._log_fault

    def trouble(self) -> str | None:
        """Which exports are not taken, though others are."""
        said = [f"exports are refused: {reason}" for reason in sorted(set(self._refused.values()))]
        said += [
            f"exports cannot be read: {reason}" for reason in sorted(set(self._unreadable.values()))
        ]
        said += filter(None, [self._mover.trouble()])
        said += ["exports are left aside: this program fails at them"] if self._aside else []
        said += [
            f"no whole export of scope {name!r} for {SILENT_INTERVALS} of its intervals: nobody's "
            "visit ends until there is one"
            for name in self._silent_scopes()
        ]
        return "; ".join(said) or None

    def _silent_scopes(self) -> list[str]:
        """Those of several scopes that keep every visit open, by not exporting as configured."""
        scopes, spoken = self._context.settings.scopes, self._taker.spoken
        if len(scopes) == 1:
            return []
        now = self._clocks.now()
        return [
            scope.name
            for scope in scopes
            if (now - spoken.get(scope.name, self._started_at)).total_seconds()
            > SILENT_INTERVALS * scope.export_interval_s
        ]

    # -- one round --------------------------------------------------------------------------------

    def look(self) -> None:
        """Handle every complete file, in order of export time, then name."""
        self._heard_at = now = self._clocks.monotonic()
        if not self._log_backoff.is_over(now):
            return
        self._mover.move_again()
        read = list(islice(self._readable(self._complete()), FILES_AT_ONCE))
        try:
            self._taker.load()
            for found in sorted(read, key=_export_order):
                if self._stopping.is_set():
                    return
                self._take(found)
        except LogFencedError:
            raise
        except LogError as error:
            self.figures.commits_failed += 1
            self._log_fault = f"exports cannot be committed: {error}"
            self._log_backoff.failed(self._clocks.monotonic())
        else:
            self._log_fault = None
            self._log_backoff.reset()

    def _complete(self) -> list[Path]:
        try:
            self._prepare()
            seen = self._inbox.waiting()
        except OSError as error:
            self.figures.looks_failed += 1
            self._directory_fault = f"the directory cannot be read: {error.strerror or error}"
            return []
        self._directory_fault = None
        self.figures.files_waiting = len(seen)
        self._reader.keep_only(seen)
        self._aside = {path: one for path, one in self._aside.items() if seen.get(path) == one[0]}
        self._unreadable = {path: why for path, why in self._unreadable.items() if path in seen}
        return self._inbox.complete(seen, self._clocks.monotonic())

    def _prepare(self) -> None:
        """Make the directory if need be: once, for one that vanishes later is a share that is away."""
        if self._is_prepared:
            return
        try:
            self._inbox.prepare()
            self._archive.prepare()
            self._is_prepared = True
        finally:
            self._tried_to_prepare.set()

    def _readable(self, paths: Iterable[Path]) -> Iterator[Found]:
        for path in paths:
            self._heard_at = now = self._clocks.monotonic()
            if path in self._mover or not self._is_its_turn(path, now):
                continue
            if found := self._read(path):
                yield found

    def _read(self, path: Path) -> Found | None:
        self._unreadable.pop(path, None)
        try:
            return self._reader.read(path)
        except OSError as error:
            self.figures.files_unreadable += 1
            self._unreadable[path] = error.strerror or "it is no file any more"
            return None

    def _incoming(self, path: Path, payload: bytes, signature: Signature) -> IncomingFile:
        return incoming(
            payload,
            path.name,
            self._clocks.now(),
            self._context,
            approved=self._inbox.is_approved(path),
            mtime_ns=signature.mtime_ns,
        )

    def _take(self, found: Found) -> None:
        self._heard_at = self._clocks.monotonic()
        try:
            handled = self._taker.take(found.file)
        except LogError:
            raise
        except Exception:  # noqa: BLE001 - one file must not cost the others: it is tried again
            structlog.get_logger().exception("export_left_aside", feed=self.identity.name)
            self._put_aside(found)
            return
        self._aside.pop(found.path, None)
        self._note(handled, found.file)
        outcome = replace(handled.outcome, observations=())
        self._mover.move(ToMove(found.path, found.signature, found.file.raw.sha256, outcome))

    def _is_its_turn(self, path: Path, now_s: float) -> bool:
        return path not in self._aside or self._aside[path][1].is_over(now_s)

    def _put_aside(self, found: Found) -> None:
        self.figures.files_failed += 1
        _, backoff = self._aside.get(found.path, (None, self._new_backoff()))
        backoff.failed(self._clocks.monotonic())
        self._aside[found.path] = (found.signature, backoff)

    def _new_backoff(self) -> Backoff:
        return Backoff(self._watching.retry_s, self._watching.retry_max_s)

    # -- what is counted ------------------------------------------------------------------------------

    def _note(self, handled: Handled, file: IncomingFile) -> None:
        outcome, figures = handled.outcome, self.figures
        figures.last_seen = self._clocks.now()
        if handled.is_known:
            figures.files_known += 1
            return
        figures.became(outcome)
        self._note_refusal(outcome, _hospital_of(file))

    def _note_refusal(self, outcome: InputOutcome, hospital: str) -> None:
        """A refusal is trouble until an export of the same hospital is accepted.

        One that is older than the last tells of nothing that was lost; several in a row do.
        """
        if outcome.verdict is not Verdict.REVIEW:
            self._refused.pop(hospital, None)
            self._refused.pop("", None)  # of no hospital that could be read
        elif outcome.reason != OLDER_THAN_LAST or self.figures.in_review_in_a_row >= LATE_IN_A_ROW:
            self._refused[hospital] = outcome.reason

    # -- the thread ---------------------------------------------------------------------------------

    def _run(self) -> None:
        try:
            self.look()
            inbox = self._inbox
            folders = (inbox.directory, inbox.approved, inbox.again)
            for _ in looks(folders, self._watching, self._stopping):
                self.look()
        except Exception as error:  # noqa: BLE001 - the supervisor reads it
            structlog.get_logger().exception("feed_failed", feed=self.identity.name)
            self.failure = error


def _export_order(found: Found) -> tuple[datetime, str]:
    parsed = found.file.parsed
    at = found.file.received_at if isinstance(parsed, Trouble) else parsed.exported_at
    return (at, found.path.name)


def _hospital_of(file: IncomingFile) -> str:
    return "" if isinstance(file.parsed, Trouble) else file.parsed.hospital.casefold()
