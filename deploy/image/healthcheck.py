"""Ask the process at a port of this container whether it answers, over HTTP or TLS. Exit 0: it does; 1: not.

Whether it does its work is another question, for whoever routes to it: /readyz. A TLS server that asks for
a client certificate answers too: its handshake is enough.
"""

from __future__ import annotations

import http.client
import ssl
import sys

TIMEOUT_S = 4
OK = http.client.OK


def answers(port: int, path: str) -> bool:
    """Over plain HTTP, else over TLS whoever's certificate it is: this is the container's own loopback."""
    try:
        return _status(http.client.HTTPConnection("127.0.0.1", port, timeout=TIMEOUT_S), path) == OK
    except (http.client.HTTPException, ConnectionError):
        pass  # a port that speaks TLS closes, or sends an alert
    anybody = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    anybody.check_hostname, anybody.verify_mode = False, ssl.CERT_NONE
    connection = http.client.HTTPSConnection("127.0.0.1", port, timeout=TIMEOUT_S, context=anybody)
    connection.connect()
    try:
        return _status(connection, path) == OK
    except (http.client.HTTPException, OSError):
        return True  # it asks for a certificate that we do not have


def _status(connection: http.client.HTTPConnection, path: str) -> int:
    try:
        connection.request("GET", path)
        return connection.getresponse().status
    finally:
        connection.close()


if __name__ == "__main__":
    port, path = sys.argv[1:]
    try:
        sys.exit(0 if answers(int(port), path) else 1)
    except OSError as error:
        sys.exit(f"port {port}: {error}")
