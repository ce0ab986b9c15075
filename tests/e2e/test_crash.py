"""SIGKILL under load: 8 connections and a directory of exports, and nothing lost or doubled.

The senders know nothing of the kills: they resend what was not acknowledged, as senders do. At
the end the log is held against the senders' own account of what they meant.
"""

from __future__ import annotations

import os
import random
import threading
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path

from tenacity import retry, retry_if_exception_type, stop_after_delay, wait_fixed

from bus.port import Stored, TopicPartition
from bus.sqlite import SqliteLog
from schemas import topics
from schemas.notification import DesignationData, Notification
from tests.support.exports import WARDS as EXPORTED_WARDS
from tests.support.exports import Exports
from tests.support.histories import Histories
from tests.support.mllp import fields_of
from tests.support.replay import replayed_notifications
from tests.support.sending import Sender
from tests.support.service import LAB, Service

KILLS = int(os.environ.get("WARDBRIDGE_KILLS", "6"))
CONNECTIONS = 8
EXPORT_EVERY_S = 0.4
ROUTER_ALONE = 0.3  # of the kills: the service stays and starts its router again


def test_sigkill_under_load(tmp_path: Path) -> None:
    seed = random.randrange(2**32)
    service = Service(tmp_path / "data", _config(tmp_path))
    (tmp_path / "data").mkdir()
    stopping = threading.Event()
    senders = [Sender(service, Histories(seed + n, f"v{n}"), stopping) for n in range(CONNECTIONS)]
    exports = Exports(seed)
    threads = [threading.Thread(target=sender.run) for sender in senders]
    threads.append(threading.Thread(target=_export, args=(exports, service, stopping)))
    service.start()
    service.wait_until_ready()
    for thread in threads:
        thread.start()
    _kill_at_random(service, random.Random(seed))
    stopping.set()
    for thread in threads:
        thread.join()
    assert [sender.failure for sender in senders if sender.failure] == []
    _wait_until_settled(service)
    assert service.stop() == 0
    _check(service, senders, exports, seed)


def _config(folder: Path) -> Path:
    """The lab, with four wards for which the exports are believed."""
    head = "[authority.lab.wards]\n"
    text = LAB.read_text(encoding="utf-8")
    assert head in text
    config = folder / "lab.toml"
    wards = "".join(f'{ward} = "elvis"\n' for ward in EXPORTED_WARDS)
    config.write_text(text.replace(head, head + wards), encoding="utf-8")
    return config


def _kill_at_random(service: Service, chance: random.Random) -> None:
    pause = threading.Event()
    for _ in range(KILLS):
        pause.wait(chance.uniform(0.05, 1.5))
        if chance.random() < ROUTER_ALONE:
            service.kill_children()
            continue
        service.kill()
        service.start()
        if chance.random() < 0.8:  # now and then it is killed again while it starts
            service.wait_until_ready()
    service.wait_until_ready()


def _export(exports: Exports, service: Service, stopping: threading.Event) -> None:
    inbox = service.data / "inbox"
    while not stopping.wait(EXPORT_EVERY_S):
        name, content = exports.next()
        hidden = inbox / f".{name}"
        hidden.write_bytes(content)
        hidden.rename(inbox / name)


@retry(
    retry=retry_if_exception_type(AssertionError),
    wait=wait_fixed(0.2),
    stop=stop_after_delay(180),
    reraise=True,
)
def _wait_until_settled(service: Service) -> None:
    assert list((service.data / "inbox").glob("*.csv")) == []
    assert list((service.data / "inbox" / "rejected").glob("*.csv")) == []
    log = SqliteLog.open_readonly(service.data / "log.db")
    try:
        end = log.ends(topics.OBSERVATIONS)[0]
        assert log.committed("router").get(TopicPartition(topics.OBSERVATIONS, 0)) == end
    finally:
        log.close()


def _check(service: Service, senders: list[Sender], exports: Exports, seed: int) -> None:
    log = SqliteLog.open(service.data / "log.db")
    notices = [
        Notification.model_validate_json(s.value or b"") for s in _all(log, topics.DESIGNATIONS)
    ]
    acknowledged = set[str]().union(*(sender.acknowledged for sender in senders))
    raw_ids = {_control_id(s) for s in _all(log, topics.RAW)}
    replayed = replayed_notifications(log)
    inbound = [DesignationData.model_validate_json(s.value or b"")
               for s in log.load(TopicPartition(topics.INBOUND, 0))]  # fmt: skip
    log.close()
    print(
        f"\nseed {seed}: {KILLS} kills, {len(acknowledged)} acknowledged messages, "
        f"{len(notices)} notices, {len(inbound)} open designations"
    )
    assert acknowledged <= raw_ids
    assert notices == replayed
    assert len({notice.id for notice in notices}) == len(notices)
    _check_sequences(notices)
    assert {(d.ward, d.visit.visit) for d in inbound if d.visit.source == "ehr"} == {
        truth for sender in senders for truth in sender.histories.open_designations()
    }
    assert _elvis(inbound) == exports.open_designations()
    assert len(inbound) > CONNECTIONS


def _elvis(inbound: list[DesignationData]) -> set[tuple[str, datetime | None]]:
    return {(d.ward, d.expected_at) for d in inbound if d.visit.source == "elvis"}


def _check_sequences(notices: list[Notification]) -> None:
    wards = {notice.data.ward for notice in notices}
    for ward in wards:
        sequence = [notice.data.sequence for notice in notices if notice.data.ward == ward]
        assert sequence == list(range(1, len(sequence) + 1))


def _all(log: SqliteLog, topic: str) -> Iterator[Stored]:
    yield from log.scan(TopicPartition(topic, 0), 0, 10**9)


def _control_id(stored: Stored) -> str:
    value = stored.value or b""
    return fields_of(value, b"MSH")[9].decode() if value.startswith(b"MSH") else ""
