"""Who is to be told of what, and that old news are no news."""

from dataclasses import replace

import pytest

from bus.memory import MemoryLog
from bus.port import Log, Record, TopicPartition
from bus.runner import StepRunner
from router.delivery.fanout import GROUP, FanOut, WardSubscriptions
from router.delivery.history import state_of
from router.delivery.registry import SubscriberRegistry, begin_configured
from router.delivery.subscription import Subscription
from schemas import topics
from schemas.delivery import SubscriberState
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
    of = notice("MED", 1, "Norr").data
    assert subscription.wants(of) is wanted
    assert list(WardSubscriptions([subscription]).by(of)) == [subscription] * wanted


def test_a_notice_finds_each_that_wants_it_once_among_many() -> None:
    med, norr = frozenset({"MED"}), frozenset({"Norr"})
    wanting = [Subscription("a"), Subscription("b", med), Subscription("c", med, norr)]
    wanting.append(Subscription("d", hospitals=norr))
    others = [Subscription(f"x{number}", frozenset({f"W{number}"})) for number in range(100)]
    found = WardSubscriptions([*others, *wanting]).by(notice("MED", 1, "Norr").data)
    assert sorted(each.name for each in found) == ["a", "b", "c", "d"]


def test_two_starts_at_once_set_no_number_back() -> None:
    """Who begins writes since when a subscriber is told, and never how far it is."""
    fan_outs = FanOuts()
    fan_outs.run(ALL)
    state = SubscriberState(subscriber="all", sequence=7)
    row = Record(topics.SUBSCRIBERS, "all", "all", state.model_dump_json().encode())
    fan_outs.log.append([row])
    known = SubscriberRegistry(MemoryLog()).current()  # as of before the other one began
    begin_configured(fan_outs.log, ["all"], known)
    fan_outs.run(ALL)
    assert state_of(fan_outs.log, "all") == state


def queue(log: Log, subscriber: str) -> list[str]:
    at = TopicPartition(topics.OUTGOING, log.partition_of(topics.OUTGOING, subscriber))
    found = [stored for stored in log.scan(at, 0, 1_000) if stored.key == subscriber]
    return [Notification.model_validate_json(stored.value or b"").id for stored in found]


class FanOuts:
    """One start after another on one log, each with the subscribers that are configured then."""

    def __init__(self) -> None:
        self.log = MemoryLog()

    def run(self, *subscriptions: Subscription) -> None:
        registry = SubscriberRegistry(self.log)
        begin_configured(self.log, [each.name for each in subscriptions], registry.current())
        since = registry.current().since
        told = [replace(each, since=since[each.name]) for each in subscriptions]
        step = FanOut(lambda: told)
        step.begin(self.log)
        self.runner = StepRunner(self.log, GROUP, step, lambda *_: ())
        self.runner.run_once()

    def decide(self, ward: str, number: int) -> None:
        self.log.append([decided(ward, number)])

    def queue(self, subscriber: str) -> list[str]:
        return queue(self.log, subscriber)


ALL, MED = Subscription("all"), Subscription("med", wards=frozenset({"MED"}))


def test_each_subscriber_has_its_queue_from_the_first_start_on() -> None:
    fan_outs = FanOuts()
    fan_outs.decide("MED", 1)
    fan_outs.run(ALL, MED)
    fan_outs.decide("MED", 2)
    fan_outs.decide("KIR", 1)
    fan_outs.runner.run_once()
    fan_outs.decide("MED", 3)
    fan_outs.run(ALL, MED)  # a second start skips nothing
    assert fan_outs.queue("all") == ["MED-2", "KIR-1", "MED-3"]
    assert fan_outs.queue("med") == ["MED-2", "MED-3"]


def test_who_is_new_is_not_told_of_what_the_fan_out_had_left() -> None:
    fan_outs = FanOuts()
    fan_outs.run(ALL)
    fan_outs.decide("MED", 1)  # decided, and the service ended before it was looked at
    fan_outs.run(ALL, MED)
    fan_outs.decide("MED", 2)
    fan_outs.run(ALL, MED)
    assert fan_outs.queue("all") == ["MED-1", "MED-2"]
    assert fan_outs.queue("med") == ["MED-2"]


def test_after_a_time_without_any_the_first_new_one_begins_then() -> None:
    fan_outs = FanOuts()
    fan_outs.run(ALL)
    fan_outs.decide("MED", 1)
    fan_outs.log.forget(topics.DESIGNATIONS)
    fan_outs.run(MED)
    fan_outs.decide("MED", 2)
    fan_outs.runner.run_once()
    assert fan_outs.queue("med") == ["MED-2"]
