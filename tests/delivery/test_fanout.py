"""Who is to be told of what, and that old news are no news."""

import pytest

from bus.memory import MemoryLog
from bus.port import Log, TopicPartition
from bus.runner import StepRunner
from router.delivery.fanout import GROUP, FanOut, begin_now
from router.delivery.subscription import Subscription
from schemas import topics
from schemas.notification import Kind, Notification
from tests.delivery.notices import decided, notice

KINDS = frozenset({Kind.ARRIVED})


@pytest.mark.parametrize(
    ("subscription", "wanted"),
    [
        (Subscription("s"), True),
        (Subscription("s", wards=frozenset({"MED"})), True),
        (Subscription("s", wards=frozenset({"KIR"})), False),
        (Subscription("s", hospitals=frozenset({"Norr"})), True),
        (Subscription("s", hospitals=frozenset({"Soder"})), False),
        (Subscription("s", frozenset({"KIR"}), frozenset({"Norr"})), True),
        (Subscription("s", kinds=KINDS), False),
        (Subscription("s", wards=frozenset({"MED"}), kinds=frozenset(Kind)), True),
    ],
)
def test_wards_hospitals_and_kinds(subscription: Subscription, *, wanted: bool) -> None:
    assert subscription.wants(notice("MED", 1, "Norr").data) is wanted


def queue(log: Log, subscriber: str) -> list[str]:
    at = TopicPartition(topics.OUTGOING, log.partition_of(topics.OUTGOING, subscriber))
    found = [stored for stored in log.scan(at, 0, 1_000) if stored.key == subscriber]
    return [Notification.model_validate_json(stored.value or b"").id for stored in found]


def test_each_subscriber_has_its_queue_from_the_first_start_on() -> None:
    log = MemoryLog()
    log.append([decided("MED", 1)])
    begin_now(log)
    step = FanOut([Subscription("all"), Subscription("med", wards=frozenset({"MED"}))])
    runner = StepRunner(log, GROUP, step, lambda *_: ())
    log.append([decided("MED", 2), decided("KIR", 1)])
    runner.run_once()
    begin_now(log)  # a second start skips nothing
    log.append([decided("MED", 3)])
    runner.run_once()
    assert queue(log, "all") == ["MED-2", "KIR-1", "MED-3"]
    assert queue(log, "med") == ["MED-2", "MED-3"]
