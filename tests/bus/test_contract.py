"""What every engine must do. No test here assumes an order between partitions."""

import threading
from collections import defaultdict
from collections.abc import Sequence

import pytest

from bus.port import (
    Log,
    LogError,
    PositionLostError,
    Record,
    RecordTooLargeError,
    Stored,
    TopicPartition,
)
from schemas.topics import INBOUND, MAX_RECORD_BYTES, OBSERVATIONS, RAW, STATE, TICKS
from tests.bus.conftest import Engine
from tests.bus.engines import SqliteEngine

REALMS = [f"realm-{n}" for n in range(8)]


def raw(route: str, text: str) -> Record:
    return Record(RAW, route, text, text.encode(), (("feed", b"\xe5"),))


def row(key: str, text: str | None, route: str = "r") -> Record:
    return Record(STATE, route, key, None if text is None else text.encode())


def out(text: str) -> Record:
    return Record(OBSERVATIONS, "r", None, text.encode())


def read_all(log: Log, group: str, topics: Sequence[str], limit: int = 100) -> list[Stored]:
    found: list[Stored] = []
    while batch := log.read(group, topics, limit, 0.0).records:
        found += batch
    return found


def texts(records: Sequence[Stored]) -> list[str]:
    return [stored.value.decode() for stored in records if stored.value is not None]


def test_what_was_appended_is_read_whole(engine: Engine) -> None:
    log = engine(1)
    log.append([raw("r", "a"), Record(OBSERVATIONS, "r", None, b"b")])
    (a,) = read_all(log, "g", [RAW])
    assert (a.topic, a.partition, a.key, a.value, a.headers) == (
        RAW, 0, "a", b"a", (("feed", b"\xe5"),),
    )  # fmt: skip
    assert a.timestamp_ms > 0
    assert texts(read_all(log, "g", [OBSERVATIONS])) == ["b"]


def test_a_batch_stays_ours_while_the_log_is_told_of_it(engine: Engine) -> None:
    log = engine(1)
    log.append([raw("r", text) for text in "abc"])
    batch = log.read("g", [RAW], 1, 0.0)
    assert [log.keep("g") for _ in range(3)] == [True] * 3
    log.commit("g", batch.positions, ())
    assert texts(batch.records) == ["a"]
    assert texts(read_all(log, "g", [RAW])) == ["b", "c"], "nothing was taken meanwhile"


def test_one_route_is_one_partition_in_order_in_every_topic(engine: Engine) -> None:
    log = engine(4)
    for number in range(50):
        log.append([raw(realm, f"{realm}:{number}") for realm in REALMS])
    seen: dict[str, list[str]] = defaultdict(list)
    for stored in read_all(log, "g", [RAW], limit=7):
        realm, count = (stored.key or "").split(":")
        assert stored.partition == log.partition_of(RAW, realm) == log.partition_of(TICKS, realm)
        seen[realm].append(count)
    assert seen == {realm: [str(n) for n in range(50)] for realm in REALMS}


def test_groups_have_positions_of_their_own(engine: Engine) -> None:
    log = engine(1)
    log.append([raw("r", "a"), raw("r", "b")])
    first = log.read("g1", [RAW], 1, 0.0)
    log.commit("g1", first.positions, [])
    log.rewind("g1")
    assert texts(read_all(log, "g1", [RAW])) == ["b"]
    assert texts(read_all(log, "g2", [RAW])) == ["a", "b"]
    assert log.committed("g2") == {}


def test_what_was_read_and_not_committed_is_read_again_after_a_rewind(engine: Engine) -> None:
    log = engine(2)
    log.append([raw(realm, realm) for realm in REALMS])
    before = read_all(log, "g", [RAW])
    assert read_all(log, "g", [RAW]) == []
    log.rewind("g")
    assert read_all(log, "g", [RAW]) == before


