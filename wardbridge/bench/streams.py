"""From the answer to the notice on each of thousands of open streams, and what they hold."""

from __future__ import annotations

import contextlib
import json
import subprocess
import sys
from collections.abc import Iterator
from typing import IO, Final

from wardbridge.bench.engine import Engine
from wardbridge.bench.figure import Figure
from wardbridge.bench.listeners import READY
from wardbridge.bench.live import PACED_FOR_S, PACED_PER_S, pace, service, waited
from wardbridge.bench.memory import peak_mb
from wardbridge.net.calls import got

LISTENERS: Final = 2_000
WARDS: Final = 200
MESSAGES: Final = PACED_PER_S * PACED_FOR_S
EVENTS: Final = MESSAGES * LISTENERS // WARDS


def figures(offset: int, engine: Engine) -> Iterator[Figure]:
    """As many screens on each of two hundred wards."""
    with service(offset, engine) as running:
        before_mb = peak_mb(running.process)
        with _listening(running.http_port) as listeners:
            answered = pace(running.mllp_port, MESSAGES, [f"BENCH-{n}" for n in range(WARDS)])
            heard: dict[str, list[float]] = json.loads(listeners.readline())
        waits_s = [at - answered[visit] for visit, times in heard.items() for at in times]
        if len(waits_s) < EVENTS:
            raise RuntimeError(f"{len(waits_s)} of {EVENTS} events came")
        yield waited(f"each of {LISTENERS:,} streams", engine, waits_s)
        cut_off = got(f"{running.url}/health").json()["listeners_cut_off"]
        more_mb = peak_mb(running.process) - before_mb
        yield Figure(f"memory of {LISTENERS:,} streams", more_mb, "MB", note=f"{cut_off} cut off")


@contextlib.contextmanager
def _listening(port: int) -> Iterator[IO[str]]:
    """Every stream is open; what was heard is the next line to be read."""
    numbers = (str(number) for number in (port, LISTENERS, WARDS, EVENTS))
    command = (sys.executable, "-m", "wardbridge.bench.listeners", *numbers)
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        output = process.stdout
        try:
            if output is None or output.readline().strip() != READY:
                raise RuntimeError("the listeners could not all connect")
            yield output
        finally:
            process.kill()
