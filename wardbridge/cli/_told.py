"""Prints review items and replays on a terminal; the faulty place is marked in the input.

Invariant: what a source has sent cannot steer the terminal: no control character of it gets there.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from typing import Final

from schemas.notification import DesignationData
from wardbridge.api.review_language import InputShown, ItemReplayed, ItemShown, ReplayReport

BEGIN: Final = ">>>"
END: Final = "<<<"
"""Around the place that failed."""

MAX_LINES: Final = 50
"""Items of one kind that are told one by one."""


def shown_lines(shown: ItemShown) -> Iterator[str]:
    """One item."""
    item = shown.item
    yield f"{item.id}"
    yield f"  {item.reason} at {item.where}" if item.where else f"  {item.reason}"
    yield f"  {plain(item.detail)}"
    yield f"  feed {item.feed}, received {item.at:%Y-%m-%d %H:%M:%S} UTC"
    yield "  nothing of it was used" if item.withheld else "  the rest of it was used"
    if item.mark_unread:
        yield "  a mark was not read: somebody may wait for a patient"
    yield "  open" if shown.is_open else "  settled"
    for step in shown.steps:
        said = f": {plain(step.reason)}" if step.reason else ""
        by = plain(step.by) or "a later reading"
        yield f"  {step.deed} {step.at:%Y-%m-%d %H:%M:%S} UTC by {by}{said}"
    yield from _input(shown.input) if shown.input else [f"no input: {shown.why_not}"]
    yield from (f"structure: {plain(line)}" for line in shown.structure)


def _input(shown: InputShown) -> Iterator[str]:
    kind = "what it says" if shown.form == "content" else "its shape"
    where = (
        f", {BEGIN}the place that failed{END}" if shown.is_marked else ", the place is not known"
    )
    yield f"input, {kind}{where}{', cut' if shown.is_cut else ''}:"
    mark = f"{BEGIN}{shown.failed}{END}" if shown.is_marked else ""
    for text in filter(None, (shown.head, f"{shown.before}{mark}{shown.after}")):
        yield from (f"  {line}" for line in plain(text).splitlines())


def replayed_lines(report: ReplayReport) -> Iterator[str]:
    """What a replay has done, or would do."""
    yield from _items(report)
    for item in report.met:
        yield f"instead  {item.reason} at {item.where or 'the input'}: {plain(item.detail)}"
    if report.notices is not None:
        yield f"wards would be told {len(report.notices)}:"
        yield from (f"  {_notice(each)}" for each in report.notices)
    if any(each.became == "asked" for each in report.items):
        yield "asked: the feed or the router has not decided yet; `review show ID` says what became of it"
    if report.has_more:
        yield "there are more: do it again"


def _items(report: ReplayReport) -> Iterator[str]:
    told: Counter[str] = Counter()
    for each in report.items:
        told[each.became] += 1
        if told[each.became] <= MAX_LINES:
            yield _item(each)
    for became, count in told.items():
        if count > MAX_LINES:
            yield f"{became}  {count - MAX_LINES} more"


def _item(replayed: ItemReplayed) -> str:
    why = f": {replayed.why}" if replayed.why else ""
    return f"{replayed.became}  {replayed.reason} of {replayed.feed}  {replayed.item}{why}"


def _notice(data: DesignationData) -> str:
    expected = f", expected {data.expected_at:%Y-%m-%d %H:%M} UTC" if data.expected_at else ""
    visit = f"visit {plain(data.visit.visit)} of {data.visit.source}"
    return f"{plain(data.ward)}: {data.kind} ({data.reason}), {visit}{expected}"


def plain(text: str) -> str:
    """The text with line ends as such, and every other control character as its number."""
    lines = text.replace("\r\n", "\n").replace("\r", "\n")
    return "".join(
        each if each == "\n" or each.isprintable() else each.encode("unicode_escape").decode()
        for each in lines
    )