def test_who_leaves_a_group_and_comes_again_goes_on_at_what_was_committed(engine: Engine) -> None:
    log = engine(1)
    log.leave("g")  # nobody was there
    log.append([raw("r", "a"), raw("r", "b")])
    first = log.read("g", [RAW], 1, 0.0)
    log.commit("g", first.positions, [row("k", "state")])
    log.read("g", [RAW], 1, 0.0)
    log.leave("g")
    assert texts(read_all(log, "g", [RAW])) == ["b"]
    log.commit("g", {TopicPartition(RAW, 0): log.ends(RAW)[0]}, [row("k", "later")])
    assert texts(list(log.load(TopicPartition(STATE, 0)))) == ["later"]


@pytest.mark.parametrize("commits_first", [False, True])
def test_who_takes_a_group_over_fences_whoever_had_it(
    engine: Engine, *, commits_first: bool
) -> None:
    """The one before has read, decided, and not committed: killed or only slow, its commit is void."""
    before = engine(1)
    before.append([raw("r", text) for text in "abc"])
    if commits_first:
        before.commit("g", before.read("g", [RAW], 1, 5.0).positions, [row("by", "before")])
    stale = before.read("g", [RAW], 1, 5.0)
    after = engine.beside(before)
    batch = after.read("g", [RAW], 1, 5.0)
    assert texts(batch.records) == texts(stale.records) == ["b" if commits_first else "a"]
    if commits_first:
        after.commit("g", batch.positions, [out("after")])
    with pytest.raises(LogError):
        before.commit("g", stale.positions, [out("before")])
    if not commits_first:
        after.commit("g", batch.positions, [out("after")])
    with pytest.raises(LogError):
        before.commit("g", {}, [out("before, without a position")])
    assert texts(read_all(after, "h", [OBSERVATIONS])) == ["after"]
    assert after.committed("g") == batch.positions
    assert texts(after.read("g", [RAW], 1, 5.0).records) == ["c" if commits_first else "b"]


def test_groups_are_taken_over_one_by_one(engine: Engine) -> None:
    before = engine(1)
    before.append([raw("r", "a")])
    mine, other = (before.read(group, [RAW], 1, 5.0) for group in ("mine", "other"))
    engine.beside(before).read("other", [RAW], 1, 5.0)
    before.commit("mine", mine.positions, [out("mine")])
    with pytest.raises(LogError):
        before.commit("other", other.positions, [out("other")])
    assert texts(read_all(before, "h", [OBSERVATIONS])) == ["mine"]


def test_commit_takes_outputs_state_and_positions_together(engine: Engine) -> None:
    log = engine(1)
    log.append([raw("r", "in")])
    batch = log.read("g", [RAW], 10, 0.0)
    log.commit("g", batch.positions, [Record(OBSERVATIONS, "r", None, b"out"), row("k", "state")])
    assert log.committed("g") == batch.positions
    assert texts(read_all(log, "h", [OBSERVATIONS])) == ["out"]
    assert texts(list(log.load(TopicPartition(STATE, 0)))) == ["state"]


