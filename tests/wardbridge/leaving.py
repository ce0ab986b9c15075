"""Somebody who asks, and goes when told: an ASGI client that says so as the server does."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from typing import Any

from fastapi import FastAPI
from starlette.types import Message


class Leaving:
    """One request. ``left`` is set when its client goes; ``has_been_missed`` once the application knows."""

    def __init__(
        self, app: FastAPI, method: str, path: str, headers: Mapping[str, str], body: bytes = b""
    ) -> None:
        self.left = asyncio.Event()
        self.has_been_missed = False
        self._app, self._method, self._path = app, method, path
        self._headers = {"host": "x", "content-type": "application/json"} | dict(headers)
        self._unread = [body]

    @property
    def has_been_read(self) -> bool:
        """Whether its body was asked for."""
        return not self._unread

    async def ask(self) -> None:
        """Until the application has done with it."""
        sent = [(name.lower().encode(), value.encode()) for name, value in self._headers.items()]
        scope: dict[str, Any] = {
            "type": "http", "method": self._method, "path": self._path, "raw_path": self._path.encode(),
            "query_string": b"", "root_path": "", "headers": sent, "client": ("192.0.2.1", 1), "server": ("x", 80),
            "scheme": "http", "http_version": "1.1", "state": {}, "asgi": {"version": "3.0"},
        }  # fmt: skip
        await self._app(scope, self._receive, self._send)

    async def _receive(self) -> Message:
        if self._unread and not self.left.is_set():
            return {"type": "http.request", "body": self._unread.pop()}
        await self.left.wait()
        self.has_been_missed = True
        return {"type": "http.disconnect"}

    async def _send(self, message: Message) -> None:
        """To nobody."""
