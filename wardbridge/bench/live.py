"""Figures of the running service: acknowledgements a second, and from answer to notice.

The service and the load run as processes of their own, side by side on this machine: the load
takes its share of the same cores.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import socket
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import count
from pathlib import Path
from typing import Final

from tenacity import retry, retry_if_exception_type, stop_after_delay, wait_fixed

from adapters.common.calls import HttpRequest, NoAnswerError
from wardbridge.bench.engine import Engine
from wardbridge.bench.figure import Figure
from wardbridge.net.calls import Calls, got, lines

MLLP_PORT: Final = 2575
HTTP_PORT: Final = 8080
READY_WITHIN_S: Final = 30.0
WARM_UP: Final = 2_000
WARM_UP_OTHER: Final = 30_000  # a Java route is slow until it is compiled
ROUNDS: Final = 3
MESSAGES: Final = 20_000
PACED_PER_S: Final = 200
PACED_FOR_S: Final = 10
WARD: Final = "BENCH"
ACKNOWLEDGED_BUDGETS: Final = {1: (None, None), 8: (6_000, 12_000), 32: (10_000, 20_000)}
"""Connections to floor and aim, on SQLite; on Kafka the budget is a ratio to the Camel copy route."""
TOLD_BUDGET_MS: Final = (50, 20)
TOLD_BUDGET_KAFKA_MS: Final = (250, 100)


@dataclass(frozen=True, slots=True)
class Running:
    """A service that is ready."""

    mllp_port: int
    http_port: int = 0
    process: int = 0

    @property
    def url(self) -> str:
        """Where its lists and streams are."""
        return f"http://127.0.0.1:{self.http_port}"


@contextlib.contextmanager
def service(offset: int, engine: Engine, more: str = "") -> Iterator[Running]:
    """The lab on an empty log, with ``more`` in its configuration."""
    with tempfile.TemporaryDirectory() as folder:
        config = engine.configuration(Path(folder), more)
        command = (
            sys.executable, "-m", "wardbridge", "run", "--config", str(config),
            "--data", folder, "--port-offset", str(offset),
        )  # fmt: skip
        with (Path(folder) / "service.log").open("wb") as log:
            process = subprocess.Popen(command, stdout=log, stderr=log)
            try:
                running = Running(MLLP_PORT + offset, HTTP_PORT + offset, process.pid)
                _wait_until_ready(running.url)
                yield running
            finally:
                process.terminate()
                process.wait()


@retry(
    stop=stop_after_delay(READY_WITHIN_S),
    wait=wait_fixed(0.05),
    retry=retry_if_exception_type(NoAnswerError),
    reraise=True,
)
def _wait_until_ready(url: str) -> None:
    got(f"{url}/readyz")


def acknowledged(offset: int, engine: Engine) -> Iterator[Figure]:
    """MLLP to durable to AA, at 1, 8 and 32 connections, on one warm service."""
    with service(offset, engine) as running:
        _load(running, 8, WARM_UP, 0)
        for number, (connections, budget) in enumerate(ACKNOWLEDGED_BUDGETS.items(), 1):
            found = _load(running, connections, MESSAGES // (8 if connections == 1 else 1), number)
            what = f"MLLP to durable to AA, {engine.name}, {connections} connections"
            note = f"p50 {found['p50_ms']:.1f} ms, p99 {found['p99_ms']:.1f} ms"
            floor, aim = (None, None) if engine.brokers else budget
            yield Figure(what, found["per_s"], "messages/s", floor, aim, note=note)


def compared(offset: int, engine: Engine, other: int) -> Iterator[Figure]:
    """The same beside another listener on port ``other``: both warm, by turns, and the ratio."""
    theirs = Running(other)
    with service(offset, engine) as ours:
        series = count()
        _load(ours, 8, WARM_UP, next(series))
        _load(theirs, 8, WARM_UP_OTHER, next(series))
        for connections in ACKNOWLEDGED_BUDGETS:
            messages = MESSAGES // (8 if connections == 1 else 1)
            rounds = [
                tuple(_load(each, connections, messages, next(series))["per_s"]
                      for each in (ours, theirs))
                for _ in range(ROUNDS)
            ]  # fmt: skip
            we, they = (statistics.median(each) for each in zip(*rounds, strict=True))
            what = f"MLLP to AA, {engine.name}, {connections} connections, median of {ROUNDS}"
            yield Figure(f"{what}, ours", we, "messages/s")
            yield Figure(f"{what}, the other's", they, "messages/s")
            yield Figure(f"{what}, ratio", we / they, "", 0.5, 1.0)


def _load(running: Running, connections: int, messages: int, series: int) -> dict[str, float]:
    first = series * 10_000_000
    command: Sequence[str] = (
        sys.executable, "-m", "wardbridge.bench.load", str(running.mllp_port), str(connections),
        str(messages), str(first),
    )  # fmt: skip
    answer = subprocess.run(command, check=True, capture_output=True, text=True)
    found: dict[str, float] = json.loads(answer.stdout)
    if found["refused"]:
        raise RuntimeError(f"{found['refused']} of {found['messages']} messages were not accepted")
    return found


def told(offset: int, engine: Engine) -> Iterator[Figure]:
    """From the answer to the notice at a subscriber, at a steady rate."""
    with service(offset, engine) as running:
        arrived: dict[str, float] = {}
        listening = threading.Event()
        wanted = PACED_PER_S * PACED_FOR_S
        listener = threading.Thread(
            target=_listen, args=(running.url, wanted, arrived, listening), daemon=True
        )
        listener.start()
        listening.wait(READY_WITHIN_S)
        answered = pace(running.mllp_port, wanted, [WARD])
        listener.join(READY_WITHIN_S)
        yield took("a subscriber of a stream", engine, answered, arrived)


def took(
    whom: str, engine: Engine, answered: Mapping[str, float], arrived: Mapping[str, float]
) -> Figure:
    """From each answer to its notice. Raises RuntimeError where a notice is missing."""
    if len(arrived) < len(answered):
        raise RuntimeError(f"{len(arrived)} of {len(answered)} notices came")
    return waited(whom, engine, [arrived[visit] - answered[visit] for visit in answered])


def waited(whom: str, engine: Engine, waits_s: Sequence[float]) -> Figure:
    """The slowest hundredth."""
    ms = sorted(1000 * wait for wait in waits_s)
    note = f"p50 {statistics.median(ms):.1f} ms, {PACED_PER_S} messages/s"
    budget = TOLD_BUDGET_KAFKA_MS if engine.brokers else TOLD_BUDGET_MS
    what = f"answer to notice at {whom}, {engine.name}, p99"
    return Figure(what, ms[int(len(ms) * 0.99)], "ms", *budget, lower=True, note=note)


def _listen(url: str, wanted: int, arrived: dict[str, float], listening: threading.Event) -> None:
    async def listen() -> None:
        async with (
            Calls(None) as call,
            call(HttpRequest(f"{url}/v1/wards/{WARD}/stream")) as incoming,
        ):
            listening.set()
            async for line in lines(incoming):
                if line.startswith("data:"):
                    arrived[json.loads(line[5:])["data"]["visit"]["visit"]] = time.perf_counter()
                if len(arrived) == wanted:
                    return

    asyncio.run(listen())


def pace(port: int, wanted: int, wards: Sequence[str]) -> dict[str, float]:
    """Mark visits for the wards in turn at a steady rate; when each was answered."""
    answered: dict[str, float] = {}
    at = time.strftime("%Y%m%d%H%M%S+0000", time.gmtime())
    with socket.create_connection(("127.0.0.1", port)) as connection:
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        began = time.perf_counter()
        for number in range(wanted):
            visit = f"T{number}"
            time.sleep(max(0.0, began + number / PACED_PER_S - time.perf_counter()))
            connection.sendall(b"\x0b" + _mark(visit, at, wards[number % len(wards)]) + b"\x1c\r")
            answer = b""
            while not answer.endswith(b"\x1c\r"):
                answer += connection.recv(65_536)
            answered[visit] = time.perf_counter()
    return answered


def _mark(visit: str, at: str, ward: str) -> bytes:
    pv1 = [""] * 43
    pv1[1], pv1[2], pv1[3], pv1[19], pv1[42] = "1", "I", "AKM^1^1", visit, f"{ward}^^"
    return "\r".join(
        (
            f"MSH|^~\\&|EHR|NORR|WB|REG|{at}||ADT^A14^ADT_A05|{visit}|P|2.5.1|||||SWE|UNICODE UTF-8",
            f"EVN||{at}",
            f"PID|1||{visit}^^^BENCH^MR",
            "PV1|" + "|".join(pv1[1:]),
            "",
        )
    ).encode()
