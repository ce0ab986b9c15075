"""A port is free when nobody listens on it, and not before."""

from __future__ import annotations

import socket

from wardbridge.net.ports import LOOPBACK, all_free


def test_a_port_that_somebody_listens_on_is_not_free() -> None:
    with socket.create_server((LOOPBACK, 0)) as taken, socket.create_server((LOOPBACK, 0)) as other:
        ports = [each.getsockname()[1] for each in (other, taken)]
        other.close()
        assert all_free(ports[:1])
        assert not all_free(ports)
    assert all_free(ports)
