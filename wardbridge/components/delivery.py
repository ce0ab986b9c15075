"""Delivery in the service: the fan-out, and a thread for each subscriber's sender."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

from bus.runner import StepRunner
from router.delivery.doorbell import Doorbell
from router.delivery.sender import Sender
from wardbridge.components.base import describe
from wardbridge.components.router import RouterComponent


class DeliveryComponent:
    """Tells every configured subscriber. A subscriber that takes nothing is no fault of ours."""

    name = "delivery"

    def __init__(
        self,
        begin: Callable[[], None],
        fan_out: StepRunner[Any],
        senders: Sequence[Sender],
        doorbell: Doorbell | None = None,
    ) -> None:
        self._begin = begin
        self._doorbell = doorbell
        self._fan_out = RouterComponent(fan_out)
        self.senders = senders
        self._failure: BaseException | None = None
        self._threads: list[threading.Thread] = []

    async def start(self) -> None:
        """Begin with what the router decides from now on, or where it was left."""
        if not self.senders:
            return  # a position kept for nobody would cost a commit for every one of the router's
        await asyncio.to_thread(self._begin)
        await self._fan_out.start()
        loop = asyncio.get_running_loop()
        self._threads = [
            self._thread(f"subscriber-{each.name}", partial(each.run, loop))
            for each in self.senders
        ]
        if self._doorbell is not None:
            self._threads.append(self._thread("doorbell", self._doorbell.run))
        for thread in self._threads:
            thread.start()

    async def stop(self) -> None:
        """End; whatever no subscriber has taken yet is sent at the next start."""
        await self._fan_out.stop()
        if self._doorbell is not None:
            self._doorbell.stop()
        for sender in self.senders:
            sender.stop()
        for thread in self._threads:
            if thread.is_alive():
                await asyncio.to_thread(thread.join)
        for sender in self.senders:
            await sender.close()

    def blocking(self) -> str | None:
        """The log fails, or what was decided has not been looked at yet."""
        return self._fan_out.blocking() if self.senders else None

    def failure(self) -> str | None:
        """A thread ended by an error."""
        return self._fan_out.failure() or (describe(self._failure) if self._failure else None)

    def _thread(self, name: str, work: Callable[[], None]) -> threading.Thread:
        return threading.Thread(target=self._guarded, args=(work,), name=name, daemon=True)

    def _guarded(self, work: Callable[[], None]) -> None:
        try:
            work()
        except Exception as error:  # noqa: BLE001 - the supervisor reads it, ends the process
            self._failure = error
