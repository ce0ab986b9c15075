"""Reads the queues of all subscribers, hands notices to their senders, and commits the results.

Theory of operation
-------------------
One group reads topic ``outgoing``; whoever is assigned a partition has all subscribers of that partition. A round is:
read what is new, count it and open it (``router.delivery.subscriber_account``), and, where it is time, commit: the
receipts of what has ended, the rows of the subscribers that changed, and the position, as one. Reading and
committing block, so they have a thread, the same for both; everything else is done in the event loop, and sending goes
on while the thread waits.

What a kill repeats is what has ended since the last commit, at most :data:`UNCOMMITTED_NOTICES` notices, and
what was under way then.

A partition that is assigned is restored from its rows, which go with the position. When the log has failed, another
process may have had the partition meanwhile: it was not touched if rows and position are those that were committed
last; else all of it is restored.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Iterable, Sequence
from concurrent.futures import Executor, ThreadPoolExecutor
from concurrent.futures import TimeoutError as FutureTimeoutError
from contextlib import suppress
from datetime import UTC, datetime
from functools import partial
from typing import Any, Final, TypeVar

import structlog

from bus.port import (
    Batch,
    Log,
    LogError,
    LogFencedError,
    PositionLostError,
    Record,
    Stored,
    TopicPartition,
)
from router.delivery.lanes import EndedDelivery
from router.delivery.ledger import Ledger
from router.delivery.queue import GROUP, PAGE_RECORDS, QueuePosition, own_of
from router.delivery.receipts import receipt_of
from router.delivery.sender import Clock, Sender
from router.delivery.subscriber_account import SubscriberAccount, UnreadableError
from schemas import topics
from schemas.delivery import SubscriberState

READ_RECORDS: Final = 500
IDLE_WAIT_S: Final = 1.0
"""How long a read waits while nothing is open: what `stop` may have to wait for."""
COMMIT_EVERY_S: Final = 0.1
COMMIT_NOTICES: Final = 128
UNCOMMITTED_NOTICES: Final = 256
LOG_PAUSE_S: Final = 1.0
SETTLE_WITHIN_S: Final = 4.0
"""What is under way when a partition is given away is waited for, so that it is not sent again."""
SETTLE_LOOK_S: Final = 0.01
T = TypeVar("T")
InThread = Callable[..., Awaitable[None]]
OnUnreadable = Callable[[Stored], Sequence[Record]]
"""What to write where a record of the queue holds no notice."""


class Dispatcher:
    """All subscribers of one process. Belongs to the event loop; :meth:`run` is its work."""

    def __init__(
        self,
        log: Log,
        on_unreadable: OnUnreadable = lambda _: (),
        clock: Clock = time.time,
        executor: Executor | None = None,
    ) -> None:
        self.senders: dict[str, Sender] = {}
        self.log_trouble: str | None = None
        self._log = log
        self._on_unreadable = on_unreadable
        self._clock = clock
        self._thread = executor or ThreadPoolExecutor(1, "delivery")
        self._accounts: dict[int, dict[str, SubscriberAccount]] = {}
        self._positions: dict[int, int] = {}
        self._ledger = Ledger(log)
        self._ended: list[Record] = []
        self._committing = 0
        self._changed: dict[str, SubscriberAccount] = {}
        self._committed_at_s = clock()
        self._is_suspect = False
        self._is_leaving = False
        self._is_stopping = False
        self._asked_to_commit: list[asyncio.Future[None]] = []
        self._to_read: dict[str, SubscriberAccount] = {}
        self._reading_on: asyncio.Task[None] | None = None

    # -- who is told

    async def add(self, sender: Sender) -> None:
        """Send to one more subscriber, from where its queue was left."""
        self.senders[sender.name] = sender
        partition = self._partition_of(sender.name)
        if partition in self._accounts:
            account = self._account(partition, sender.name)
            sender.begin(account, self)
            self._read_on([account])

    async def remove(self, sender: Sender) -> None:
        """Send nothing more to one; what is open for it stays in its row."""
        self.senders.pop(sender.name, None)
        account = sender.account
        await sender.end()
        if account is not None:
            self.note_changed(account)
        await sender.close()

    async def keep(self) -> None:
        """Return once everything that was noted is committed. Raises LogError where that fails."""
        done: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._asked_to_commit.append(done)
        await done

    # -- what senders tell (see ``router.delivery.sender.Office``)

    def may_begin(self) -> bool:
        """Whether one more notice may end before the next commit."""
        is_ending = self._is_stopping or self._is_leaving
        return self._uncommitted() < UNCOMMITTED_NOTICES and not is_ending

    def note_ended(self, account: SubscriberAccount, ended: EndedDelivery) -> None:
        """A notice has ended: it is kept with the next commit."""
        at = datetime.fromtimestamp(self._clock(), UTC)
        self._ended.append(receipt_of(account.name, ended, at))
        self.note_changed(account)

    def note_changed(self, account: SubscriberAccount) -> None:
        """The row says something else: it is kept with the next commit."""
        self._changed[account.name] = account
        if account.has_left:
            self._read_on([account])

    # -- at work

    async def run(self) -> None:
        """Work until :meth:`stop`. Raises LogFencedError when a newer owner took over."""
        settle = partial(self._settle_for, asyncio.get_running_loop())
        self._log.settle_before_leaving(GROUP, settle)
        while not self._is_stopping:
            try:
                await self.round(self._wait_s())
            except LogFencedError:
                raise
            except LogError as error:
                self._note_failure(error)
                await asyncio.sleep(LOG_PAUSE_S)

    async def round(self, wait_s: float) -> None:
        """Read once, and commit where it is time. Raises LogError."""
        try:
            batch = await self._in_thread(
                self._log.read, GROUP, (topics.OUTGOING,), READ_RECORDS, wait_s
            )
        except PositionLostError:
            await self._go_on_at_the_oldest()
            return
        await self._follow(batch)
        self._take(batch)
        if self._must_commit():
            await self._commit()
        self.log_trouble = None

    async def stop(self, within_s: float) -> None:
        """End what is under way, as far as it ends in time, and commit. :meth:`run` has returned."""
        self._is_stopping = True
        senders = list(self.senders.values())
        await asyncio.gather(*(self._end(sender, within_s) for sender in senders))
        if self._reading_on is not None:
            self._reading_on.cancel()
            await asyncio.gather(self._reading_on, return_exceptions=True)
        try:
            if self._ended or self._changed:
                await self._commit()
        except LogError as error:
            self._note_failure(error)
        await asyncio.gather(*(sender.close() for sender in senders))
        self._thread.shutdown(wait=False)

    def ask_to_stop(self) -> None:
        """Let :meth:`run` return, after the round under way."""
        self._is_stopping = True

    # -- partitions

    async def _follow(self, batch: Batch) -> None:
        """Have the accounts of the partitions that are ours, and of no others."""
        for partition in set(self._accounts) - batch.assigned:
            await self._drop(partition)
        if self._is_suspect:
            await self._drop_what_others_touched()
            self._is_suspect = False
        for partition in sorted(batch.assigned - set(self._accounts)):
            await self._restore(partition)
        if self._is_leaving:
            self._is_leaving = False
            self._wake(list(self.senders))

    def _settle_for(self, loop: asyncio.AbstractEventLoop) -> None:
        """Before partitions are given away; in a thread of the log's, while ours waits for the reading."""
        if self._is_stopping:  # then it is settled
            return
        with suppress(FutureTimeoutError, LogError):
            asyncio.run_coroutine_threadsafe(self._settle(), loop).result(2 * SETTLE_WITHIN_S)

    async def _settle(self) -> None:
        """Begin nothing more, let what is under way end, and commit."""
        self._is_leaving = True
        with suppress(TimeoutError):
            async with asyncio.timeout(SETTLE_WITHIN_S):
                while self._is_sending():  # noqa: ASYNC110 - attempts end each for itself
                    await asyncio.sleep(SETTLE_LOOK_S)
        await self._commit(in_thread=asyncio.to_thread)

    async def _restore(self, partition: int) -> None:
        kept = await self._in_thread(self._ledger.take_over, partition)
        # Also where nothing comes: a commit without a position would not be compared with the group's.
        self._positions[partition] = kept.position
        self._accounts[partition] = {
            name: SubscriberAccount(state) for name, state in kept.rows.items()
        }
        for sender in self._senders_of(partition):
            sender.begin(self._account(partition, sender.name), self)
        self._read_on(self._accounts[partition].values())

    async def _drop(self, partition: int) -> None:
        """It is another process's: what was not committed is for that one to send."""
        await asyncio.gather(*(sender.end(0.0) for sender in self._senders_of(partition)))
        for name in self._accounts.pop(partition):
            self._changed.pop(name, None)
        self._positions.pop(partition, None)
        self._ended = [each for each in self._ended if self._partition_of(each.route) != partition]

    async def _drop_what_others_touched(self) -> None:
        for partition in list(self._accounts):
            if not await self._in_thread(self._ledger.is_untouched, partition):
                await self._drop(partition)

    def _senders_of(self, partition: int) -> list[Sender]:
        return [
            each for each in self.senders.values() if self._partition_of(each.name) == partition
        ]

    def _partition_of(self, name: str) -> int:
        return self._log.partition_of(topics.OUTGOING, name)

    def _account(self, partition: int, name: str) -> SubscriberAccount:
        known = self._accounts[partition]
        if name not in known:
            known[name] = SubscriberAccount(SubscriberState(subscriber=name))
        return known[name]

    # -- records

    def _take(self, batch: Batch) -> None:
        """Open what is new. What was read before the log failed is read again, and was counted."""
        awake: set[str] = set()
        for stored in batch.records:
            if stored.is_foreign:
                self._note_unreadable(stored)
                continue
            account = self._account(stored.partition, stored.key or "")
            self._changed[account.name] = account
            try:
                account.take(stored)
            except UnreadableError:
                self._note_unreadable(stored)
            awake.add(account.name)
        for at, position in batch.positions.items():
            if at.partition in self._accounts:
                known = self._positions.get(at.partition, 0)
                self._positions[at.partition] = max(known, position)
        self._wake(awake)

    def _note_unreadable(self, stored: Stored) -> None:
        structlog.get_logger().error("notice_unreadable", offset=stored.offset)
        self._ended += self._on_unreadable(stored)

    def _wake(self, names: Iterable[str]) -> None:
        for name in names:
            if (sender := self.senders.get(name)) is not None:
                sender.wake()

    async def _go_on_at_the_oldest(self) -> None:
        """The process was away for longer than notices are kept: each subscriber misses some."""
        lost = await self._in_thread(self._ledger.lose)
        for sender in self.senders.values():
            sender.figures.lost += 1
        structlog.get_logger().error("notices_lost", subscribers=lost)
        self._is_suspect = True
        await self._in_thread(self._log.rewind, GROUP)

    # -- what was left in the log

    def _read_on(self, accounts: Iterable[SubscriberAccount]) -> None:
        """Read what was left of these, where there is room for it now."""
        self._to_read |= {each.name: each for each in accounts if each.to_read() is not None}
        is_reading = self._reading_on is not None and not self._reading_on.done()
        if self._to_read and not is_reading and not self._is_stopping:
            self._reading_on = asyncio.get_running_loop().create_task(self._read_what_was_left())

    async def _read_what_was_left(self) -> None:
        """A page for each account in turn, until there is no more room, or nothing is left."""
        while self._to_read:
            name, account = next(iter(self._to_read.items()))
            del self._to_read[name]
            place = account.to_read()
            if place is not None and self._is_ours(account):
                try:
                    await self._read_page(account, place)
                except LogError as error:
                    self.log_trouble = str(error)
                    await asyncio.sleep(LOG_PAUSE_S)
                if account.to_read() is not None:
                    self._to_read[name] = account

    def _is_ours(self, account: SubscriberAccount) -> bool:
        known = self._accounts.get(self._partition_of(account.name), {})
        return known.get(account.name) is account

    async def _read_page(self, account: SubscriberAccount, place: QueuePosition) -> None:
        at = TopicPartition(topics.OUTGOING, self._partition_of(account.name))
        try:
            found = await asyncio.to_thread(self._log.scan, at, place.offset, PAGE_RECORDS)
        except PositionLostError:
            await self._lose_what_was_left(at, account)
            return
        if account.to_read() != place or not self._is_ours(account):
            return  # something else was read, or the partition dropped, meanwhile
        position = self._positions[at.partition]
        end = found[-1].offset + 1 if found else position
        own = list(own_of(found, account.name))
        for stored in account.read_on(place, own, end, position):
            self._note_unreadable(stored)
        self.note_changed(account)
        if (sender := self.senders.get(account.name)) is not None:
            sender.wake()

    async def _lose_what_was_left(self, at: TopicPartition, account: SubscriberAccount) -> None:
        start = (await asyncio.to_thread(self._log.starts, at.topic))[at.partition]
        position = self._positions.get(at.partition, start)
        kept = await asyncio.to_thread(self._own_between, at, account.name, start, position)
        lost = account.lose_before(start, kept, position)
        self.note_changed(account)
        if (sender := self.senders.get(account.name)) is not None:
            sender.figures.lost += lost
        structlog.get_logger().error("notices_lost", subscriber=account.name, notices=lost)

    def _own_between(self, at: TopicPartition, name: str, start: int, end: int) -> list[Stored]:
        kept: list[Stored] = []
        while start < end and (found := self._log.scan(at, start, PAGE_RECORDS)):
            kept += (each for each in own_of(found, name) if each.offset < end)
            start = found[-1].offset + 1
        return kept

    # -- commits

    def _wait_s(self) -> float:
        """Short while something may end that is to be committed soon."""
        is_busy = self._ended or self._changed or self._asked_to_commit
        return COMMIT_EVERY_S if is_busy or self._is_sending() else IDLE_WAIT_S

    def _is_sending(self) -> bool:
        return any(sender.is_sending for sender in self.senders.values())

    def _must_commit(self) -> bool:
        if self._asked_to_commit or len(self._ended) >= COMMIT_NOTICES:
            return True
        is_due = self._clock() - self._committed_at_s >= COMMIT_EVERY_S
        return is_due and bool(self._ended or self._changed)

    async def _commit(self, in_thread: InThread | None = None) -> None:
        """Receipts, rows and positions, as one. Where it fails, all of it is for the next time."""
        ended, changed, asked = self._ended, self._changed, self._asked_to_commit
        self._ended, self._changed, self._asked_to_commit = [], {}, []
        states = [account.row() for account in changed.values()]
        self._committing = len(ended)  # a kill amid the commit repeats these, too
        try:
            run = in_thread or self._in_thread
            await run(self._ledger.commit, dict(self._positions), ended, states)
        except LogError as error:
            self._ended, self._changed = ended + self._ended, changed | self._changed
            _tell(asked, error)
            raise
        finally:
            was_full, self._committing = self._uncommitted() >= UNCOMMITTED_NOTICES, 0
        self._committed_at_s = self._clock()
        _tell(asked, None)
        if was_full:
            self._wake(list(self.senders))

    def _uncommitted(self) -> int:
        """Notices that have ended and of which the log may not know."""
        return len(self._ended) + self._committing

    def _note_failure(self, error: LogError) -> None:
        self.log_trouble = str(error)
        self._is_suspect = True
        self._log.rewind(GROUP)

    async def _end(self, sender: Sender, within_s: float) -> None:
        account = sender.account
        await sender.end(within_s)
        if account is not None:
            self.note_changed(account)

    async def _in_thread(self, work: Callable[..., T], *given: Any) -> T:  # noqa: ANN401
        return await asyncio.get_running_loop().run_in_executor(self._thread, work, *given)


def _tell(waiting: Iterable[asyncio.Future[None]], error: LogError | None) -> None:
    for each in waiting:
        if not each.done():
            each.set_result(None) if error is None else each.set_exception(error)
