"""Who is missing from every export has moved, or has left: generated stays in several scopes.

What varies: how many scopes, how often each exports and in which phase, which files are lost, how late
they come and in which order, when the process starts again, which rows cannot be read, when the patient moves
and how often.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import pytest
from hypothesis import event, given
from hypothesis import strategies as st
from pydantic import ValidationError

from adapters.elvis import state as snapshot_state
from adapters.elvis.absence import SILENT_INTERVALS
from adapters.elvis.settings import DEFAULT_INTERVAL_S, ElvisSettings, Guards, Scope
from bus.memory import MemoryLog
from bus.port import TopicPartition
from schemas import topics
from schemas.observation import What
from tests.elvis.exports import FEED, File, Row, context, export
from tests.elvis.player import Player

ANNA = "TEST-001"
GONE = ""
"""Where a patient is who has left."""


class Plan(NamedTuple):
    """When each scope exports (minutes), at intervals that are configured, and never exactly at once."""

    intervals: tuple[int, ...]
    phases: tuple[int, ...]
    grace: int | None

    @property
    def scopes(self) -> list[str]:
        return [f"H{number}" for number in range(len(self.intervals))]

    @property
    def longest(self) -> int:
        return max(self.intervals)

    def settings(self) -> ElvisSettings:
        scopes = [
            Scope(name=name, hospital=name, wards=(name,), export_interval_s=minutes * 60)
            for name, minutes in zip(self.scopes, self.intervals, strict=True)
        ]
        grace_s = None if self.grace is None else self.grace * 60
        guards = Guards(shrink_patients=100, unreadable_rows=100, absence_grace_s=grace_s)
        return ElvisSettings(directory=Path("inbox"), scopes=tuple(scopes), guards=guards)

    def times(self, until: int) -> list[tuple[int, str]]:
        rhythm = zip(self.scopes, self.intervals, self.phases, strict=True)
        return sorted(
            (minute, name)
            for name, interval, phase in rhythm
            for minute in range(phase % interval, until, interval)
        )


class Stay(NamedTuple):
    """From this minute on the patient is in a scope."""

    since: int
    scope: str


@st.composite
def plans(draw: st.DrawFn, *, fewest: int = 2) -> Plan:
    intervals = draw(st.lists(st.sampled_from([5, 10, 15, 20, 60]), min_size=fewest, max_size=4))
    phases = [draw(st.integers(0, 59)) for _ in intervals]
    longest = max(intervals)
    grace = draw(st.none() | st.integers(longest, 3 * longest))
    return Plan(tuple(intervals), tuple(phases), grace)


def _where(stays: Sequence[Stay], minute: int) -> str:
    return [stay.scope for stay in stays if stay.since <= minute][-1]


def _file(minute: int, scope: str, stays: Sequence[Stay], *, blurred: bool = False) -> File:
    rows = [Row(scope, "1", "1", ANNA)] if _where(stays, minute) == scope else []
    rows += [Row(scope, "2", "1", "?")] if blurred else []
    return export(minute, *rows, wards=scope, hospital=scope)


class Feed:
    """A player that may be started anew between two files."""

    def __init__(self, settings: ElvisSettings) -> None:
        self.player = Player(context(settings))
        self._log = MemoryLog()
        self.ends: list[File] = []

    def play(self, file: File) -> None:
        handled, records = self.player.handle(file.payload(), file.at)
        self._log.commit("feed", {}, records)
        if any(one.what is What.DISCHARGED for one in handled.outcome.observations):
            self.ends.append(file)

    def restart(self) -> None:
        rows = self._log.load(TopicPartition(topics.SNAPSHOTS, 0))
        self.player.state = snapshot_state.load(FEED.name, rows)


def _played(data: st.DataObject, plan: Plan, stays: Sequence[Stay], until: int) -> Feed:
    """Exports lost, late, blurred, and restarts between them, as drawn."""
    feed, lost = Feed(plan.settings()), 0
    delayed: list[File] = []
    for minute, scope in plan.times(until):
        fate = data.draw(st.integers(0, 9))
        if fate == 0:
            lost += 1
            continue
        file = _file(minute, scope, stays, blurred=fate == 1)
        if fate == 2:
            delayed.append(file)
            continue
        feed.play(file)
        if fate == 3:
            feed.restart()
        if delayed and fate > 6:
            feed.play(delayed.pop(0))
    event(f"lost: {min(lost, 3)}, late: {min(len(delayed), 3)}")
    return feed


def _another(draw: st.DataObject, plan: Plan, scope: str) -> str:
    return draw.draw(st.sampled_from([name for name in plan.scopes if name != scope]))


@given(plans(), st.data())
def test_two_moves_at_any_moments_never_end_a_visit(plan: Plan, data: st.DataObject) -> None:
    until = 12 * plan.longest
    moments = sorted(data.draw(st.lists(st.integers(0, until), min_size=1, max_size=2)))
    stays = [Stay(-1, data.draw(st.sampled_from(plan.scopes)))]
    for moment in moments:
        stays.append(Stay(moment, _another(data, plan, stays[-1].scope)))
    assert _played(data, plan, stays, until).ends == []


@given(plans(), st.data())
def test_any_number_of_moves_never_ends_the_visit_of_who_stays_for_some_intervals(
    plan: Plan, data: st.DataObject
) -> None:
    least = int(plan.longest * SILENT_INTERVALS) + 1
    until = 25 * plan.longest
    stays = [Stay(-1, data.draw(st.sampled_from(plan.scopes)))]
    while stays[-1].since < until:
        stay = data.draw(st.integers(least, 3 * least))
        stays.append(Stay(stays[-1].since + stay, _another(data, plan, stays[-1].scope)))
    assert _played(data, plan, stays, until).ends == []
    event(f"moves: {min(len(stays) // 3, 5)}")


@given(plans(), st.data())
def test_whoever_is_on_the_way_for_less_than_the_grace_has_not_left(
    plan: Plan, data: st.DataObject
) -> None:
    scope = data.draw(st.sampled_from(plan.scopes))
    left = data.draw(st.integers(plan.longest, 3 * plan.longest))
    grace = plan.longest if plan.grace is None else plan.grace
    on_the_way = data.draw(st.integers(0, grace - 1))
    stays = [
        Stay(-1, scope),
        Stay(left, GONE),
        Stay(left + on_the_way, _another(data, plan, scope)),
    ]
    feed = Feed(plan.settings())
    for minute, name in plan.times(12 * plan.longest):
        feed.play(_file(minute, name, stays))
    assert feed.ends == []
    assert list(feed.player.open_visits()) == [ANNA]


@given(plans(fewest=1), st.data())
def test_whoever_has_left_is_told_within_two_intervals_and_the_grace(
    plan: Plan, data: st.DataObject
) -> None:
    first = plan.longest
    left = data.draw(st.integers(first, 3 * first))
    stays = [Stay(-1, data.draw(st.sampled_from(plan.scopes))), Stay(left, GONE)]
    is_one = len(plan.intervals) == 1
    grace = plan.grace if plan.grace is not None else (0 if is_one else plan.longest)
    bound = left + (2 if grace else 1) * plan.longest + grace
    feed = Feed(plan.settings())
    for minute, scope in plan.times(bound + plan.longest):
        if minute <= bound:
            feed.play(_file(minute, scope, stays))
    assert len(feed.ends) == 1
    event(f"scopes: {len(plan.intervals)}")


@given(plans(), st.data())
def test_whoever_has_left_is_told_once_all_is_well_again(plan: Plan, data: st.DataObject) -> None:
    """Whatever was lost before: at the latest with the fifth export of each scope after the grace."""
    left = data.draw(st.integers(plan.longest, 6 * plan.longest))
    stays = [Stay(-1, data.draw(st.sampled_from(plan.scopes))), Stay(left, GONE)]
    trouble_until = left + data.draw(st.integers(0, 6 * plan.longest))
    feed = _played(data, plan, stays, trouble_until)
    grace = plan.longest if plan.grace is None else plan.grace
    for minute, scope in plan.times(trouble_until + grace + 6 * plan.longest):
        if minute >= trouble_until:
            feed.play(_file(minute, scope, stays))
    assert (len(feed.ends) >= 1, feed.player.open_visits()) == (True, {}) or not _was_seen(feed)


def _was_seen(feed: Feed) -> bool:
    return any(one.what is What.DESCRIBED for one in feed.player.observations)


@given(plans(), st.data())
def test_a_scope_taken_away_or_added_meanwhile_ends_nobody_who_is_listed(
    plan: Plan, data: st.DataObject
) -> None:
    """The configuration changes between two files, and the process starts again."""
    until = 10 * plan.longest
    stays = [Stay(-1, data.draw(st.sampled_from(plan.scopes)))]
    changed_at = data.draw(st.integers(0, until))
    fewer = plan.settings().model_copy(
        update={"scopes": tuple(s for s in plan.settings().scopes if s.name == stays[0].scope)}
    )
    before, after = data.draw(st.permutations([fewer, plan.settings()]))
    feed = Feed(before)
    has_changed = False
    for minute, scope in plan.times(until):
        if minute >= changed_at and not has_changed:
            has_changed = True
            feed.restart()
            feed.player.context = context(after)
            kept = [one.name for one in after.scopes]
            feed.player.state = snapshot_state.without_scopes(feed.player.state, kept)
        settings = after if has_changed else before
        if scope in [one.name for one in settings.scopes]:
            feed.play(_file(minute, scope, stays))
    assert feed.ends == []
    event(f"added: {after is not fewer}")


# -- configuration ------------------------------------------------------------------------------------


def _scope(name: str, interval_s: int | None = None) -> dict[str, object]:
    given = {} if interval_s is None else {"export_interval_s": interval_s}
    return {"name": name, "hospital": name, "wards": [name], **given}


GRACES: list[tuple[list[dict[str, object]], int | None, int]] = [
    ([_scope("a")], None, 0),
    ([_scope("a")], 60, 60),
    ([_scope("a"), _scope("b")], None, DEFAULT_INTERVAL_S),
    ([_scope("a", 900), _scope("b", 600)], None, 900),
    ([_scope("a", 900), _scope("b", 600)], 900, 900),
    ([_scope("a", 900), _scope("b", 600)], 7200, 7200),
]


@pytest.mark.parametrize(("scopes", "grace_s", "holds_s"), GRACES)
def test_the_grace_is_the_longest_interval_unless_it_is_longer(
    scopes: list[dict[str, object]], grace_s: int | None, holds_s: int
) -> None:
    table = {"directory": "x", "scopes": scopes, "guards": {"absence_grace_s": grace_s}}
    assert ElvisSettings.model_validate(table).absence_grace_s(len(scopes)) == holds_s


@pytest.mark.parametrize(
    ("scopes", "grace_s"),
    [
        ([_scope("a"), _scope("b")], 0),
        ([_scope("a"), _scope("b")], DEFAULT_INTERVAL_S - 1),
        ([_scope("a", 900), _scope("b", 600)], 899),
        ([], 0),  # every hospital that exports is a scope: there may be several
    ],
)
def test_a_grace_shorter_than_the_longest_interval_is_refused(
    scopes: list[dict[str, object]], grace_s: int
) -> None:
    table = {"directory": "x", "scopes": scopes, "guards": {"absence_grace_s": grace_s}}
    with pytest.raises(ValidationError, match="would be told as discharged"):
        ElvisSettings.model_validate(table)
