"""What receivers of every protocol have in common: they note what comes, and do as they are told."""

from __future__ import annotations

import threading
from collections.abc import Callable
from socketserver import TCPServer
from typing import Final, Generic, Self, TypeVar

PATIENCE_S: Final = 60.0
LOOK_S: Final = 0.01  # how soon the server sees that it is to end

Input = TypeVar("Input")
Behaviour = TypeVar("Behaviour")


class Listening(Generic[Input, Behaviour]):
    """A real server in a thread of its own; ``behave`` decides what each input meets.

    ``calls`` is all that came, ``taken`` what was answered with a yes; ``tests`` what is about nobody.
    """

    def __init__(self, server: TCPServer, behave: Callable[[Input], Behaviour]) -> None:
        self.calls: list[Input] = []
        self.taken: list[Input] = []
        self.tests: list[Input] = []
        self.port = int(server.server_address[1])
        self._behave = behave
        self._changed = threading.Condition()
        self._server = server
        self._thread = threading.Thread(target=server.serve_forever, args=(LOOK_S,))

    def heard(self, each: Input) -> Behaviour:
        """Note what came; what is to be done with it."""
        with self._changed:
            self.calls.append(each)
            self._changed.notify_all()
        return self._behave(each)

    def takes(self, each: Input) -> None:
        """Note that it is answered with a yes."""
        with self._changed:
            self.taken.append(each)
            self._changed.notify_all()

    def tested(self, each: Input) -> None:
        """Note what is about nobody."""
        with self._changed:
            self.tests.append(each)
            self._changed.notify_all()

    def wait_for(self, condition: Callable[[Self], bool]) -> None:
        """Raises TimeoutError."""
        with self._changed:
            if not self._changed.wait_for(lambda: condition(self), PATIENCE_S):
                raise TimeoutError(f"not within {PATIENCE_S:.0f} s: {len(self.calls)} calls came")

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()
