"""The service with its log on a real broker: told as on SQLite, also after a restart."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.e2e.test_service import kinds, started, stream, tell, visits
from tests.support.labs import lab_on_kafka
from tests.support.service import Service


@pytest.fixture
def service(tmp_path: Path) -> Iterator[Service]:
    made = lab_on_kafka(tmp_path)
    yield made
    if made.process is not None and made.process.poll() is None:
        made.kill()


def test_a_mark_over_mllp_is_told_to_the_ward_and_a_restart_resumes(service: Service) -> None:
    started(service)
    with stream(service, "W1") as events:
        tell(service, *[("A14", "W1"), ("A14", "W2")] * 5)
        assert [sequence for _, _, sequence in kinds(events, 10)] == list(range(1, 11))
    assert service.stop() == 0
    started(service)
    assert (visits(service, "W1"), visits(service, "W2")) == ([], ["V1"])
    with stream(service, "W1", after=8) as events:
        tell(service, ("A14", "W1"), step=10)
        told = kinds(events, 3)
    assert told == [
        ("designated", "marked", 9), ("withdrawn", "redesignated", 10), ("designated", "marked", 11),
    ]  # fmt: skip
    health = service.get("/health")
    assert (health["ready"], health["router"]["lag_records"]) == (True, 0)
    assert service.stop() == 0
