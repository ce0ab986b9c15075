"""Delivery as a part of the service: fan-out, dispatcher, and the current subscribers."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable, Mapping
from contextlib import suppress
from typing import Any, Final

from bus.port import LogError
from bus.runner import StepRunner
from router.delivery.dispatcher import Dispatcher
from router.delivery.sender import STOP_WITHIN_S, Sender
from schemas.registration import Registration
from wardbridge.parts.base import describe
from wardbridge.routing.component import RouterComponent

LOOK_S: Final = 0.5  # how long an end of a registration takes to show


class DeliveryComponent:
    """Tells every subscriber. One that takes nothing is no fault of ours.

    ``begin`` notes who is new, ``wanted`` says who is registered, ``make`` gives a sender; the first two block and
    raise LogError. Without anybody to tell nothing runs, for a position kept for nobody would cost a commit
    for every one of the router's.
    """

    name = "delivery"

    def __init__(  # noqa: PLR0913, PLR0917 - the parts of the component
        self,
        fan_out: StepRunner[Any],
        dispatcher: Dispatcher,
        begin: Callable[[], None],
        configured: Iterable[Sender],
        wanted: Callable[[], Mapping[str, Registration]],
        make: Callable[[Registration], Sender],
    ) -> None:
        self.dispatcher = dispatcher
        self._fan_out = RouterComponent(fan_out)
        self._begin = begin
        self._configured = tuple(configured)
        self._wanted = wanted
        self._make = make
        self._registered: dict[tuple[str, str], Sender] = {}
        self._stopping = asyncio.Event()
        self._following: asyncio.Task[None] | None = None
        self._dispatching: asyncio.Task[None] | None = None

    async def start(self) -> None:
        """Begin with what the router decides from now on, or where it was left."""
        await asyncio.to_thread(self._begin)
        for sender in self._configured:
            await self.dispatcher.add(sender)
        await self._change()
        self._following = asyncio.create_task(self._follow())

    async def stop(self) -> None:
        """End; whatever no subscriber has taken yet is sent at the next start."""
        self._stopping.set()
        if self._following is not None:  # to its end: a sender that ends is then let go of
            await asyncio.gather(self._following, return_exceptions=True)
        await self._fan_out.stop()
        self.dispatcher.ask_to_stop()
        if self._dispatching is not None:
            await asyncio.gather(self._dispatching, return_exceptions=True)
        await self.dispatcher.stop(STOP_WITHIN_S)

    def blocking(self) -> str | None:
        """The log fails, or what was decided has not been looked at yet."""
        if self._dispatching is None:
            return None
        return self._fan_out.blocking() or self.dispatcher.log_trouble

    def failure(self) -> str | None:
        """A part ended by an error."""
        return self._fan_out.failure() or _ended(self._dispatching) or _ended(self._following)

    async def _follow(self) -> None:
        while not self._stopping.is_set():
            with suppress(TimeoutError):
                await asyncio.wait_for(self._stopping.wait(), LOOK_S)
                return
            await self._change()

    async def _change(self) -> None:
        """Bring the senders in line with who is registered: one that was changed ends and begins."""
        try:
            registered = (await asyncio.to_thread(self._wanted)).values()
        except LogError:
            return  # the parts that read the log say so
        # What is sealed is never the same twice, however a name was given up and registered meanwhile.
        wanted = {(each.name, each.sealed): each for each in registered}
        for key in self._registered.keys() - wanted.keys():
            await self.dispatcher.remove(self._registered.pop(key))
        for key in wanted.keys() - self._registered.keys():
            self._registered[key] = self._make(wanted[key])
            await self.dispatcher.add(self._registered[key])
        if self.dispatcher.senders and self._dispatching is None:
            await self._fan_out.start()
            self._dispatching = asyncio.create_task(self.dispatcher.run())


def _ended(task: asyncio.Task[None] | None) -> str | None:
    """Why a task that works for as long as the service does has ended."""
    if task is None or not task.done() or task.cancelled():
        return None
    error = task.exception()
    return describe(error) if error else None
