"""From the answer to the webhook at a receiver, with as many subscribers as a hospital may have."""

from __future__ import annotations

import contextlib
import json
import threading
import time
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Final

from wardbridge.bench.engine import Engine
from wardbridge.bench.figure import Figure
from wardbridge.bench.live import PACED_FOR_S, PACED_PER_S, READY_WITHIN_S, pace, service, took

SUBSCRIBERS: Final = 20
SUBSCRIBER: Final = """
[subscribers.{ward}]
wards = ["{ward}"]
[subscribers.{ward}.webhook]
url = "{url}"
secrets = ["whsec_MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3ODlhYmNkZWY="]
allow_private = true
"""


def figures(offset: int, engine: Engine) -> Iterator[Figure]:
    """Each subscriber has a ward of its own."""
    wards = [f"BENCH-{number}" for number in range(SUBSCRIBERS)]
    wanted = PACED_PER_S * PACED_FOR_S
    with _receiver(wanted) as receiver:
        more = "".join(SUBSCRIBER.format(ward=ward, url=receiver.url) for ward in wards)
        with service(offset, engine, more) as running:
            answered = pace(running.mllp_port, wanted, wards)
            receiver.all_came.wait(READY_WITHIN_S)
            yield took(f"{SUBSCRIBERS} receivers of webhooks", engine, answered, receiver.arrived)


class Receiver(ThreadingHTTPServer):
    """Notes when each visit's notice came."""

    daemon_threads = True

    def __init__(self, wanted: int) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.url = f"http://127.0.0.1:{self.server_port}/"
        self.wanted = wanted
        self.arrived: dict[str, float] = {}
        self.all_came = threading.Event()

    def note(self, body: bytes) -> None:
        """A notice came."""
        self.arrived.setdefault(json.loads(body)["data"]["visit"]["visit"], time.perf_counter())
        if len(self.arrived) == self.wanted:
            self.all_came.set()


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: Receiver

    def do_POST(self) -> None:
        self.server.note(self.rfile.read(int(self.headers["Content-Length"])))
        self.send_response(204)
        self.end_headers()

    def log_message(self, *_: object) -> None:
        pass


@contextlib.contextmanager
def _receiver(wanted: int) -> Iterator[Receiver]:
    with Receiver(wanted) as receiver:
        thread = threading.Thread(target=receiver.serve_forever, daemon=True)
        thread.start()
        yield receiver
        receiver.shutdown()