@pytest.mark.parametrize(
    ("bad", "error"),
    [
        (Record(RAW, "r", None, b"x" * (MAX_RECORD_BYTES + 1)), RecordTooLargeError),
        (Record("no-such-topic", "r", None, b""), LogError),
        (Record(STATE, "r", None, b""), LogError),
        (Record(RAW, "r", "k", None), LogError),
        (Record(RAW, "r", "å" * (MAX_RECORD_BYTES // 2) + "å", b""), RecordTooLargeError),
        (Record(RAW, "r", "half \ud83d", b""), LogError),
        (Record(RAW, "half \ud83d", "k", b""), LogError),
    ],
    ids=[
        "too large",
        "unknown topic",
        "compacted without key",
        "tombstone where none belongs",
        "too large in bytes, not in characters",
        "key that is no text",
        "route that is no text",
    ],
)
def test_one_bad_record_refuses_the_whole_call(
    engine: Engine, bad: Record, error: type[LogError]
) -> None:
    log = engine(1)
    with pytest.raises(error):
        log.append([raw("r", "good"), bad])
    with pytest.raises(error):
        log.commit("g", {TopicPartition(RAW, 0): 1}, [raw("r", "good"), bad])
    assert read_all(log, "g", [RAW]) == []
    assert log.committed("g") == {}


@pytest.mark.parametrize("at", [TopicPartition("no-such-topic", 0), TopicPartition(RAW, 1)])
def test_a_place_that_is_not_there_is_refused(engine: Engine, at: TopicPartition) -> None:
    log = engine(1)
    with pytest.raises(LogError):
        log.commit("g", {at: 1}, [raw("r", "a")])
    with pytest.raises(LogError):
        log.scan(at, 0, 1)
    with pytest.raises(LogError):
        log.load(at)
    assert log.ends(RAW) == {0: 0}
    log.append([raw("r", "b")])
    assert texts(read_all(log, "g", [RAW])) == ["b"]


def test_nothing_and_none_are_told_apart(engine: Engine) -> None:
    log = engine(1)
    log.append(
        [Record(RAW, "r", None, b""), Record(RAW, "r", "", b""), Record(STATE, "r", "", b"")]
    )
    assert [(s.key, s.value, s.headers) for s in read_all(log, "g", [RAW])] == [
        (None, b"", ()),
        ("", b"", ()),
    ]
    assert [(s.key, s.value) for s in log.load(TopicPartition(STATE, 0))] == [("", b"")]


def test_the_largest_allowed_record_fits(engine: Engine) -> None:
    log = engine(1)
    log.append([Record(RAW, "r", None, b"x" * MAX_RECORD_BYTES)])
    (stored,) = read_all(log, "g", [RAW])
    assert len(stored.value or b"") == MAX_RECORD_BYTES


def test_load_gives_the_newest_of_each_key_without_the_removed(engine: Engine) -> None:
    log = engine(1)
    log.append([row("a", "1"), row("b", "1"), row("a", "2"), row("c", "1")])
    log.append([row("b", None), row("c", None), row("c", "2")])
    assert {s.key: s.value for s in log.load(TopicPartition(STATE, 0))} == {"a": b"2", "c": b"2"}


def test_a_follower_of_a_compacted_topic_sees_a_removal(engine: Engine) -> None:
    log = engine(1)
    log.append([Record(INBOUND, "w", "w|v", b"open")])
    end = log.ends(INBOUND)[0]
    log.append([Record(INBOUND, "w", "w|v", None)])
    (gone,) = log.scan(TopicPartition(INBOUND, 0), end, 10)
    assert (gone.key, gone.value) == ("w|v", None)


def test_submissions_of_one_thread_complete_in_order(engine: Engine) -> None:
    log, order, last = engine(1), list[int](), threading.Event()

    def done_with(number: int, error: LogError | None) -> None:
        assert error is None
        order.append(number)
        if number == 299:
            last.set()

    for number in range(300):
        log.submit([raw("r", str(number))], lambda e, n=number: done_with(n, e))  # type: ignore[misc]
    assert last.wait(30)
    assert order == list(range(300))
    assert texts(read_all(log, "g", [RAW])) == [str(n) for n in range(300)]


def test_a_waiter_that_fails_costs_the_others_nothing(engine: Engine) -> None:
    log, told = engine(1), threading.Event()

    def fail(error: LogError | None) -> None:
        raise RuntimeError(f"the event loop is closed ({error})")

    log.submit([raw("r", "a")], fail)
    log.submit([raw("r", "b")], lambda error: None if error else told.set())
    assert told.wait(30)
    assert texts(read_all(log, "g", [RAW])) == ["a", "b"]


def test_closing_finishes_what_was_submitted_and_answers_all(engine: Engine) -> None:
    log, answers = engine(1), list[LogError | None]()
    first_answer, refused = threading.Event(), list[LogError]()

    def answered(error: LogError | None) -> None:
        answers.append(error)
        first_answer.set()

    def send() -> int:
        sent = 0
        try:
            while True:
                log.submit([raw("r", "x")], answered)
                sent += 1
        except LogError as error:
            refused.append(error)
        return sent

    counts = list[int]()
    threads = [threading.Thread(target=lambda: counts.append(send())) for _ in range(3)]
    for thread in threads:
        thread.start()
    assert first_answer.wait(30)
    log.close()
    for thread in threads:
        thread.join(30)
    assert len(refused) == len(threads)
    assert answers == [None] * sum(counts)


def test_many_submitters_lose_and_double_nothing(engine: Engine) -> None:
    log = engine(4)

    def send(name: int) -> None:
        for number in range(50):
            log.append([raw(REALMS[name], f"{name}:{number}")])

    threads = [threading.Thread(target=send, args=(name,)) for name in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    found = texts(read_all(log, "g", [RAW]))
    assert sorted(found) == sorted(f"{n}:{m}" for n in range(8) for m in range(50))


def test_offsets_grow_and_ends_lie_after_the_last(engine: Engine) -> None:
    log = engine(1)
    assert (log.starts(RAW), log.ends(RAW)) == ({0: 0}, {0: 0})
    log.append([raw("r", "a"), raw("r", "b")])
    offsets = [s.offset for s in log.scan(TopicPartition(RAW, 0), 0, 10)]
    assert offsets == sorted(set(offsets))
    assert log.ends(RAW)[0] > offsets[-1]


def test_records_are_found_by_the_time_at_which_the_log_took_them(engine: Engine) -> None:
    log, at = engine(1), TopicPartition(RAW, 0)
    assert log.since(at, 0) == 0
    for text in "abcdefgh":
        log.append([raw("r", text), raw("r", f"{text}{text}")])
        if isinstance(engine, SqliteEngine):
            engine.clock.now_ms += 1
    found = log.scan(at, 0, 100)
    times = sorted({each.timestamp_ms for each in found})
    for moment in (0, *times):
        first = next(each.offset for each in found if each.timestamp_ms >= moment)
        assert log.since(at, moment) == first
    assert log.since(at, times[-1] + 1) == log.ends(RAW)[0]
    with pytest.raises(LogError, match="has no partition"):
        log.since(TopicPartition(RAW, 7), 0)


def test_who_sees_a_commit_in_one_topic_finds_it_in_another_up_to_what_is_written(
    engine: Engine,
) -> None:
    log, commits = engine(1), 20
    log.append([raw("r", str(number)) for number in range(commits)])

    def decide() -> None:
        for _ in range(commits):
            batch = log.read("g", [RAW], 1, 30.0)
            value = batch.records[0].value
            out = Record(OBSERVATIONS, "r", None, value)
            log.commit("g", batch.positions, [out, Record(STATE, "r", "k", value)])

    thread = threading.Thread(target=decide)
    thread.start()
    out, state = TopicPartition(OBSERVATIONS, 0), TopicPartition(STATE, 0)
    seen, at, found = -1, 0, list[int]()
    while seen < commits - 1:
        log.wait([OBSERVATIONS], {out: at}, 30.0)
        for stored in log.scan(out, at, 100):
            seen, at = int(stored.value or b""), stored.offset + 1
        end, position = log.written(STATE)[0], 0
        while position < end and (rows := log.scan(state, position, 100)):
            found.append(int(rows[-1].value or b""))
            position = rows[-1].offset + 1
        assert found[-1] >= seen
    thread.join(30)


def test_wait_wakes_when_something_is_committed(engine: Engine) -> None:
    log = engine(1)
    at = TopicPartition(RAW, 0)
    assert not log.wait([RAW], {at: 0}, 0.0)
    woken = threading.Event()
    waiter = threading.Thread(target=lambda: woken.set() if log.wait([RAW], {at: 0}, 30) else None)
    waiter.start()
    log.append([raw("r", "a")])
    waiter.join(30)
    assert woken.is_set()


def test_reading_waits_no_longer_than_told(engine: Engine) -> None:
    batch = engine(3).read("g", [RAW], 10, 0.01)
    assert (batch.records, batch.assigned) == ((), frozenset({0, 1, 2}))


def test_a_batch_has_no_more_than_its_limit_and_the_next_goes_on(engine: Engine) -> None:
    log = engine(2)
    log.append([raw(realm, f"{realm}:{n}") for realm in REALMS for n in range(3)])
    log.append([Record(TICKS, realm, None, b"t") for realm in REALMS])
    batches = list[int]()
    seen = defaultdict[TopicPartition, list[int]](list)
    while batch := log.read("g", [TICKS, RAW], 5, 0.0).records:
        batches.append(len(batch))
        for stored in batch:
            seen[TopicPartition(stored.topic, stored.partition)].append(stored.offset)
    assert max(batches) <= 5
    assert all(offsets == sorted(set(offsets)) for offsets in seen.values())
    assert sum(batches) == 4 * len(REALMS)


def test_everything_is_there_after_a_restart(engine: Engine) -> None:
    log = engine(2)
    log.append([raw(realm, realm) for realm in REALMS])
    batch = log.read("g", [RAW], 3, 0.0)
    log.commit("g", batch.positions, [row("k", "v"), row("gone", "v")])
    log.append([row("gone", None)])
    ends = log.ends(RAW)
    again = engine.reopen(log)
    assert (again.ends(RAW), again.committed("g")) == (ends, batch.positions)
    rest = texts(read_all(again, "g", [RAW]))
    assert sorted(texts(batch.records) + rest) == sorted(REALMS)
    state = TopicPartition(STATE, again.partition_of(STATE, "r"))
    assert [s.key for s in again.load(state)] == ["k"]


def test_retention_moves_the_start_and_gives_no_offset_twice(engine: Engine) -> None:
    log = engine(1)
    log.append([raw("r", str(n)) for n in range(10)])
    engine.expire(log, RAW)
    log = engine.reopen(log)
    end = log.ends(RAW)[0]
    assert log.starts(RAW)[0] == end >= 10
    assert not log.wait([RAW], {}, 0.0)
    assert log.read("new", [RAW], 10, 0.0).records == ()
    log.append([raw("r", "next")])
    assert log.wait([RAW], {}, 0.0)
    (stored,) = read_all(log, "new", [RAW])
    assert (stored.key, stored.offset) == ("next", end)


def test_a_group_whose_records_were_removed_is_told(engine: Engine) -> None:
    log = engine(1)
    log.append([raw("r", "a"), raw("r", "b")])
    log.commit("slow", {TopicPartition(RAW, 0): 1}, [])
    engine.expire(log, RAW)
    log.append([raw("r", "c")])
    with pytest.raises(PositionLostError, match="oldest kept"):
        log.read("slow", [RAW], 10, 0.0)
    with pytest.raises(PositionLostError):
        log.scan(TopicPartition(RAW, 0), 1, 10)
    assert texts(read_all(log, "new", [RAW])) == ["c"]


def test_retention_leaves_compacted_topics_and_positions_alone(engine: Engine) -> None:
    log = engine(1)
    log.append([raw("r", "a"), row("k", "v")])
    log.commit("g", {TopicPartition(RAW, 0): 1}, [])
    engine.expire(log, RAW)
    log = engine.reopen(log)
    assert [s.key for s in log.load(TopicPartition(STATE, 0))] == ["k"]
    assert log.committed("g") == {TopicPartition(RAW, 0): 1}


def test_a_closed_log_refuses_and_closes_twice(engine: Engine) -> None:
    log = engine(1)
    log.close()
    log.close()
    with pytest.raises(LogError):
        log.append([raw("r", "a")])
