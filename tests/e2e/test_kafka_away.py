"""No broker for a long time: senders are refused or wait, readiness says why, memory stays, all returns.

``WARDBRIDGE_AWAY`` is how long; from a minute on the settings are those of production, below that
the service has less patience, so that a short absence is met by every part. Figures are printed.
"""

from __future__ import annotations

import os
import random
import threading
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Final, Self

import httpx
import pytest

from bus.kafka.appender import MAX_WAITING_BYTES
from tests.e2e.test_kafka_faults import ENDED, soon, until_acknowledged, until_ready
from tests.support.campaigns import only_in_campaigns
from tests.support.kafka import cluster
from tests.support.labs import lab_on_kafka
from tests.support.load import Load, check_that_nothing_is_lost_or_doubled
from tests.support.service import Service

AWAY_S: Final = float(os.environ.get("WARDBRIDGE_AWAY", "8"))
PATIENCE: Final = (
    ()
    if AWAY_S >= 60
    else ("commit_timeout_s = 2.5", "transaction_timeout_s = 4", "delivery_timeout_s = 3")
)
HUNG: Final = "hanging_transaction_ended"
LOOK_EVERY_S: Final = 0.2

pytestmark = [pytest.mark.timeout(300 + 2 * AWAY_S), only_in_campaigns]


@pytest.fixture
def service(tmp_path: Path) -> Iterator[Service]:
    made = lab_on_kafka(tmp_path, *PATIENCE)
    yield made
    if made.process is not None and made.process.poll() is None:
        made.kill()


class Watch:
    """Looks at the service within the ``with`` block: its readiness, and the memory it holds."""

    def __init__(self, service: Service) -> None:
        self.reasons: set[str] = set()
        self.first_said_s: float | None = None
        self.most_bytes = 0
        self.not_answered = 0
        self._service = service
        self._done = threading.Event()
        self._thread = threading.Thread(target=self._look)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._done.set()
        self._thread.join()

    def _look(self) -> None:
        began_s = time.monotonic()
        while not self._done.wait(LOOK_EVERY_S):
            self.most_bytes = max(self.most_bytes, resident_bytes(self._service))
            blocking = self._blocking()
            if blocking and self.first_said_s is None:
                self.first_said_s = time.monotonic() - began_s
            self.reasons.update(f"{part}: {reason}" for part, reason in blocking.items())

    def _blocking(self) -> Mapping[str, str]:
        try:
            said: dict[str, Any] = httpx.get(f"{self._service.url}/readyz", timeout=5).json()
        except httpx.HTTPError:
            self.not_answered += 1
            return {}
        return dict(said["blocking"])


def resident_bytes(service: Service) -> int:
    """Of all its processes together; the children that are ending at the moment count nothing."""
    assert service.process is not None
    return sum(_resident_bytes(pid) for pid in (service.process.pid, *service.children()))


def _resident_bytes(pid: int) -> int:
    try:
        pages = int(Path(f"/proc/{pid}/statm").read_text("ascii").split()[1])
    except (OSError, IndexError):
        return 0
    return pages * os.sysconf("SC_PAGE_SIZE")


def test_a_long_absence_of_the_broker_is_told_borne_and_made_good(service: Service) -> None:
    broker, pause = cluster().brokers[0], threading.Event()
    service.start()
    service.wait_until_ready()
    with Load(service, random.randrange(2**32)) as load:
        with Watch(service) as before:
            until_acknowledged(load, 200)
        refused = load.refusals()
        broker.kill()
        try:
            with Watch(service) as away:
                pause.wait(AWAY_S)
            acknowledged = len(load.acknowledged())
        finally:
            broker.start()
            cluster().wait_until_ready()
        back_s = time.monotonic()
        with Watch(service) as after:
            until_acknowledged(load, acknowledged + 1)
            answered_s = time.monotonic() - back_s
            until_ready(service)
            ready_s = time.monotonic() - back_s
            until_acknowledged(load, acknowledged + 200)
        refused = load.refusals() - refused
    _until_decided(service)
    decided_s = time.monotonic() - back_s
    grown = max(away.most_bytes, after.most_bytes) - before.most_bytes
    what = (
        f"away for {AWAY_S:g} s: {refused} times AE, /readyz said after {away.first_said_s} s "
        f"{sorted(away.reasons)}, did not answer {away.not_answered} times; resident "
        f"{before.most_bytes / 1e6:.0f} MB before, {away.most_bytes / 1e6:.0f} away, "
        f"{after.most_bytes / 1e6:.0f} after; back: the first answers after {answered_s:.1f} s, "
        f"ready after {ready_s:.1f} s, all decided after {decided_s:.1f} s; "
        f"{service.said().count(ENDED)} processes ended, "
        f"{service.said().count(HUNG)} parts of hanging transactions were ended"
    )
    check_that_nothing_is_lost_or_doubled(load, what)
    assert any("LogError: " in reason for reason in away.reasons), away.reasons
    assert away.not_answered == 0, "readiness is answered while the log is away"
    assert refused > 0, "senders are answered meanwhile"
    assert grown < MAX_WAITING_BYTES
    if not PATIENCE:
        assert ENDED not in service.said(), "whatever fails, fails by itself"


@soon
def _until_decided(service: Service) -> None:
    assert service.get("/health")["router"]["lag_records"] == 0
