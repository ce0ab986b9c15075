"""A subscriber's notices by number, counted back from where it is: the same from wherever one looks."""

from __future__ import annotations

from collections.abc import Iterator
from unittest.mock import patch

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bus.memory import MemoryLog
from bus.port import Record
from router.delivery import history as module
from router.delivery.history import history_of
from schemas import topics
from schemas.delivery import SubscriberState
from tests.delivery.notices import queued

NAMES = st.sampled_from(["s", "s", "other", "again"])


@pytest.fixture(autouse=True, scope="module")
def small_pages() -> Iterator[None]:
    with patch.object(module, "PAGE_RECORDS", 3):
        yield


@given(
    st.lists(NAMES, max_size=20), st.lists(NAMES, max_size=5), st.integers(1, 25), st.integers(0, 30)
)  # fmt: skip
def test_from_any_number_and_any_offset_it_is_the_same_notices(
    counted: list[str], waiting: list[str], first: int, offset: int
) -> None:
    """Others' records lie between, and notices that were sent again, which have no number of their own."""
    log = MemoryLog()
    log.append([_record(name, number) for number, name in enumerate(counted + waiting, 1)])
    state = SubscriberState(subscriber="s", sequence=counted.count("s"), position=len(counted))
    log.append([Record(topics.SUBSCRIBERS, "s", "s", state.model_dump_json().encode())])
    own = [n for n, name in enumerate(counted + waiting, 1) if name == "s"]
    wanted = [(number, f"MED-{n}") for number, n in enumerate(own, 1)]
    found = history_of(log, "s", first)
    assert [(each.sequence, each.notice.id) for each in found.since(first)] == wanted[first - 1 :]
    assert found.last == len(wanted)
    later = history_of(log, "s", 1, offset)
    assert [(each.sequence, each.notice.id) for each in later.since(1)] == wanted[later.first - 1 :]
    beyond = {n for n in own if n - 1 >= offset}
    assert len(list(later.since(1))) >= len(beyond)


def _record(name: str, number: int) -> Record:
    if name == "again":
        return queued("s", "MED", number, sequence=1)
    return queued(name, "MED", number)
