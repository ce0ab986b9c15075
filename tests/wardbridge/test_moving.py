"""A log is moved whole, also in several attempts, and never beside what does not belong to it."""

from collections.abc import Callable, Sequence

import pytest

from bus.belonging import PositionRows
from bus.memory import MemoryLog
from bus.port import Log, LogError, Record, Stored, TopicPartition
from bus.runner import StepRunner, lag_of
from router.core.step import GROUP, RouterStep
from router.delivery import fanout, queue
from router.delivery.fanout import FanOut
from router.delivery.registry import SubscriberRegistry, begin_configured
from router.delivery.subscription import Subscription
from schemas import topics
from schemas.topics import TOPICS
from tests.delivery.dispatching import REFUSED, Endpoint, at_work, sender_to, until_so
from tests.delivery.notices import decided
from wardbridge.logstore import log_copy
from wardbridge.logstore.log_copy import move, records_of

PARTITIONS = 2
HEADERS = (("received", b"now"),)


class Cluster(MemoryLog):
    """Takes records for a partition; fails before one of them if told to."""

    fails_at: int | None = None
    appended = 0

    def append_at(self, at: TopicPartition, records: Sequence[Stored]) -> None:
        for stored in records:
            if self.appended == self.fails_at:
                raise LogError("no broker answers")
            self.appended += 1
            route = next(
                r for r in map(str, range(99)) if self.partition_of(at.topic, r) == at.partition
            )
            self.append([Record(at.topic, route, stored.key, stored.value, stored.headers)])


def filled() -> MemoryLog:
    log = MemoryLog(PARTITIONS)
    for number in range(7):
        route = f"r{number % 3}"
        log.append([Record(topics.OBSERVATIONS, route, f"k{number}", b"%d" % number, HEADERS)])
        log.commit(GROUP, {}, [Record(topics.STATE, route, f"row{number % 4}", b"%d" % number)])
    log.append([Record(topics.STATE, "r1", "row1", None)])
    log.commit(GROUP, ends_of_inputs(log), [])
    return log


def ends_of_inputs(log: Log) -> dict[TopicPartition, int]:
    return {
        TopicPartition(topic, number): end
        for topic in RouterStep.inputs
        for number, end in log.ends(topic).items()
    }


def contents(log: Log) -> dict[TopicPartition, list[object]]:
    """All but the rows of positions, which differ: offsets are the log's own."""
    places = [TopicPartition(topic.name, n) for topic in TOPICS for n in range(PARTITIONS)]
    return {
        at: [
            (s.key, s.value, s.headers)
            for s in records_of(log, at)
            if not (s.key or "").startswith("%")
        ]
        for at in places
    }


def test_everything_is_there_in_order_and_the_router_goes_on_at_the_end() -> None:
    source, cluster = filled(), Cluster(PARTITIONS)
    moved = list(move(source, cluster))
    assert contents(cluster) == contents(source)
    assert sum(each.copied for each in moved) == sum(map(len, contents(source).values())) > 10
    assert cluster.committed(GROUP) == ends_of_inputs(cluster)
    for number in range(PARTITIONS):
        rows = PositionRows(cluster, GROUP, topics.STATE)
        (row,) = [
            row
            for row in cluster.load(TopicPartition(topics.STATE, number))
            if row.key == rows.key(number)
        ]
        assert not rows.begin(number, cluster.committed(GROUP), row), "they belong together"


def test_the_cluster_keeps_what_it_says_of_its_own_format() -> None:
    source, cluster = filled(), Cluster(PARTITIONS)
    cluster.append([Record(topics.FORMAT, "log", "log", b"2")])
    assert all(each.at.topic != topics.FORMAT for each in move(source, cluster))
    ends = cluster.ends(topics.FORMAT).values()
    assert sum(ends) == 1


