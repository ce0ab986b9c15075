"""Plays the morning: starts the service, sends each input, shows what the wards are told.

Invariant: a step's notices have all been told before the next step begins, so the end is the same
at any pace. Raises DemoError when a ward is told something else than the story says.
"""

from __future__ import annotations

import json
import queue
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Final

from tenacity import retry, retry_if_exception_type, stop_after_delay, wait_fixed

from adapters.common.calls import NoAnswerError
from bus.port import TopicPartition
from bus.sqlite import SqliteLog
from schemas import topics
from wardbridge.demo import client, story
from wardbridge.demo.client import Notice, WardFollower
from wardbridge.demo.screen import Screen
from wardbridge.net.calls import got

MLLP_PORT: Final = 2575
HTTP_PORT: Final = 8080
READY_WITHIN_S: Final = 30.0
TOLD_WITHIN_S: Final = 15.0
WARDS: Final = (
    "NORR-AKM",
    "NORR-KIR",
    "NORR-MED",
    "NORR-GER",
    "SODER-AKM",
    "SODER-MED",
    "SODER-GER",
)
REVIEW_SHOWN: Final = 100
REFUSED: Final = frozenset({"AR", "AE"})


class DemoError(Exception):
    """The service did not do what the story says: its text says which step and what."""


@dataclass
class Demo:
    """One performance, in an empty folder."""

    folder: Path
    screen: Screen
    offset: int
    pace_s: float
    day: date = field(default_factory=lambda: datetime.now(UTC).date() - timedelta(days=1))
    told: list[Notice] = field(default_factory=list)
    process: subprocess.Popen[bytes] | None = None

    @property
    def base_url(self) -> str:
        """Where the service answers HTTP."""
        return f"http://127.0.0.1:{HTTP_PORT + self.offset}"

    @contextmanager
    def service(self) -> Iterator[None]:
        """The service as a process of its own, ready; ended on leaving."""
        (self.folder / "data").mkdir(parents=True, exist_ok=True)
        for name in ("demo.toml", "wards.csv"):
            (self.folder / "data" / name).write_bytes(story.content(name, self.day))
        with (self.folder / "service.log").open("wb") as log:
            self.process = process = subprocess.Popen(self._command(), stdout=log, stderr=log)
            try:
                self._wait_until_ready(process)
                yield
            finally:
                process.terminate()
                process.wait()

    def wait(self) -> None:
        """Until the service ends, or the caller is interrupted."""
        if self.process is not None:
            self.process.wait()

    def _command(self) -> Sequence[str]:
        data = self.folder / "data"
        return (
            sys.executable, "-m", "wardbridge", "run", "--config", str(data / "demo.toml"),
            "--data", str(data), "--port-offset", str(self.offset),
        )  # fmt: skip

    @retry(
        stop=stop_after_delay(READY_WITHIN_S),
        wait=wait_fixed(0.05),
        retry=retry_if_exception_type(NoAnswerError),
        reraise=True,
    )
    def _wait_until_ready(self, process: subprocess.Popen[bytes]) -> None:
        if process.poll() is not None:
            raise DemoError(
                f"the service ended at once; its log, {self.folder / 'service.log'}, says:\n"
                + (self.folder / "service.log").read_text(errors="replace")[-2000:]
            )
        got(f"{self.base_url}/readyz")

    def play(self) -> None:
        """Every step, each followed by the notices it leads to."""
        notices: queue.Queue[Notice] = queue.Queue()
        listeners = [WardFollower(self.base_url, ward, notices) for ward in WARDS]
        for listener in listeners:
            if not listener.connected.wait(READY_WITHIN_S):
                raise DemoError("a ward could not follow its stream")
        for number, step in enumerate(story.load_story().steps, 1):
            began = time.monotonic()
            self.screen.step(number, step)
            self._deliver(step)
            self._hear(step, notices)
            time.sleep(max(0.0, self.pace_s - (time.monotonic() - began)))

    def _deliver(self, step: story.StoryStep) -> None:
        if step.is_message:
            code = client.send(MLLP_PORT + self.offset, story.message(step.file, self.day))
            if (code in REFUSED) != step.refused:
                raise DemoError(f"{step.file}: answered {code}")
            self.screen.answer(f"answered {code}")
            return
        inbox = self.folder / "data" / "inbox"
        client.drop(inbox, step.file, story.content(step.file, self.day))
        ended_in = "rejected" if step.refused else "done"
        self._wait_until_moved(inbox / ended_in, step.file)
        self.screen.answer(f"moved to {ended_in}/")

    @retry(
        stop=stop_after_delay(TOLD_WITHIN_S),
        wait=wait_fixed(0.05),
        retry=retry_if_exception_type(DemoError),
        reraise=True,
    )
    def _wait_until_moved(self, folder: Path, name: str) -> None:
        if not any(name in path.name for path in folder.glob("*")):
            raise DemoError(f"{name} was not moved to {folder.name}/")

    def _hear(self, step: story.StoryStep, notices: queue.Queue[Notice]) -> None:
        for number in range(step.notices):
            try:
                notice = notices.get(timeout=TOLD_WITHIN_S)
            except queue.Empty:
                raise DemoError(
                    f"{step.file}: {number} of {step.notices} notices were told"
                ) from None
            self.told.append(notice)
            self.screen.notice(notice)
        if not notices.empty():
            raise DemoError(f"{step.file}: a notice too many, {notices.get()['data']['kind']}")

    def show_end(self) -> None:
        """What is in review, and each ward's list, as the service gives them."""
        self.screen.review(self._in_review())
        self.screen.title("Who is on the way now")
        for ward in WARDS:
            answer = got(f"{self.base_url}/v1/wards/{ward}/inbound")
            self.screen.ward(ward, answer.json()["patients"])

    def _in_review(self) -> list[dict[str, str]]:
        log = SqliteLog.open_readonly(self.folder / "data" / "log.db")
        try:
            stored = log.scan(TopicPartition(topics.REVIEW, 0), 0, REVIEW_SHOWN)
        finally:
            log.close()
        return [json.loads(each.value or b"{}") for each in stored]
