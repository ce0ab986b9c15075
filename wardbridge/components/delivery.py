"""Delivery in the service: the fan-out, and a thread for each subscriber's sender."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable
from functools import partial
from typing import Any, Final

from bus.port import LogError, LogFencedError
from bus.runner import StepRunner
from router.delivery.doorbell import Doorbell
from router.delivery.sender import Sender
from wardbridge.components.base import describe
from wardbridge.components.roster import Roster
from wardbridge.components.router import RouterComponent

LOOK_S: Final = 0.5  # how long `stop` may have to wait, and an end of a registration takes to show
LOG_PAUSE_S: Final = 1.0


class DeliveryComponent:
    """Tells every subscriber. One that takes nothing is no fault of ours.

    One thread follows who registers: it begins and ends senders. Without anybody to tell nothing else
    runs, for a position kept for nobody would cost a commit for every one of the router's.
    """

    name = "delivery"

    def __init__(
        self,
        begin: Callable[[], None],
        fan_out: StepRunner[Any],
        senders: Roster,
        doorbell: Doorbell | None = None,
        wait: Callable[[float], None] | None = None,
    ) -> None:
        self._begin = begin
        self._doorbell = doorbell
        self._fan_out = RouterComponent(fan_out)
        self._wait = wait
        self.senders = senders
        self._failure: BaseException | None = None
        self._threads: dict[str, threading.Thread] = {}
        self._stopping = threading.Event()
        self._tells = False

    async def start(self) -> None:
        """Begin with what the router decides from now on, or where it was left."""
        loop = asyncio.get_running_loop()
        if self._wait is not None:
            await asyncio.to_thread(self.senders.change)
        if len(self.senders):
            await asyncio.to_thread(self._begin_telling, loop)
        for sender in self.senders:
            self._run_sender(sender, loop)
        if self._wait is not None:
            self._run("registrations", partial(self._follow, self._wait, loop))

    async def stop(self) -> None:
        """End; whatever no subscriber has taken yet is sent at the next start."""
        self._stopping.set()
        if (following := self._threads.pop("registrations", None)) is not None:
            await asyncio.to_thread(following.join)
        await self._fan_out.stop()
        if self._doorbell is not None:
            self._doorbell.stop()
        for sender in self.senders:
            sender.stop()
        for thread in self._threads.values():
            await asyncio.to_thread(thread.join)
        for sender in self.senders:
            await sender.close()

    def blocking(self) -> str | None:
        """The log fails, or what was decided has not been looked at yet."""
        return self._fan_out.blocking() if self._tells else None

    def failure(self) -> str | None:
        """A thread ended by an error."""
        return self._fan_out.failure() or (describe(self._failure) if self._failure else None)

    def _follow(self, wait: Callable[[float], None], loop: asyncio.AbstractEventLoop) -> None:
        while not self._stopping.is_set():
            try:
                self._change(loop)
                wait(LOOK_S)
            except LogFencedError:
                raise
            except LogError:
                self._stopping.wait(LOG_PAUSE_S)

    def _change(self, loop: asyncio.AbstractEventLoop) -> None:
        begin, end = self.senders.change()
        changed = {sender.name for sender in begin}
        for sender in end:
            self._end_sender(sender, loop, is_changed=sender.name in changed)
        for sender in begin:
            self._run_sender(sender, loop)
        if len(self.senders) and not self._tells:
            self._begin_telling(loop)

    def _begin_telling(self, loop: asyncio.AbstractEventLoop) -> None:
        self._begin()
        self._tells = True
        asyncio.run_coroutine_threadsafe(self._fan_out.start(), loop).result()
        if self._doorbell is not None:
            self._run("doorbell", self._doorbell.run)

    def _run_sender(self, sender: Sender, loop: asyncio.AbstractEventLoop) -> None:
        self._run(f"subscriber-{sender.name}", partial(sender.run, loop))

    def _end_sender(
        self, sender: Sender, loop: asyncio.AbstractEventLoop, *, is_changed: bool
    ) -> None:
        """To its end: one thread at a time reads for a subscriber. ``is_changed``: another goes on."""
        sender.stop()
        self._threads.pop(f"subscriber-{sender.name}").join()
        if not is_changed:
            sender.leave()
        asyncio.run_coroutine_threadsafe(sender.close(), loop).result()

    def _run(self, name: str, work: Callable[[], None]) -> None:
        thread = threading.Thread(target=self._guarded, args=(work,), name=name, daemon=True)
        self._threads[name] = thread
        thread.start()

    def _guarded(self, work: Callable[[], None]) -> None:
        try:
            work()
        except Exception as error:  # noqa: BLE001 - the supervisor reads it, ends the process
            self._failure = error
