"""From the answer to the webhook at a receiver, with as many subscribers as a hospital or a region has.

The CPU time of a notice is that of all processes of the service, from the message to the receipt.
"""

from __future__ import annotations

import contextlib
import json
import threading
import time
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Final

from schemas.fields import Level
from wardbridge.bench.cpu import cpu_s
from wardbridge.bench.engine import Engine
from wardbridge.bench.figure import Figure
from wardbridge.bench.live import PACED_FOR_S, PACED_PER_S, READY_WITHIN_S, pace, service, took

SUBSCRIBERS: Final = (20, 100)
SUBSCRIBER: Final = """
[subscribers.{ward}]
wards = ["{ward}"]
fields = "{level}"
[subscribers.{ward}.webhook]
url = "{url}"
secrets = ["whsec_MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3ODlhYmNkZWY="]
allow_private = true
"""
NAMES: Final = "[identities]\nkeep = true\n"
LEVELS: Final[tuple[Level, ...]] = ("minimal", "identified")
"""Told the least, and all: looked up for each notice."""


def figures(offset: int, engine: Engine) -> Iterator[Figure]:
    """Each subscriber has a ward of its own."""
    for subscribers in SUBSCRIBERS:
        for level in LEVELS:
            yield from _told(offset, engine, subscribers, level)


def _told(offset: int, engine: Engine, subscribers: int, level: Level) -> Iterator[Figure]:
    wards = [f"BENCH-{number}" for number in range(subscribers)]
    wanted = PACED_PER_S * PACED_FOR_S
    whom = f"{subscribers} receivers of webhooks, {level} fields"
    with _receiver(wanted, level) as receiver:
        tables = [SUBSCRIBER.format(ward=w, level=level, url=receiver.url) for w in wards]
        more = "".join([NAMES if level == "identified" else "", *tables])
        with service(offset, engine, more) as running:
            before_s = cpu_s(running.process)
            answered = pace(running.mllp_port, wanted, wards)
            receiver.all_came.wait(READY_WITHIN_S)
            used_us = 1e6 * (cpu_s(running.process) - before_s) / wanted
            yield took(whom, engine, answered, receiver.arrived)
            yield Figure(f"CPU of all processes a notice, {engine.name}, {whom}", used_us, "µs")


class WebhookTimer(ThreadingHTTPServer):
    """Notes when each visit's notice came."""

    daemon_threads = True
    request_queue_size = 1_024  # all subscribers connect at once

    def __init__(self, wanted: int, level: Level) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.url = f"http://127.0.0.1:{self.server_port}/"
        self.wanted = wanted
        self.level = level
        self.arrived: dict[str, float] = {}
        self.all_came = threading.Event()

    def note(self, body: bytes) -> None:
        """A notice came; a test, and one without what it should tell, do not count."""
        data = json.loads(body).get("data")
        if data and ("patient" in data) == (self.level == "identified"):
            self.arrived.setdefault(data["visit"]["visit"], time.perf_counter())
        if len(self.arrived) == self.wanted:
            self.all_came.set()


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: WebhookTimer

    def do_POST(self) -> None:
        self.server.note(self.rfile.read(int(self.headers["Content-Length"])))
        self.send_response(204)
        self.end_headers()

    def log_message(self, *_: object) -> None:
        pass


@contextlib.contextmanager
def _receiver(wanted: int, level: Level) -> Iterator[WebhookTimer]:
    with WebhookTimer(wanted, level) as receiver:
        thread = threading.Thread(target=receiver.serve_forever, daemon=True)
        thread.start()
        yield receiver
        receiver.shutdown()
