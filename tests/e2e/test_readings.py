"""A ward code is missing from the register, is added, and what was sent is sent again: told once."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import datetime, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest

from bus.records import records_of
from schemas import topics
from schemas.notification import Notification
from schemas.observation import Envelope
from tests.e2e.test_fhir import say, stay
from tests.e2e.test_service import AT, feed_health, soon, started, tell, until_listed
from tests.support.labs import lab_on_kafka, lab_on_sqlite, log_of
from tests.support.registered import mend_register, with_register
from tests.support.service import Service
from tests.wardbridge.support import EXPORT, export

ENGINES: dict[str, Callable[[Path], Service]] = {"sqlite": lab_on_sqlite, "kafka": lab_on_kafka}
REGISTER = {"AKM": "AKM", "ELD": "OTHER", "EMED": "MED"}
MENDED = REGISTER | {"W1": "W1", "W2": "W2", "ENEW": "NEW"}


@pytest.fixture(params=ENGINES)
def service(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Service]:
    made = with_register(ENGINES[request.param](tmp_path), **REGISTER)
    yield started(made)
    if made.process is not None and made.process.poll() is None:
        made.kill()


def test_a_code_that_was_missing_takes_effect_once_it_is_there(service: Service) -> None:
    say_all(service, AT)
    until_heard(service)
    assert told(service) == []
    assert service.stop() == 0

    mend_register(service, **MENDED)
    # Elvis is believed for its wards in the configuration, which now names one more
    text = service.config.read_text(encoding="utf-8")
    service.config.write_text(text.replace('EMED = "elvis"', 'EMED = "elvis"\nENEW = "elvis"'))
    started(service)
    say_all(service, AT + timedelta(minutes=1))
    for ward in ("W1", "W2", "ENEW"):
        until_listed(service, ward, 1)
    say_all(service, AT + timedelta(minutes=2))
    until_heard(service)
    assert service.stop() == 0

    started(service)  # nothing was changed: the same reading, and nobody is told again
    say_all(service, AT + timedelta(minutes=3))
    until_heard(service)
    assert service.stop() == 0
    assert sorted(told(service)) == [f"{ward} designated marked" for ward in ("ENEW", "W1", "W2")]
    assert readings(service) == {"hl7": [1, 2], "fhir": [1, 2], "elvis": [1, 2]}


def say_all(service: Service, exported_at: datetime) -> None:
    """The same message and Encounter whenever it is called; an export of the time given."""
    tell(service, ("A14", "W1"), visit="V1")
    say(service, stay("V2", 1, "W2"))
    local = exported_at.astimezone(ZoneInfo("Europe/Stockholm"))
    text = EXPORT.replace("2026-01-15 06:00", f"{local:%Y-%m-%d %H:%M}").replace(";;MED;", ";;NEW;")
    hidden = export(service.data / "inbox", text, ".export.part")
    hidden.rename(hidden.with_name("export.csv"))
    until_exported(service)


@soon
def until_exported(service: Service) -> None:
    assert not (service.data / "inbox" / "export.csv").exists()


@soon
def until_heard(service: Service) -> None:
    """Of each feed something was accepted, and nothing waits for the router."""
    assert all(feed_health(service, name)["last_seen"] for name in ("hl7", "fhir", "elvis"))
    assert service.get("/health")["router"]["lag_records"] == 0


def told(service: Service) -> list[str]:
    with log_of(service) as log:
        notices = [
            Notification.model_validate_json(record.value or b"")
            for record in records_of(log, topics.DESIGNATIONS)
        ]
    return [f"{each.subject} {each.data.kind} {each.data.reason}" for each in notices]


def readings(service: Service) -> dict[str, list[int]]:
    """By feed, the revisions of its observations; each has one fingerprint of its own."""
    found: dict[str, dict[int, set[str]]] = {}
    with log_of(service) as log:
        for record in records_of(log, topics.OBSERVATIONS):
            envelope = Envelope.model_validate_json(record.value or b"")
            for each in envelope.observations:
                of_feed = found.setdefault(envelope.feed, {})
                of_feed.setdefault(each.revision, set()).add(envelope.fingerprint)
    for numbers in found.values():
        assert all(len(prints) == 1 and prints != {""} for prints in numbers.values())
        assert len(set[str]().union(*numbers.values())) == len(numbers)
    return {feed: sorted(numbers) for feed, numbers in found.items()}
