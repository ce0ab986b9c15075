"""Work in an event loop that a thread waits for, and that any other thread may break off."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable, Coroutine
from concurrent.futures import CancelledError, Future, wait
from typing import Any, Final, TypeVar

from bus.port import LogError

KEEP_EVERY_S: Final = 1.0  # that the log is told of a batch that is still being worked on
T = TypeVar("T")


class Errand:
    """One piece of work at a time. ``keep`` tells the log that it goes on: False, it is another's."""

    def __init__(self, keep: Callable[[], bool]) -> None:
        self._keep = keep
        self._lock = threading.Lock()
        self._under_way: Future[Any] | None = None

    def run(
        self,
        loop: asyncio.AbstractEventLoop,
        work: Coroutine[Any, Any, T],
        may_begin: Callable[[], bool],
    ) -> T | None:
        """What it comes to; None where it may not begin or is broken off.

        Whoever sees to it that it may not begin, and then breaks off, can rely on both. Raises LogError
        when what it is about was given to another process.
        """
        with self._lock:
            if not may_begin():
                work.close()
                return None
            sending = self._under_way = asyncio.run_coroutine_threadsafe(work, loop)
        try:
            while not wait([sending], KEEP_EVERY_S).done:
                if not self._keep():
                    raise LogError("the notices were given to another process, or out anew")
            found: T = sending.result()
        except CancelledError:
            return None
        else:
            return found
        finally:
            sending.cancel()  # where the log failed meanwhile
            with self._lock:
                self._under_way = None

    def break_off(self) -> None:
        """End what is under way, if anything is."""
        with self._lock:
            if self._under_way is not None:
                self._under_way.cancel()
