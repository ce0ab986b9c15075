"""Tells whether a port of the loopback interface is free."""

from __future__ import annotations

import socket
from collections.abc import Iterable
from typing import Final

LOOPBACK: Final = "127.0.0.1"


def all_free(ports: Iterable[int]) -> bool:
    """Whether a server could listen on each of them now."""
    return all(map(_is_free, ports))


def _is_free(port: int) -> bool:
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((LOOPBACK, port))
        except OSError:
            return False
    return True
