"""All abuse at once, beside a steady feed: wards hear of their patients in time, and of every one."""

from __future__ import annotations

import os
import signal
import statistics
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

import httpx

from tests.support.abusers import ABUSERS
from tests.support.campaigns import only_in_campaigns
from tests.support.histories import Visit, message
from tests.support.mllp import MllpClient, code_of
from tests.support.service import Service

LASTS_S: Final = float(os.environ.get("WARDBRIDGE_ABUSE_S", "120"))
PER_S: Final = 50
WARD: Final = "W1"
P99_S: Final = 0.25
MEMORY_BYTES: Final = 2**30
HEARD_WITHIN_S: Final = 30.0


class Listener(threading.Thread):
    """Notes when each visit is heard of at the ward."""

    def __init__(self, service: Service) -> None:
        super().__init__(daemon=True)
        self._url = f"{service.url}/v1/wards/{WARD}/stream"
        self.heard: dict[str, float] = {}
        self.is_connected = threading.Event()

    def run(self) -> None:
        with httpx.stream("GET", self._url, timeout=None, trust_env=False) as stream:  # noqa: S113
            for line in stream.iter_lines():
                self.is_connected.set()  # a stream begins with `retry`
                if line.startswith("data:") and '"designated"' in line:
                    self.heard[line.partition('"visit":"')[2].partition('"')[0]] = time.monotonic()


@contextmanager
def abused(service: Service, folder: Path) -> Iterator[None]:
    """Every abuser at work, each in a process of its own, on a core that it leaves to others."""
    said = (folder / "abusers.log").open("a")
    started = [
        subprocess.Popen(
            ["nice", sys.executable, "-m", "tests.support.abusers", kind, str(service.offset),
             str(service.data)], stdout=said,
        )
        for kind in ABUSERS
    ]  # fmt: skip
    try:
        yield
    finally:
        for each in started:
            each.send_signal(signal.SIGTERM)
        for each in started:
            each.wait(30)
        said.close()
        print((folder / "abusers.log").read_text())


def memory_bytes(service: Service) -> int:
    """What all of its processes have for themselves."""
    assert service.process is not None
    return sum(map(_private, [service.process.pid, *service.children()]))


def _private(pid: int) -> int:
    text = Path(f"/proc/{pid}/smaps_rollup").read_text("ascii")
    return sum(int(line.split()[1]) * 1024 for line in text.splitlines() if "Private_" in line)


@only_in_campaigns
def test_a_steady_feed_beside_all_abuse_at_once(tmp_path: Path) -> None:
    data = tmp_path / "data"
    (data / "inbox").mkdir(parents=True)
    service = Service(data)
    service.start()
    service.wait_until_ready()
    processes = set(service.children())
    listener, answered, memory = Listener(service), dict[str, float](), 0
    listener.start()
    assert listener.is_connected.wait(60)
    try:
        with abused(service, tmp_path), MllpClient(service.mllp_port) as sender:
            begun = time.monotonic()
            for number in range(int(LASTS_S * PER_S)):
                visit = f"steady-{number}"
                told = message(Visit(visit, datetime.now(UTC)), "A14", visit, ward=WARD)
                assert code_of(sender.ask(told)) == "AA"
                answered[visit] = time.monotonic()
                if number % PER_S == 0:
                    memory = max(memory, memory_bytes(service))
                time.sleep(max(0.0, begun + (number + 1) / PER_S - time.monotonic()))
            wait_for(listener, len(answered))
        ended = processes - set(service.children())
        assert service.stop() == 0
    finally:
        service.stop()
    report(answered, listener.heard, memory)
    assert not ended, "a process ended"
    assert answered.keys() == listener.heard.keys()
    assert memory < MEMORY_BYTES
    assert p99(answered, listener.heard) < P99_S


def wait_for(listener: Listener, number: int) -> None:
    deadline = time.monotonic() + HEARD_WITHIN_S
    while len(listener.heard) < number and time.monotonic() < deadline:
        time.sleep(0.05)


def p99(answered: dict[str, float], heard: dict[str, float]) -> float:
    """From answer to stream; a notice that comes before the answer took no time."""
    took = [max(0.0, heard[visit] - at) for visit, at in answered.items() if visit in heard]
    return statistics.quantiles(took, n=100)[98] if len(took) > 1 else float("inf")


def report(answered: dict[str, float], heard: dict[str, float], memory: int) -> None:
    print(
        f"{len(answered)} answered, {len(heard)} heard, p99 {p99(answered, heard) * 1000:.0f} ms, "
        f"{memory / 2**20:.0f} MiB"
    )
