"""Listens on a port: who may connect, how many at once, and which connection is closed for a new one.

Connections are accepted here rather than by the loop's own server, so that a handshake of TLS that never ends
counts too, and so that a port that is full, or a process without a free file descriptor, still answers whoever
comes next: of those that wait for nothing of ours the oldest goes (:mod:`adapters.common.crowd`).
"""

from __future__ import annotations

import asyncio
import contextlib
import errno
import resource
import socket
import ssl
from collections import Counter
from collections.abc import Callable, Sequence
from typing import Final

from adapters.common.crowd import Crowd, FullError, peer_of
from adapters.common.limits import (
    ACCEPTED_AT_ONCE,
    BACKLOG,
    FILES_FREED_AT_ONCE,
    FILES_RESERVED,
    HANDSHAKE_S,
    REST_S,
)

_FILES_USED_UP: Final = frozenset({errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.ENOMEM})
_GONE_ALREADY: Final = (BlockingIOError, InterruptedError, ConnectionError)


def no_reasons() -> Counter[str]:
    """Nobody refused or ended yet, for each reason of this module: a metric is there before it grows."""
    return Counter(dict.fromkeys(("refused", "for_another", "handshake", "files"), 0))


class Guest:
    """One connection as its port sees it, from the moment when it was accepted."""

    def __init__(self, port: ListeningPort, accepted: socket.socket) -> None:
        self._port = port
        self._accepted = accepted
        self._transport: asyncio.Transport | None = None
        self.is_sent_away = False

    @property
    def is_connected(self) -> bool:
        """Whether a protocol has it: then the protocol says when it ends."""
        return self._transport is not None

    def connected(self, transport: asyncio.Transport) -> None:
        """A protocol has it now."""
        self._transport = transport
        if self.is_sent_away:
            transport.abort()

    def waits(self) -> None:
        """The next word is the peer's."""
        self._port.crowd.wait(self, self._port.now())

    def works(self) -> None:
        """The next word is ours."""
        self._port.crowd.work(self)

    def left(self) -> None:
        """The connection is gone."""
        self._port.crowd.leave(self)

    def send_away(self) -> None:
        """End it now: nothing that its peer does or does not do can hold it."""
        self.left()
        self.is_sent_away = True
        if self._transport is not None:
            self._end(self._transport)
        else:  # the loop's call cannot be cancelled: it may have called the protocol already
            with contextlib.suppress(OSError):
                self._accepted.shutdown(socket.SHUT_RDWR)

    @staticmethod
    def _end(transport: asyncio.Transport) -> None:
        """In order where that is at once: TLS waits for the peer's word, a full buffer for its reading."""
        if transport.get_extra_info("ssl_object") or transport.get_write_buffer_size():
            transport.abort()
        else:
            transport.close()


class ListeningPort:
    """One port, on each address that its host's name has. ``make`` makes a connection's protocol.

    ``ended`` counts the connections that were refused or ended here, by why.
    """

    def __init__(
        self,
        make: Callable[[Guest], asyncio.BaseProtocol],
        max_connections: int,
        max_of_one_peer: int,
        tls: ssl.SSLContext | None = None,
        ended: Counter[str] | None = None,
    ) -> None:
        self._make = make
        self._tls = tls
        self._loop = asyncio.get_running_loop()
        self.crowd: Crowd[Guest] = Crowd(max_connections, max_of_one_peer)
        self.ended = no_reasons() if ended is None else ended
        self._sockets: list[socket.socket] = []
        self._tasks: set[asyncio.Task[None]] = set()

    def now(self) -> float:
        """Seconds that never go back."""
        return self._loop.time()

    async def listen(self, host: str, port: int) -> int:
        """Bind and accept; the port, also where 0 was asked for. Raises OSError."""
        found = await self._loop.getaddrinfo(
            host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
        )
        try:
            for family, _, _, _, address in dict.fromkeys(found):
                self._sockets.append(_bound(family, address))
        except OSError as error:
            self.close()
            raise OSError(error.errno, f"{host} port {port}: {error.strerror}") from error
        for listening in self._sockets:
            self._loop.add_reader(listening, self._accept, listening)
        return int(self._sockets[0].getsockname()[1])

    def close(self) -> None:
        """Accept no more; whoever is connected stays. Idempotent."""
        for listening in self._sockets:
            self._loop.remove_reader(listening)
            listening.close()
        self._sockets.clear()
        for guest in self.crowd:
            if not guest.is_connected:
                guest.send_away()

    def send_away_who_waits(self) -> None:
        """At the end: nobody is kept waiting for a request that may never come."""
        for guest, _ in self.crowd.waiting():
            guest.send_away()

    def send_away(self, guest: Guest, why: str) -> None:
        """End a connection, and count why."""
        self.ended[why] += 1
        guest.send_away()

    def _accept(self, listening: socket.socket) -> None:
        for number in range(ACCEPTED_AT_ONCE):
            try:
                connection, address = listening.accept()
            except _GONE_ALREADY:
                return
            except OSError as error:
                if error.errno not in _FILES_USED_UP:
                    raise
                if not number:  # else it may be that nobody else has come
                    self._rest(listening)
                return
            self._enter(connection, peer_of(str(address[0])))

    def _enter(self, connection: socket.socket, peer: str) -> None:
        try:
            while (other := self.crowd.in_the_way_of(peer)) is not None:
                self.send_away(other, "for_another")
        except FullError:
            self.ended["refused"] += 1
            connection.close()
            return
        guest = Guest(self, connection)
        self.crowd.enter(guest, peer, self.now())
        connection.setblocking(False)  # noqa: FBT003 - the socket API
        connecting = self._loop.create_task(self._connect(connection, guest))
        self._tasks.add(connecting)
        connecting.add_done_callback(self._tasks.discard)

    async def _connect(self, connection: socket.socket, guest: Guest) -> None:
        within_s = HANDSHAKE_S if self._tls else None
        try:
            await self._loop.connect_accepted_socket(
                lambda: self._make(guest), connection, ssl=self._tls, ssl_handshake_timeout=within_s
            )
        except OSError:  # of TLS too: no handshake, or none in time
            self.ended["handshake"] += not guest.is_sent_away
            guest.left()
            connection.close()

    def _rest(self, listening: socket.socket) -> None:
        """No file descriptor is free: the oldest that waits gives its own, and a moment passes."""
        self.ended["files"] += 1
        for guest, _ in self.crowd.waiting()[:FILES_FREED_AT_ONCE]:
            self.send_away(guest, "for_another")
        self._loop.remove_reader(listening)
        self._loop.call_later(REST_S, self._go_on, listening)

    def _go_on(self, listening: socket.socket) -> None:
        if listening in self._sockets:
            self._loop.add_reader(listening, self._accept, listening)


def _bound(family: int, address: Sequence[object]) -> socket.socket:
    listening = socket.socket(family, socket.SOCK_STREAM)
    try:
        listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if family == socket.AF_INET6:
            listening.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
        listening.bind(tuple(address))
        listening.listen(BACKLOG)
        listening.setblocking(False)  # noqa: FBT003 - the socket API
    except OSError:
        listening.close()
        raise
    return listening


def fitting(wanted: int, ports: int = 1) -> int:
    """How many connections a port may have of those wanted, with the files that the process may open.

    ``ports`` share them; :data:`FILES_RESERVED` are left for the log and all else.
    """
    files, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    if files == resource.RLIM_INFINITY:
        return wanted
    return max(1, min(wanted, (files - FILES_RESERVED) // ports))
