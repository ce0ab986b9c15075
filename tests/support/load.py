"""A lab under load from senders that resend until answered, and what its log must say at the end.

The senders know nothing of what happens to the service. At the end the log is held against the
senders' own account of what they meant, and against a fresh router that is fed the same committed
observations in the same order.
"""

from __future__ import annotations

import threading
from dataclasses import dataclass, field
from typing import Final, Self

from tenacity import retry, retry_if_exception_type, stop_after_delay, wait_fixed

from bus.port import Log, Stored, TopicPartition
from schemas import topics
from schemas.notification import DesignationData, Notification
from tests.support.exports import Exports
from tests.support.histories import Histories
from tests.support.mllp import MllpClient, code_of, control_id_of, fields_of
from tests.support.replay import everything, replayed_notifications
from tests.support.service import Service
from wardbridge.config.load import load
from wardbridge.logstore.log import open_log

CONNECTIONS: Final = 8
EXPORT_EVERY_S: Final = 0.4
PAUSE_S: Final = (
    0.02  # of a sender between messages: some are always on their way, the router keeps up
)
ANSWERED_WITHIN_S: Final = 400  # the log may be away for minutes


class NotStoredError(Exception):
    """The service answered that it could not store a message, as it does while the log is away."""


@dataclass
class Sender:
    """One sending system: resends until answered, over a new connection if need be."""

    port: int
    histories: Histories
    stopping: threading.Event
    pause_s: float = PAUSE_S
    acknowledged: set[str] = field(default_factory=set)
    refusals: int = 0
    failure: Exception | None = None

    def run(self) -> None:
        try:
            while not self.stopping.is_set():
                for message in self.histories.visit():
                    self._deliver(message)
                    self.stopping.wait(self.pause_s)
        except Exception as error:  # noqa: BLE001 - reported by the test
            self.failure = error

    @retry(
        retry=retry_if_exception_type((OSError, EOFError, NotStoredError)),
        wait=wait_fixed(0.05), stop=stop_after_delay(ANSWERED_WITHIN_S), reraise=True,
    )  # fmt: skip
    def _deliver(self, message: bytes) -> None:
        control_id = fields_of(message, b"MSH")[9].decode()
        with MllpClient(self.port) as client:
            answer = client.ask(message)
        assert control_id_of(answer) == control_id
        if code_of(answer) == "AE":
            self.refusals += 1
            raise NotStoredError
        assert code_of(answer) == "AA", answer
        self.acknowledged.add(control_id)


class Load:
    """Senders over MLLP and an exporting system, at work within the ``with`` block."""

    def __init__(self, service: Service, seed: int) -> None:
        self.service = service
        self.exports = Exports(seed)
        self._stopping = threading.Event()
        self.senders = [
            Sender(service.mllp_port, Histories(seed + n, f"v{n}"), self._stopping)
            for n in range(CONNECTIONS)
        ]
        jobs = [self._export, *(sender.run for sender in self.senders)]
        self._threads = [threading.Thread(target=job) for job in jobs]

    def __enter__(self) -> Self:
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stopping.set()
        for thread in self._threads:
            thread.join()

    def acknowledged(self) -> set[str]:
        """Control ids of what was answered with AA."""
        return set[str]().union(*(sender.acknowledged for sender in self.senders))

    def refusals(self) -> int:
        """How often the answer was AE."""
        return sum(sender.refusals for sender in self.senders)

    def open_designations(self) -> set[tuple[str, str]]:
        """(ward, visit) of everyone whom a message marked and who has not come."""
        return {truth for sender in self.senders for truth in sender.histories.open_designations()}

    def _export(self) -> None:
        inbox = self.service.data / "inbox"
        while not self._stopping.wait(EXPORT_EVERY_S):
            name, content = self.exports.next()
            hidden = inbox / f".{name}"
            hidden.write_bytes(content)
            hidden.rename(inbox / name)


def check_that_nothing_is_lost_or_doubled(load_: Load, what: str) -> None:
    """Once the senders are done: wait until all is decided, end the service, look at its log."""
    service = load_.service
    assert [sender.failure for sender in load_.senders if sender.failure] == []
    _wait_until_settled(service)
    assert service.stop() == 0
    log = open_log(load(service.config, service.data, service.environment))
    try:
        _check(log, load_, what)
    finally:
        log.close()


@retry(
    retry=retry_if_exception_type(AssertionError), wait=wait_fixed(0.2),
    stop=stop_after_delay(180), reraise=True,
)  # fmt: skip
def _wait_until_settled(service: Service) -> None:
    assert list((service.data / "inbox").glob("*.csv")) == []
    assert list((service.data / "inbox" / "rejected").glob("*.csv")) == []
    assert service.get("/health")["router"]["lag_records"] == 0


def _check(log: Log, load_: Load, what: str) -> None:
    notices = [
        Notification.model_validate_json(stored.value or b"")
        for stored in everything(log, topics.DESIGNATIONS)
    ]
    inbound = [DesignationData.model_validate_json(stored.value or b"")
               for stored in log.load(TopicPartition(topics.INBOUND, 0))]  # fmt: skip
    acknowledged = load_.acknowledged()
    print(
        f"\n{what}: {len(acknowledged)} acknowledged messages, "
        f"{len(notices)} notices, {len(inbound)} open designations"
    )
    end = log.ends(topics.OBSERVATIONS)[0]
    assert log.committed("router")[TopicPartition(topics.OBSERVATIONS, 0)] == end
    assert acknowledged <= {_control_id(stored) for stored in everything(log, topics.RAW)}
    assert notices == replayed_notifications(log)
    assert len({notice.id for notice in notices}) == len(notices)
    _check_sequences(notices)
    messages = {(d.ward, d.visit.visit) for d in inbound if d.visit.source == "ehr"}
    exports = {(d.ward, d.expected_at) for d in inbound if d.visit.source == "elvis"}
    assert messages == load_.open_designations()
    assert exports == load_.exports.open_designations()
    assert notices  # how many are open at the end is chance, and right by the account above


def _check_sequences(notices: list[Notification]) -> None:
    wards = {notice.data.ward for notice in notices}
    for ward in wards:
        sequence = [notice.data.sequence for notice in notices if notice.data.ward == ward]
        assert sequence == list(range(1, len(sequence) + 1))


def _control_id(stored: Stored) -> str:
    value = stored.value or b""
    return fields_of(value, b"MSH")[9].decode() if value.startswith(b"MSH") else ""
