"""A dispatcher at work on a log, and endpoints that answer as they are told."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import AsyncIterator, Callable, Coroutine, Iterator, Mapping, Sequence
from contextlib import asynccontextmanager, contextmanager
from datetime import datetime
from typing import Any, TypeVar

from tenacity import retry, retry_if_result, stop_after_delay, wait_fixed

from bus.belonging import is_position_row
from bus.memory import MemoryLog
from bus.port import Log, LogError, Record, TopicPartition
from bus.records import records_of
from router.delivery.channel import AttemptResult, Outgoing
from router.delivery.dispatcher import Dispatcher
from router.delivery.lanes import RetryTerms
from router.delivery.sender import Sender
from schemas import topics
from schemas.delivery import Delivery, SubscriberState

QUICK = RetryTerms(first_pause_s=0.001, longest_pause_s=0.01)
SLOW = RetryTerms(first_pause_s=600, longest_pause_s=600)
TAKEN = AttemptResult(status=204)
REFUSED = AttemptResult("answered 500", 500)
T = TypeVar("T")
Behave = Callable[[Outgoing], AttemptResult]


class Endpoint:
    """A channel that answers as it is told, and notes what it was sent."""

    def __init__(
        self, answer: Behave = lambda _: TAKEN, *, in_order: bool = False, name: str = "here"
    ) -> None:
        self.endpoint = name
        self.one_at_a_time = self.keeps_visits = in_order
        self.sent: list[Outgoing] = []
        self.taken: list[Outgoing] = []
        self.tests: list[str] = []
        self.tested = TAKEN
        self.is_closed = False
        self._answer = answer

    async def send(self, outgoing: Outgoing) -> AttemptResult:
        self.sent.append(outgoing)
        await asyncio.sleep(0)
        answer = self._answer(outgoing)
        if answer.refusal is None:
            self.taken.append(outgoing)
        return answer

    async def test(self, number: str, at: datetime) -> AttemptResult:
        del at
        self.tests.append(number)
        return self.tested

    async def close(self) -> None:
        self.is_closed = True

    def numbers(self) -> list[int]:
        """Of what was taken, in this order."""
        return [each.sequence for each in self.taken]


class Hanging(Endpoint):
    """Answers nothing for what it is told to, until it is let go."""

    def __init__(self, hangs: Callable[[Outgoing], bool]) -> None:
        super().__init__()
        self.go = asyncio.Event()
        self._hangs = hangs

    async def send(self, outgoing: Outgoing) -> AttemptResult:
        if self._hangs(outgoing):
            self.sent.append(outgoing)
            await self.go.wait()
            self.taken.append(outgoing)
            return TAKEN
        return await super().send(outgoing)


class FailingLog(MemoryLog):
    """Does what is asked, or raises while it is told to. Counts commits."""

    def __init__(self, partitions: int = 1) -> None:
        super().__init__(partitions)
        self.failing: set[str] = set()
        self.commits = 0
        self.committing = threading.Event()
        self.committing.set()

    def _maybe_fail(self, what: str) -> None:
        if what in self.failing:
            raise LogError(f"no {what}")

    def read(self, *given: Any) -> Any:
        self._maybe_fail("read")
        return super().read(*given)

    def scan(self, *given: Any) -> Any:
        self._maybe_fail("scan")
        return super().scan(*given)

    def commit(
        self, group: str, positions: Mapping[TopicPartition, int], records: Sequence[Record]
    ) -> None:
        assert self.committing.wait(20)
        self._maybe_fail("commit")
        self.commits += 1
        super().commit(group, positions, records)


def sender_to(
    endpoint: Endpoint, name: str = "s", terms: RetryTerms = QUICK, **more: Any
) -> Sender:
    return Sender(name, endpoint, terms, **more)


@asynccontextmanager
async def dispatching(
    log: Log, *senders: Sender, killed: bool = False, **more: Any
) -> AsyncIterator[Dispatcher]:
    """``killed``: it ends without a word at the end of the block, as a process may."""
    dispatcher = Dispatcher(log, **more)
    for each in senders:
        await dispatcher.add(each)
    work = asyncio.create_task(dispatcher.run())
    try:
        yield dispatcher
    finally:
        if killed:
            await kill(dispatcher, work)
        else:
            dispatcher.ask_to_stop()
            await work
            await dispatcher.stop(5.0)


async def kill(dispatcher: Dispatcher, work: asyncio.Task[None]) -> None:
    """Nothing more is sent, and nothing committed."""
    dispatcher.ask_to_stop()
    work.cancel()
    await asyncio.gather(work, return_exceptions=True)
    await asyncio.gather(*(each.end(0.0) for each in dispatcher.senders.values()))
    dispatcher._thread.shutdown()
    dispatcher._log.rewind("delivery")


async def until(condition: Callable[[], object], within_s: float = 20.0) -> None:
    """Wait for something that the event loop, or a thread, brings about."""
    async with asyncio.timeout(within_s):
        while not condition():  # noqa: ASYNC110 - whatever it is has no event
            await asyncio.sleep(0.002)


def receipts(log: Log) -> list[Delivery]:
    return [
        Delivery.model_validate_json(each.value or b"")
        for each in records_of(log, topics.DELIVERIES)
    ]


def states(log: Log) -> dict[str, SubscriberState]:
    found = {}
    for partition in range(log.partitions(topics.SUBSCRIBERS)):
        for row in log.load(TopicPartition(topics.SUBSCRIBERS, partition)):
            if not is_position_row(row.key):
                found[row.key or ""] = SubscriberState.model_validate_json(row.value or b"")
    return found


def state(log: Log, name: str = "s") -> SubscriberState:
    return states(log)[name]


class AtWork:
    """A dispatcher in an event loop of its own, for tests that have none."""

    def __init__(self, dispatcher: Dispatcher, loop: asyncio.AbstractEventLoop) -> None:
        self.dispatcher = dispatcher
        self._loop = loop

    def do(self, order: Callable[[], object]) -> None:
        """Carry it out in the loop, and keep it."""

        async def done() -> None:
            order()
            await self.dispatcher.keep()

        asyncio.run_coroutine_threadsafe(done(), self._loop).result(20)


@contextmanager
def at_work(log: Log, *senders: Sender) -> Iterator[AtWork]:
    with looping() as loop:

        def run(work: Coroutine[Any, Any, T]) -> T:
            return asyncio.run_coroutine_threadsafe(work, loop).result(30)

        async def begun() -> tuple[Dispatcher, asyncio.Task[None]]:
            dispatcher = Dispatcher(log)
            for each in senders:
                await dispatcher.add(each)
            return dispatcher, asyncio.get_running_loop().create_task(dispatcher.run())

        async def ended(dispatcher: Dispatcher, work: asyncio.Task[None]) -> None:
            dispatcher.ask_to_stop()
            await work
            await dispatcher.stop(5.0)

        dispatcher, work = run(begun())
        try:
            yield AtWork(dispatcher, loop)
        finally:
            run(ended(dispatcher, work))


@contextmanager
def looping() -> Iterator[asyncio.AbstractEventLoop]:
    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever)
    thread.start()
    try:
        yield loop
    finally:
        loop.call_soon_threadsafe(loop.stop)
        thread.join()
        loop.close()


@retry(
    retry=retry_if_result(lambda is_so: not is_so),
    wait=wait_fixed(0.01),
    stop=stop_after_delay(180),
)
def until_so(condition: Callable[[], bool]) -> bool:
    """The same as :func:`until`, outside of an event loop."""
    return condition()
