"""Orders the versions that a server counts where its times contradict its count.

A FHIR server counts the versions of a resource, and its machines' clocks differ: the fourth version may
carry an earlier time than the third, and by time alone the newest would be lost. Within one series (the
versions of one resource at one server) a version therefore stands no earlier than any that was counted
before it. Beside what other feeds say it still stands by its time.

Invariant: a pure function of the facts, whatever the order in which they come. Times that differ by more
than clocks do are no matter of clocks: the count was begun anew (a server restored or set up again), and
the time decides.
"""

from __future__ import annotations

from bisect import bisect_right, insort
from collections import defaultdict
from collections.abc import Iterable, Sequence
from datetime import timedelta
from typing import Final

from router.core.facts import Fact

CLOCKS_DIFFER_BY: Final = timedelta(minutes=5) // timedelta(microseconds=1)


def in_server_order(facts: Iterable[Fact]) -> list[Fact]:
    """The facts, each version with the latest time of those counted up to it."""
    found: list[Fact] = []
    series: defaultdict[str, list[Fact]] = defaultdict(list)
    for fact in facts:
        (found if fact.series is None else series[fact.series]).append(fact)
    for versions in series.values():
        found += _counted_up(versions)
    return found


def _counted_up(versions: Sequence[Fact]) -> list[Fact]:
    times: list[int] = []
    found: list[Fact] = []
    for fact in sorted(versions, key=lambda fact: (fact.stamp[1], fact.stamp[0])):
        insort(times, fact.stamp[0])
        latest = times[bisect_right(times, fact.stamp[0] + CLOCKS_DIFFER_BY) - 1]
        in_order = latest == fact.stamp[0]
        found.append(fact if in_order else fact._replace(stamp=(latest, *fact.stamp[1:])))
    return found


def contradicts(fact: Fact, others: Iterable[Fact]) -> bool:
    """Whether count and time put the fact and another version of its series in different orders."""
    return fact.series is not None and any(
        (other.stamp[1] - fact.stamp[1]) * (other.stamp[0] - fact.stamp[0]) < 0
        for other in others
        if other.series == fact.series
    )
