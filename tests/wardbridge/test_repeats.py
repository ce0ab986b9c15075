"""A library that repeats itself: told once in a while, with how often, and nothing else is lost."""

import io
import json
import logging
from collections.abc import Iterator, Sequence

import pytest

from tests.wardbridge.test_logs import stream
from wardbridge.observability.repeats import REPEATED, WINDOW_S, OncePerWindow

__all__ = ["stream"]
Told = tuple[str, int]


def record(at_s: float, name: str = "kafka.net", line: int = 1) -> logging.LogRecord:
    made = logging.LogRecord(name, logging.WARNING, "client.py", line, "away", (), None)
    made.created = at_s
    return made


def told(records: Sequence[logging.LogRecord]) -> Iterator[Told]:
    """Which pass, and how many each says were left out before it."""
    passes = OncePerWindow()
    for each in records:
        if passes.filter(each):
            yield each.name, getattr(each, REPEATED, 0)


@pytest.mark.parametrize(
    ("records", "expected"),
    [
        ([record(0)], [("kafka.net", 0)]),
        ([record(0), record(1), record(WINDOW_S - 0.1)], [("kafka.net", 0)]),
        ([record(0), record(1), record(2), record(WINDOW_S)], [("kafka.net", 0), ("kafka.net", 2)]),
        ([record(0), record(WINDOW_S), record(2 * WINDOW_S)], [("kafka.net", 0)] * 3),
        ([record(0), record(0, "other")], [("kafka.net", 0), ("other", 0)]),
        ([record(0), record(0, line=2)], [("kafka.net", 0)] * 2),
        ([record(100), record(0)], [("kafka.net", 0)] * 2),
    ],
    ids=[
        "the first", "repeated within the window", "counted with the next", "seldom", "another logger",
        "another line", "a clock set back",
    ],
)  # fmt: skip
def test_one_of_each_place_passes_in_a_window(
    records: Sequence[logging.LogRecord], expected: Sequence[Told]
) -> None:
    assert list(told(records)) == expected


def test_the_count_is_in_the_line_that_goes_out(stream: io.StringIO) -> None:
    for at_s in (0, 1, 2, WINDOW_S):
        logging.getLogger("kafka.net").handle(record(at_s))
    first, second = (json.loads(line) for line in stream.getvalue().splitlines())
    assert ("count" in first, second["count"]) == (False, 3)
