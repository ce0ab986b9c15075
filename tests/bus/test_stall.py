"""A partition that stands still while its end moves on is told apart from one that is done."""

import pytest

from bus.port import TopicPartition
from bus.progress_watch import ProgressWatch

AT, OTHER = TopicPartition("raw", 0), TopicPartition("raw", 1)


@pytest.mark.parametrize(
    ("looks", "expected"),
    [
        ([(0.0, 5, 9), (9.9, 5, 12)], []),
        ([(0.0, 5, 9), (10.0, 5, 12)], [AT]),
        ([(0.0, 5, 5), (60.0, 5, 5)], []),
        ([(0.0, 5, 9), (9.0, 6, 12), (18.0, 6, 13)], []),
        ([(0.0, 5, 9), (9.0, 6, 12), (19.0, 6, 13)], [AT]),
        ([(0.0, 5, 9), (20.0, 9, 9)], []),
    ],
    ids=[
        "not yet", "behind for too long", "all is read", "slow and moving", "stopped after moving",
        "caught up",
    ],
)  # fmt: skip
def test_stalled_is_behind_at_one_offset_for_too_long(
    looks: list[tuple[float, int, int]], expected: list[TopicPartition]
) -> None:
    progress = ProgressWatch(stalled_after_s=10.0)
    for now_s, offset, end in looks:
        found = progress.stalled({AT: offset, OTHER: 3}, {AT: end, OTHER: 3}, now_s)
    assert found == set(expected)
