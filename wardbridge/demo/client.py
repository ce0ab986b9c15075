"""The demo's three ends of the world: a sender, an export job and a listening ward."""

from __future__ import annotations

import asyncio
import json
import queue
import socket
import threading
from collections.abc import AsyncIterator
from http import HTTPStatus
from pathlib import Path
from typing import Any, Final

from adapters.common.calls import HttpRequest, NoAnswerError
from wardbridge.net.calls import Calls, lines

START: Final = b"\x0b"
END: Final = b"\x1c\r"
ANSWER_WITHIN_S: Final = 10.0
RECEIVE_BYTES: Final = 65_536

Notice = dict[str, Any]


def send(port: int, message: bytes) -> str:
    """Send one message over MLLP; the acknowledgement code (MSA-1) of its answer."""
    with socket.create_connection(("127.0.0.1", port), timeout=ANSWER_WITHIN_S) as connection:
        connection.sendall(START + message + END)
        answer = b""
        while not answer.endswith(END):
            piece = connection.recv(RECEIVE_BYTES)
            if not piece:
                raise ConnectionError("the service closed the connection without an answer")
            answer += piece
    line = next(line for line in answer.split(b"\r") if line.startswith(b"MSA"))
    return line.split(b"|")[1].decode("ascii")


def drop(folder: Path, name: str, export: bytes) -> None:
    """Put an export into the feed's directory, whole at once under its name."""
    hidden = folder / f".{name}.part"
    hidden.write_bytes(export)
    hidden.rename(folder / name)


class WardFollower:
    """Follows one ward's stream in a thread and puts each notice into a shared queue."""

    def __init__(self, base_url: str, ward: str, notices: queue.Queue[Notice]) -> None:
        self._url = f"{base_url}/v1/wards/{ward}/stream"
        self._notices = notices
        self.connected = threading.Event()
        name = f"ward-{ward}"
        threading.Thread(target=asyncio.run, args=(self._follow(),), name=name, daemon=True).start()

    async def _follow(self) -> None:
        try:
            async with Calls(None) as call, call(HttpRequest(self._url)) as incoming:
                if incoming.status == HTTPStatus.OK:
                    self.connected.set()
                    async for data in _events(lines(incoming)):
                        self._notices.put(json.loads(data))
        except NoAnswerError:
            return  # the service went away: the demo is over


async def _events(of: AsyncIterator[str]) -> AsyncIterator[str]:
    """The data of each server-sent event (WHATWG HTML, section 9.2)."""
    data: list[str] = []
    async for line in of:
        if line.startswith("data:"):
            data.append(line[5:].removeprefix(" "))
        elif not line and data:
            yield "\n".join(data)
            data.clear()
