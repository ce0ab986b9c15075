"""Request and response models of the review routes, shared with the commands."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, Final, Literal

from pydantic import Field

from schemas.audit import Seen
from schemas.base import Frozen, Utc
from schemas.notification import DesignationData
from schemas.review import ReviewItem, ReviewStep
from wardbridge.reviewing.again import ROUTER
from wardbridge.reviewing.desk import Replayed
from wardbridge.reviewing.index import ItemPosition
from wardbridge.reviewing.planned import Planned
from wardbridge.reviewing.preview import Foreseen
from wardbridge.reviewing.records import ReviewedItem
from wardbridge.reviewing.selection import Filter, Selection, State
from wardbridge.reviewing.showing import Evidence, Exhibit

MAX_PAGE: Final = 1_000
"""Items of a page: some 400 kB."""

_NOT_WHICH: Final = {"by", "because", "after", "limit", "wait_s"}
LONGEST_WAIT_S: Final = 300.0
MAX_NAMED: Final = 10
"""Items that an entry of the audit names; each step names its own."""

By = Annotated[
    str,
    Field(
        max_length=100,
        pattern=r"^[^\x00-\x1f\x7f]*$",
        description="the person; needed where nobody is asked who they are",
    ),
]
Became = Literal["resolved", "remains", "asked", "cannot"]


class Listing(Filter):
    """Which items to list."""

    state: State = Field("open", description="`settled`: resolved or discarded")
    after: str | None = Field(None, description="`next` of the page before")
    limit: int = Field(100, ge=1, le=MAX_PAGE)


class Replaying(Selection):
    """Which items' inputs to read again."""

    preview: bool = Field(default=False, description="only say what would come of it")
    wait_s: float = Field(
        0.0, ge=0, le=LONGEST_WAIT_S,
        description="answer after so many seconds at most with what feeds and router made of it",
    )  # fmt: skip
    by: By = ""


class Ending(Selection):
    """Which items end, and why."""

    because: str = Field(
        min_length=1, max_length=500, description="what the person says, without patient data; kept"
    )
    by: By = ""


class KnownItem(Frozen):
    """An item, what was done about it, oldest first, and whether it waits for somebody."""

    item: ReviewItem
    is_open: bool
    steps: tuple[ReviewStep, ...] = Field((), description="none are listed of an open item")


class ItemList(Frozen):
    """Some items, oldest first."""

    items: tuple[KnownItem, ...]
    next: str | None = Field(description="ask with `after` for those behind; none: that is all")


class InputShown(Frozen):
    """The part of an input that an item is about, in pieces that follow one another."""

    form: Literal["shape", "content"] = Field(
        description="`shape`: letters and digits are replaced, so that it names nobody"
    )
    head: str = Field(description="the line with the names of the columns, of a file of lines")
    before: str
    failed: str = Field(description="the place that the item names; empty where it is absent")
    after: str
    is_marked: bool = Field(description="false: the place is not known, all is in `before`")
    is_cut: bool = Field(description="there is more of it than is shown")


class ItemShown(Frozen):
    """One item with its input."""

    item: ReviewItem
    is_open: bool
    steps: tuple[ReviewStep, ...]
    input: InputShown | None
    why_not: str | None = Field(None, description="why there is no input to show, and what to do")
    structure: tuple[str, ...] = Field(
        (), description="what the standard says of its structure; decides nothing"
    )


class ItemReplayed(Frozen):
    """What became, or would become, of one item."""

    item: str
    feed: str
    reason: str
    became: Became = Field(
        description="`resolved`; `remains`: the same trouble is met again; `asked`: the feed or the "
        "router has not decided yet; `cannot`: see `why`"
    )
    why: str | None = Field(None, description="why it cannot be read again, and what to do")


class ReplayReport(Frozen):
    """What a replay has done; of a preview, what it would do."""

    is_preview: bool
    items: tuple[ItemReplayed, ...]
    met: tuple[ReviewItem, ...] = Field((), description="other troubles, met instead")
    notices: tuple[DesignationData, ...] | None = Field(
        None, description="of a preview: what wards would be told, in this order"
    )
    has_more: bool = Field(description="more are meant than are read at once: do it again")


