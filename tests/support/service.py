"""The real service as a child process: start, wait until ready, kill, start again."""

from __future__ import annotations

import os
import random
import signal
import ssl
import subprocess
import sys
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any, Final

import httpx
from tenacity import retry, retry_if_exception_type, stop_after_delay, wait_fixed

from wardbridge.net.ports import all_free

LAB = Path(__file__).parents[2] / "deploy" / "examples" / "lab.toml"
MLLP_PORT, HTTP_PORT, FHIR_PORT = 2575, 8080, 8090
READY_WITHIN_S, GONE_WITHIN_S = 180, 90


def free_offset(*others: int) -> int:
    """An offset at which all of the lab's ports are free, and these."""
    while True:
        offset = random.randint(1000, 23_000)  # below the ephemeral ports
        if all_free(port + offset for port in (MLLP_PORT, HTTP_PORT, FHIR_PORT, *others)):
            return offset


def kill_what_runs() -> None:
    """End what tests have left running because they failed; called when a run ends."""
    for process in list(_STARTED):
        if process.poll() is None:
            process.kill()
            process.wait(GONE_WITHIN_S)


_STARTED: Final[set[subprocess.Popen[bytes]]] = set()


class Service:
    """One installation in a folder of its own; may be started again and again."""

    def __init__(
        self, data: Path, config: Path = LAB, environment: Mapping[str, str] | None = None
    ) -> None:
        self.data, self.config, self.offset = data, config, free_offset()
        self.environment = {**os.environ, "PYTHONSAFEPATH": "1", **(environment or {})}
        self.mllp_port = MLLP_PORT + self.offset
        self.url = f"http://127.0.0.1:{HTTP_PORT + self.offset}"
        self.process: subprocess.Popen[bytes] | None = None
        self.roles: tuple[str, ...] = ()
        self.files: int | None = None
        self._output = data.parent / f"{data.name}.log"

    def said(self) -> str:
        """What it and its processes have logged, over all its starts."""
        return self._output.read_text(encoding="utf-8")

    def start(self) -> None:
        limited = [] if self.files is None else ["prlimit", f"--nofile={self.files}:{self.files}"]
        command = [
            *limited, sys.executable, "-m", "wardbridge", "run", "--config", str(self.config),
            "--data", str(self.data), "--port-offset", str(self.offset),
            *(part for role in self.roles for part in ("--role", role)),
        ]  # fmt: skip
        with self._output.open("ab") as log:
            self.process = subprocess.Popen(command, stdout=log, stderr=log, env=self.environment)
        _STARTED.add(self.process)

    @retry(
        stop=stop_after_delay(READY_WITHIN_S),
        wait=wait_fixed(0.02),
        retry=retry_if_exception_type((httpx.HTTPError, AssertionError)),
        reraise=True,
    )
    def wait_until_ready(self) -> None:
        answer = self._ask("/readyz", timeout_s=5)
        assert answer.status_code == 200, answer.text

    def get(self, path: str) -> Any:
        return self._ask(path, timeout_s=20).raise_for_status().json()

    def _ask(self, path: str, timeout_s: float) -> httpx.Response:
        """Over plain HTTP, without the authorities of TLS: to read those takes 30 ms of a core."""
        nobody = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        return httpx.get(f"{self.url}{path}", timeout=timeout_s, verify=nobody, trust_env=False)

    def children(self) -> list[int]:
        """The processes that it started and that are its own."""
        assert self.process is not None
        threads = Path(f"/proc/{self.process.pid}/task").glob("*/children")
        return [int(pid) for each in threads for pid in each.read_text("ascii").split()]

    def kill_children(self) -> None:
        self.signal_children(signal.SIGKILL)

    def signal_children(self, number: signal.Signals) -> None:
        for child in self.children():
            with suppress(ProcessLookupError):  # it was ending
                os.kill(child, number)

    def kill(self) -> None:
        assert self.process is not None
        self.process.kill()
        self.process.wait(GONE_WITHIN_S)

    def stop(self, signal_number: signal.Signals = signal.SIGTERM) -> int:
        """Ask for a graceful end; the exit code."""
        assert self.process is not None
        if self.process.poll() is None:
            self.process.send_signal(signal_number)
        return self.process.wait(GONE_WITHIN_S)
