"""Those who listen to a ward's stream by a client that is not ours, and misbehave as they go.

Each connection begins where the one before it ended, by ``Last-Event-ID``, or a little earlier, as of a
client that crashed before it had written down how far it was. What a connection then does is chance:
read until it breaks, reset or close it after a few events, leave it open unread beside the next one, read
slowly, read nothing for a while. Whatever comes out of turn is kept as a complaint.
"""

from __future__ import annotations

import json
import random
import socket
import threading
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, suppress
from typing import Final, NamedTuple, Self

import httpx
from httpx_sse import EventSource, ServerSentEvent, SSEError, connect_sse
from tenacity import retry, retry_if_exception_type, stop_after_delay, wait_fixed

from schemas.notification import Notification

BEFORE_THE_FIRST: Final = "0"
READ_WITHIN_S: Final = 30.0
AWAY_S: Final = 0.1  # before the next try where nobody answers
SLOW_S: Final = 0.02
HANGING_S: Final = 0.5
MOST_EVENTS: Final = 12  # after which a connection ends that is to end by itself
ABANDONED_AT_ONCE: Final = 3
FORGOTTEN: Final = 3
NO_LINGER: Final = b"\1\0\0\0\0\0\0\0"


class Heard(NamedTuple):
    """One event as it came."""

    event_id: str
    notice: str

    @property
    def sequence(self) -> int:
        return sequence_of(self.event_id)


class StreamListener:
    """Listens to one ward until told to stop; ``how`` counts what its connections did."""

    def __init__(self, url: str, ward: str, seed: int) -> None:
        self.ward = ward
        self.heard: list[Heard] = []
        self.complaints: list[str] = []
        self.how: Counter[str] = Counter()
        self._url = f"{url}/v1/wards/{ward}/stream"
        self._chance = random.Random(seed)
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._run, name=f"listener-{ward}")

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop_soon()
        self._thread.join()

    def stop_soon(self) -> None:
        """Connect no more; an open stream is read until the service ends it."""
        self._stopping.set()

    def distinct(self) -> dict[int, str]:
        """Sequence to notice, in the order in which they were first heard."""
        found: dict[int, str] = {}
        for each in self.heard:
            found.setdefault(each.sequence, each.notice)
        return found

    @retry(retry=retry_if_exception_type(AssertionError), wait=wait_fixed(0.05),
           stop=stop_after_delay(180), reraise=True)  # fmt: skip
    def wait_for(self, sequence: int) -> None:
        assert max(self.distinct(), default=0) >= sequence, (self.ward, self.how)

    def check(self, told: Sequence[Notification]) -> None:
        """Each of the ward's notices came, first in order, the same each time, and nothing else."""
        own = {n.data.sequence: n.id for n in told if n.data.ward == self.ward}
        found = self.distinct()
        assert self.complaints == []
        assert list(found) == sorted(own)
        assert {at: json.loads(notice)["id"] for at, notice in found.items()} == own
        assert [each for each in self.heard if each.notice != found[each.sequence]] == []

    def _run(self) -> None:
        with ExitStack() as abandoned:
            while not self._stopping.is_set():
                try:
                    self._connection(abandoned)
                except (httpx.HTTPError, SSEError) as error:  # away, or killed in the midst
                    self.how[type(error).__name__] += 1
                    self._stopping.wait(AWAY_S)

    def _connection(self, abandoned: ExitStack) -> None:
        after = self._where_it_believes_to_be()
        with ExitStack() as stack:
            client = stack.enter_context(httpx.Client(timeout=READ_WITHIN_S, trust_env=False))
            headers = {"Last-Event-ID": after}
            stream = stack.enter_context(connect_sse(client, "GET", self._url, headers=headers))
            stream.response.raise_for_status()
            act = self._behaviour()
            self.how[act.__name__.strip("_")] += 1
            act(stream, self._taken(stream, sequence_of(after)))
            if act == self._abandon and self.how["abandon"] <= ABANDONED_AT_ONCE:
                abandoned.push(stack.pop_all())

    def _where_it_believes_to_be(self) -> str:
        forgotten = self._chance.randint(1, FORGOTTEN) if self._chance.random() < 0.2 else 0
        if len(self.heard) <= forgotten:
            return BEFORE_THE_FIRST
        return self.heard[-1 - forgotten].event_id

    def _taken(self, stream: EventSource, last: int) -> Iterator[ServerSentEvent]:
        """Each event, noted; a connection must begin right after ``last`` and leave nothing out."""
        for event in stream.iter_sse():
            if not event.data:  # a block of ``retry`` alone, which the standard says is no event
                continue
            if event.event != "message" or sequence_of(event.id) != last + 1:
                self.complaints.append(f"{event.event} {event.id} {event.data} after {last}")
            last = sequence_of(event.id)
            self.heard.append(Heard(event.id, event.data))
            yield event

    def _behaviour(self) -> Callable[[EventSource, Iterator[ServerSentEvent]], None]:
        if self._chance.random() < 0.4:
            return self._read
        return self._chance.choice(
            [self._reset, self._close, self._abandon, self._read_slowly, self._hang]
        )

    def _read(self, _stream: EventSource, events: Iterator[ServerSentEvent]) -> None:
        """Until it breaks."""
        for _ in events:
            pass

    def _close(self, _stream: EventSource, events: Iterator[ServerSentEvent]) -> None:
        for _, _ in zip(range(self._chance.randint(1, MOST_EVENTS)), events, strict=False):
            pass

    def _abandon(self, stream: EventSource, events: Iterator[ServerSentEvent]) -> None:
        """As a client behind a network that went away: never read again, and not closed."""
        self._close(stream, events)

    def _reset(self, stream: EventSource, events: Iterator[ServerSentEvent]) -> None:
        self._close(stream, events)
        connection: socket.socket = stream.response.extensions["network_stream"].get_extra_info("socket")  # fmt: skip
        with suppress(OSError):
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, NO_LINGER)
            connection.close()

    def _read_slowly(self, _stream: EventSource, events: Iterator[ServerSentEvent]) -> None:
        for _, _ in zip(range(MOST_EVENTS), events, strict=False):
            self._stopping.wait(SLOW_S)

    def _hang(self, stream: EventSource, events: Iterator[ServerSentEvent]) -> None:
        """Reads nothing for a while, then what has come meanwhile."""
        self._stopping.wait(HANGING_S)
        self._close(stream, events)


def check_all(listeners: Sequence[StreamListener], told: Sequence[Notification]) -> None:
    """Each has heard what its ward was told; prints the counts."""
    for each in listeners:
        each.check(told)
    heard = sum(len(each.heard) for each in listeners)
    distinct = sum(len(each.distinct()) for each in listeners)
    how = sum((each.how for each in listeners), Counter[str]())
    print(f"streams: {heard} events for {distinct} notices; connections: {dict(how.most_common())}")
    assert distinct > 0
    assert how.total() > len(listeners)


def sequence_of(event_id: str) -> int:
    return int(event_id.partition(".")[0])