class Ended(Frozen):
    """Items that wait no more."""

    items: tuple[str, ...]
    has_more: bool


def place_of(cursor: str) -> ItemPosition:
    """The place that a cursor names. Raises ValueError."""
    at, _, item = cursor.partition(",")
    return ItemPosition(_At.model_validate({"at": at}).at, item)


def cursor_of(item: ReviewItem) -> str:
    """A place, in text."""
    return f"{item.at.isoformat()},{item.id}"


class _At(Frozen):
    at: Utc


def page_of(found: Sequence[ReviewedItem], limit: int) -> ItemList:
    """A page of at most so many; one more was asked for."""
    shown = found[:limit]
    items = tuple(
        KnownItem(item=each.item, is_open=each.is_open, steps=tuple(each.steps)) for each in shown
    )
    return ItemList(items=items, next=cursor_of(shown[-1].item) if len(found) > limit else None)


def item_shown(known: ReviewedItem, evidence: Evidence | str, *, with_content: bool) -> ItemShown:
    """An item and its input, or why there is none."""
    about = {"item": known.item, "is_open": known.is_open, "steps": tuple(known.steps)}
    if isinstance(evidence, str):
        return ItemShown(**about, input=None, why_not=evidence)
    exhibit: Exhibit = evidence.content() if with_content else evidence.shape()
    form = "content" if with_content else "shape"
    shown = InputShown(form=form, **exhibit._asdict())
    return ItemShown(**about, input=shown, structure=evidence.structure)


def report_of(replayed: Replayed) -> ReplayReport:
    """What a replay has done, or would do."""
    ahead = replayed.ahead
    found = [(each, one) for one in replayed.inputs for each in one.items]
    own = {each.id for each, _ in found}
    met = {item.id: item for one in replayed.inputs for item in one.met}
    met |= {item.id: item for item in (ahead.met if ahead else ())}
    met |= {item.id: item for item in (replayed.settled.met if replayed.settled else ())}
    return ReplayReport(
        is_preview=ahead is not None,
        items=tuple(_replayed(each, one, replayed) for each, one in found),
        met=tuple(item for item in met.values() if item.id not in own),
        notices=tuple(each.data for each in ahead.notices) if ahead else None,
        has_more=replayed.has_more,
    )


def _replayed(item: ReviewItem, planned: Planned, replayed: Replayed) -> ItemReplayed:
    return ItemReplayed(
        item=item.id, feed=item.feed, reason=item.reason, became=_became(item, planned, replayed),
        why=planned.cannot and planned.cannot.advice,
    )  # fmt: skip


def _became(item: ReviewItem, planned: Planned, replayed: Replayed) -> Became:
    if planned.cannot is not None:
        return "cannot"
    if replayed.settled is not None:
        return "remains" if item.id in replayed.settled.open else "resolved"
    return _foreseen(item, planned, replayed.ahead)


def _foreseen(item: ReviewItem, planned: Planned, ahead: Foreseen | None) -> Became:
    if ahead is None and planned.sha256:
        return "asked"
    is_routers = item.id.startswith(ROUTER) and (planned.envelopes or planned.sha256)
    if not is_routers:
        return "remains" if item.id in planned.remains else "resolved"
    if ahead is None:
        return "asked"
    return "resolved" if item.id in ahead.ended else "remains"


def seen_in(notices: tuple[DesignationData, ...]) -> tuple[Seen, ...]:
    """Of whom they are."""
    return tuple(dict.fromkeys(Seen(visit=each.visit) for each in notices))


def words_of(wanted: Filter) -> str:
    """What was asked for, as the audit keeps it."""
    said = wanted.model_dump(mode="json", exclude_defaults=True, exclude=_NOT_WHICH)
    ids = said.pop("ids", [])
    more = f" and {len(ids) - MAX_NAMED} more" if len(ids) > MAX_NAMED else ""
    named = [f"ids={','.join(ids[:MAX_NAMED])}{more}"] if ids else []
    return " ".join([*named, *(f"{name}={value}" for name, value in said.items())])
