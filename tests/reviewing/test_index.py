"""The read model of what is open: right in whatever order it reads, bounded, and quick to ask."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Sequence
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bus.memory import MemoryLog
from bus.port import Stored
from schemas import topics
from schemas.review import ReviewItem, ReviewStep, is_open
from tests.reviewing.saying import after, item, record, step
from wardbridge.reviewing.component import ReviewFollower
from wardbridge.reviewing.following import TopicFollower
from wardbridge.reviewing.index import Index, ItemPosition, OpenItems

Row = ReviewItem | ReviewStep


def stored(each: Row) -> Stored:
    made = record(each)
    return Stored(made.topic, 0, 0, made.key, made.value, (), 0)


def gone(each: Row) -> Stored:
    return stored(each)._replace(value=None)


def index_of(*rows: Row, max_items: int = 1_000) -> Index:
    index = Index(max_items)
    for each in rows:
        index.take(stored(each))
    return index


def ids(index: Index) -> list[str]:
    return [each.id for each in index.items(lambda _: True, None, 10_000)]


def test_what_is_open_is_listed_oldest_first_and_counted_by_feed_and_reason() -> None:
    index = index_of(
        item("b", 2, mark_unread=True), item("a", 1), item("c", 3, feed="elvis"),
        item("d", 0, reason="visit-missing"),
    )  # fmt: skip
    assert ids(index) == ["d", "a", "b", "c"]
    assert index.waiting() == [
        OpenItems("elvis", "ward-unknown", 1, 0, after(3)),
        OpenItems("hl7", "visit-missing", 1, 0, after(0)),
        OpenItems("hl7", "ward-unknown", 2, 1, after(1)),
    ]
    for each in "abcd":
        index.take(stored(step(each, "discarded", by="anna")))
    assert index.waiting() == [
        OpenItems("elvis", "ward-unknown", 0, 0, None),
        OpenItems("hl7", "visit-missing", 0, 0, None),
        OpenItems("hl7", "ward-unknown", 0, 0, None),
    ]  # a figure that fell to none must not vanish from a graph


def test_pages_go_on_behind_a_place_also_when_that_one_has_ended() -> None:
    index = index_of(*(item(str(number), number) for number in range(9)))
    first = index.items(lambda _: True, None, 3)
    assert [each.id for each in first] == ["0", "1", "2"]
    index.take(stored(step("2", "discarded")))
    behind = ItemPosition(first[-1].at, first[-1].id)
    assert [each.id for each in index.items(lambda _: True, behind, 3)] == ["3", "4", "5"]
    odd = index.items(lambda each: int(each.id) % 2 == 1, behind, 9)
    assert [each.id for each in odd] == ["3", "5", "7"]


ROWS = st.one_of(
    st.builds(
        item, st.sampled_from("abc"), st.integers(0, 3),
        mark_unread=st.booleans(), reason=st.sampled_from(["x", "y"]),
    ),
    st.builds(
        step, st.sampled_from("abc"), st.sampled_from(["resolved", "discarded", "replayed"]),
        st.integers(0, 3), by=st.sampled_from(["", "anna"]),
    ),
)  # fmt: skip


@given(st.lists(ROWS, max_size=20))
def test_it_holds_what_is_open_by_the_records_that_are_kept(rows: Sequence[Row]) -> None:
    index = index_of(*rows)
    newest: dict[tuple[str, str | None], Row] = {}
    for each in rows:
        made = record(each)
        newest[made.topic, made.key] = each
    items = [each for each in newest.values() if isinstance(each, ReviewItem)]
    steps = [each for each in newest.values() if isinstance(each, ReviewStep)]
    told = {each.item: [s for s in rows if isinstance(s, ReviewStep) and s.item == each.item]
            for each in steps}  # fmt: skip
    still = sorted(
        (each for each in items if is_open(each, told.get(each.id, []))), key=lambda i: (i.at, i.id)
    )
    assert index.items(lambda _: True, None, 99) == still
    counted = {(w.feed, w.reason): (w.open, w.mark_unread, w.oldest_at) for w in index.waiting()}
    expected = Counter((each.feed, each.reason) for each in still)
    marks = Counter((each.feed, each.reason) for each in still if each.mark_unread)
    assert {key: value for key, value in counted.items() if value[0]} == {
        key: (number, marks[key], min(i.at for i in still if (i.feed, i.reason) == key))
        for key, number in expected.items()
    }


def test_a_removed_item_is_forgotten_with_its_end() -> None:
    index = index_of(item(), step())
    index.take(gone(item()))
    assert index._ends == {}
    index.take(stored(item()))
    assert ids(index) == ["i1"]


def test_what_nobody_can_read_costs_itself_only() -> None:
    index = index_of(item("a"))
    for topic in (topics.REVIEW, topics.REVIEWED):
        index.take(Stored(topic, 0, 0, "x", b"{", (), 0))
        index.take(Stored(topic, 0, 0, None, b"{}", (), 0))
    assert ids(index) == ["a"]


def test_more_than_it_holds_are_counted_and_read_when_there_is_room() -> None:
    log = MemoryLog()
    log.append([record(item(str(number), number)) for number in range(10)])
    follower = TopicFollower(log, (topics.REVIEWED, topics.REVIEW))
    index = Index(max_items=4)
    for each in follower.look():
        index.take(each)
    assert (ids(index), index.beyond, index.is_to_be_read_anew) == (["0", "1", "2", "3"], 6, False)
    log.append([record(step(str(number), "discarded")) for number in range(3)])
    for each in follower.look():
        index.take(each)
    assert index.is_to_be_read_anew
    index.clear()
    follower.begin_again()
    for each in follower.look():
        index.take(each)
    assert (ids(index), index.beyond) == (["3", "4", "5", "6"], 3)


def test_figures_cost_the_same_whatever_there_is() -> None:
    """Not timed: what is asked of ten thousand touches as little as of ten."""
    index = index_of(*(item(str(n), n) for n in range(10_000)), max_items=20_000)

    class Counting(list[ItemPosition]):
        looks = 0

        def __getitem__(self, at: Any) -> Any:
            Counting.looks += 1
            return super().__getitem__(at)

    for count in index._counts.values():
        count.order = Counting(count.order)
    assert index.waiting() == [OpenItems("hl7", "ward-unknown", 10_000, 0, after(0))]
    assert Counting.looks <= 2


@pytest.mark.parametrize("late", [False, True])
def test_the_follower_has_what_was_there_and_what_comes(*, late: bool) -> None:
    log = MemoryLog()
    records = [record(item("a")), record(item("b", 1)), record(step("a", "discarded"))]
    log.append(records[:1] if late else records)
    follower = ReviewFollower(log)
    follower._thread.start()
    follower._caught_up.wait(10)
    if late:
        log.append(records[1:])
    until = time.monotonic() + 10
    while ids(follower.index) != ["b"] and time.monotonic() < until:
        follower._stopping.wait(0.01)
    follower._stopping.set()
    follower._thread.join()
    assert ids(follower.index) == ["b"]
    assert follower.failure() is None