@pytest.mark.parametrize("fails_at", range(1, 15))
def test_an_attempt_goes_on_where_the_one_before_ended(
    fails_at: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(log_copy, "AT_ONCE_RECORDS", 2)
    source, cluster = filled(), Cluster(PARTITIONS)
    cluster.fails_at = fails_at
    with pytest.raises(LogError, match="no broker answers"):
        list(move(source, cluster))
    assert not cluster.committed(GROUP), "nothing has been moved yet"
    cluster.fails_at = None
    moved = list(move(source, cluster))
    assert contents(cluster) == contents(source)
    assert sum(each.copied for each in moved) == sum(map(len, contents(source).values())) - fails_at


def something_waits(source: MemoryLog, _: Cluster) -> None:
    source.append([Record(topics.OBSERVATIONS, "r0", "late", b"")])


def the_cluster_is_in_use(_: MemoryLog, cluster: Cluster) -> None:
    cluster.commit(GROUP, {TopicPartition(topics.TICKS, 0): 0}, [])


def another_has_written_there(_: MemoryLog, cluster: Cluster) -> None:
    cluster.append([Record(topics.OBSERVATIONS, "r0", "stranger", b"")])


def another_has_written_a_row(_: MemoryLog, cluster: Cluster) -> None:
    cluster.append([Record(topics.ENCOUNTERS, "r0", "stranger", b"")])


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        (something_waits, "1 records wait for the router"),
        (the_cluster_is_in_use, "the cluster's log is in use"),
        (another_has_written_there, "observations/. is not the same"),
        (another_has_written_a_row, "encounters/. is not the same"),
    ],
)
def test_what_does_not_fit_is_refused(
    change: Callable[[MemoryLog, Cluster], None], reason: str
) -> None:
    source, cluster = filled(), Cluster(PARTITIONS)
    change(source, cluster)
    before = cluster.committed(GROUP)
    with pytest.raises(LogError, match=reason):
        list(move(source, cluster))
    assert cluster.committed(GROUP) == before


def test_another_number_of_partitions_is_refused() -> None:
    with pytest.raises(LogError, match="partitions is 2 in the file and 3 on the cluster"):
        list(move(filled(), Cluster(3)))


def told(log: Log, *endpoints: Endpoint) -> None:
    """The fan-out and the dispatcher of one process, until nothing is left to do."""
    names = [f"s{number}" for number in range(len(endpoints))]
    registry = SubscriberRegistry(log)
    begin_configured(log, names, registry.current())
    known = registry.current().since
    step = FanOut(lambda: [Subscription(name, since=known[name]) for name in names])
    step.begin(log)
    fan_out = StepRunner(log, fanout.GROUP, step, lambda *_: (), prepare=step.prepare)
    fan_out.run_once()
    with at_work(
        log, *(sender_to(each, name) for each, name in zip(endpoints, names, strict=True))
    ):
        until_so(lambda: lag_of(log, queue.GROUP, [topics.OUTGOING]) == 0)


def test_subscribers_go_on_where_they_were_also_where_the_oldest_records_are_gone() -> None:
    """Offsets begin with 0 on the cluster: what rows say of them is written so."""
    source = MemoryLog(PARTITIONS)
    told(source, before := Endpoint(), refusing := Endpoint(lambda _: REFUSED))
    source.append([decided(f"W{n % 3}", n) for n in range(1, 11)])
    told(source, before, refusing)
    for topic in (topics.DESIGNATIONS, topics.OUTGOING):
        source.forget(topic)
    source.append([decided(f"W{n % 3}", n) for n in range(11, 21)])
    told(source, before, refusing)
    source.commit(GROUP, ends_of_inputs(source), [])
    cluster = Cluster(PARTITIONS)
    list(move(source, cluster))
    cluster.append([decided(f"W{n % 3}", n) for n in range(21, 31)])
    told(cluster, after := Endpoint(), well := Endpoint())
    assert sorted(before.numbers()) == list(range(1, 21))
    assert sorted(after.numbers()) == list(range(21, 31))
    assert sorted(well.numbers()) == list(range(11, 31)), (
        "what was refused and is kept, and the new"
    )
