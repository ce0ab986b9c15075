"""A port that speaks TLS, for callers who do not."""

from __future__ import annotations

import socket
import ssl
import threading
from contextlib import suppress


class TlsListener:
    """A port that speaks TLS and nothing behind it."""

    def __init__(self, context: ssl.SSLContext) -> None:
        self._context = context
        self._listening = socket.create_server(("127.0.0.1", 0))
        self._thread = threading.Thread(target=self._serve, daemon=True)

    def _serve(self) -> None:
        while True:
            try:
                connected, _ = self._listening.accept()
            except OSError:
                return
            with (
                suppress(OSError),
                connected,
                self._context.wrap_socket(connected, server_side=True),
            ):
                pass

    def __enter__(self) -> int:
        self._thread.start()
        return int(self._listening.getsockname()[1])

    def __exit__(self, *_: object) -> None:
        self._listening.shutdown(socket.SHUT_RDWR)
        self._listening.close()
        self._thread.join()
