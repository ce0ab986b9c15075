"""Turns the troubles of an input into review items, and ends items that a better reading has resolved.

Invariant: a reading of a statement says everything that is wrong with it now. Troubles that are not
open yet become items; what is open of the statement and is not met again is resolved. So a statement
that is sent every minute, or is in a thousand inputs, is one item for each trouble, and one that is
understood at last ends them by itself, whoever sends or replays it. So does a newer statement of the
same name in which nothing is wrong: the sender has corrected what it said.

A feed's process knows the open items of its feed from the log when it starts, its own since, and hears
which of them others have ended. On Kafka another process of the same feed may know others: what it
writes twice is the same record.
"""

from __future__ import annotations

import threading
from collections import OrderedDict, defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from hashlib import blake2b
from typing import Final, NamedTuple

from adapters.common.feed import FeedIdentity, Input
from adapters.common.outcome import InputOutcome, Named, Trouble, Verdict
from bus.port import Record
from schemas import topics
from schemas.review import ReviewItem, ReviewStep

MAX_KNOWN_STATEMENTS: Final = 100_000
"""Some 30 MB. Of one that is forgotten the item is written again, and ends by a person's hand only."""

REPLAYED: Final = "read again"
ITEM_ID_BYTES: Final = 12
_STATEMENT_BYTES: Final = 16


def statement_of(*parts: bytes) -> str:
    """The hash of what was said, as sent; unambiguous about where each part ends."""
    digest = blake2b(digest_size=_STATEMENT_BYTES)
    for part in parts:
        digest.update(len(part).to_bytes(8))
        digest.update(part)
    return digest.hexdigest()


class OpenItem(NamedTuple):
    """An open item: what it is about, what names that, and when the input was received."""

    statement: str
    item: str
    named: Named | None = None
    at: datetime | None = None


def waiting(item: ReviewItem) -> OpenItem:
    """An open item as a feed holds it."""
    named = Named(item.name, item.nth) if item.name else None
    return OpenItem(item.statement, item.id, named, item.at)


def of_feed(reason: str) -> str:
    """The statement of an item that is about all that its feed sends."""
    return statement_of(b"feed", reason.encode())


@dataclass(frozen=True, slots=True)
class Findings:
    """What is to be written beside an input's other records, and what is open of it then.

    ``met``: the statements in which something is wrong.
    """

    records: Sequence[Record]
    open: Mapping[str, frozenset[str]]
    named: Sequence[OpenItem] = ()
    met: frozenset[str] = frozenset()


NOTHING: Final = Findings((), {})


class FeedReview:
    """The open items of one feed, as far as its process knows them."""

    def __init__(self, feed: FeedIdentity, items: Iterable[OpenItem] = ()) -> None:
        """``items``: those that are open."""
        self._feed = feed
        self._open: OrderedDict[str, frozenset[str]] = OrderedDict()
        self._about: dict[str, str] = {}
        self._named: defaultdict[str, dict[str, OpenItem]] = defaultdict(dict)
        self._name_of: dict[str, str] = {}
        self._lock = threading.Lock()
        held = [OpenItem(*each) for each in items]
        self.note(Findings((), _by_statement((each.statement, each.item) for each in held), held))

    @property
    def has_open(self) -> bool:
        """Whether anything is open."""
        return bool(self._open)

    def is_open(self, item: str) -> bool:
        """Whether an item waits still."""
        return item in self._about

    def findings(
        self,
        taken: Input,
        outcome: InputOutcome,
        statement: Callable[[], str],
        named: Callable[[], Named | None] = lambda: None,
    ) -> Findings:
        """What a reading says of the statements in an input. ``statement``, ``named``: of the input as a whole.

        Most inputs have no trouble and, where nothing is open, are not looked at.
        """
        troubles = _troubles(outcome)
        if not troubles and not self._open:
            return NOTHING
        with self._lock:
            whole = statement()
            if name := named():
                outcome = replace(outcome, named={**outcome.named, whole: name})
            return self._findings(taken, outcome, troubles, whole)

    def _findings(
        self, taken: Input, outcome: InputOutcome, troubles: Sequence[Trouble], whole: str
    ) -> Findings:
        met = self._items(taken, outcome, troubles, whole)
        about = dict.fromkeys((whole, *outcome.parts, *(item.statement for item in met)))
        ids = _by_statement((item.statement, item.id) for item in met)
        now = {each: ids.get(each, frozenset()) for each in about}
        if outcome.verdict is Verdict.ACCEPTED:
            now |= self._corrected(taken, outcome, ids)
        records = [
            *(_record(item) for item in met if item.id not in self._open_of(item.statement)),
            *(self._resolved(each, taken) for each in self._not_met(now)),
        ]
        changed = {key: ids for key, ids in now.items() if ids != self._open_of(key)}
        return Findings(
            records, changed, [waiting(item) for item in met if item.name], frozenset(ids)
        )

    def _corrected(
        self, taken: Input, outcome: InputOutcome, met: Mapping[str, frozenset[str]]
    ) -> dict[str, frozenset[str]]:
        """What stays open of older statements whose place one takes in which nothing is wrong."""
        over: defaultdict[str, set[str]] = defaultdict(set)
        for statement, named in outcome.named.items():
            for each in () if statement in met else self._named.get(named.name, {}).values():
                if each.statement not in met and _is_newer(named, taken.received_at, each):
                    over[each.statement].add(each.item)
        return {each: self._open_of(each) - ended for each, ended in over.items()}

    def note(self, findings: Findings) -> None:
        """They are durable."""
        with self._lock:
            for statement, ids in findings.open.items():
                self._set(statement, ids)
            for each in findings.named:
                if each.named is not None and each.item in self._about:
                    self._named[each.named.name][each.item] = each
                    self._name_of[each.item] = each.named.name
            while len(self._open) > MAX_KNOWN_STATEMENTS:
                self._set(next(iter(self._open)), frozenset())

    def ended(self, item: str) -> None:
        """Somebody else has ended an item: met again, it is written again. From any thread."""
        with self._lock:
            statement = self._about.get(item)
            if statement is not None:
                self._set(statement, self._open_of(statement) - {item})

    def _set(self, statement: str, ids: frozenset[str]) -> None:
        before = self._open.pop(statement, frozenset())
        for gone in before:
            del self._about[gone]
        for gone in before - ids:
            self._forget_name(gone)
        if ids:
            self._open[statement] = ids
            self._about |= dict.fromkeys(ids, statement)

    def _forget_name(self, item: str) -> None:
        name = self._name_of.pop(item, None)
        if name is not None:
            del self._named[name][item]
            if not self._named[name]:
                del self._named[name]

    def _open_of(self, statement: str) -> frozenset[str]:
        return self._open.get(statement, frozenset())

    def _not_met(self, now: Mapping[str, frozenset[str]]) -> Iterable[str]:
        for statement, ids in now.items():
            yield from sorted(self._open_of(statement) - ids)

    def _items(
        self, taken: Input, outcome: InputOutcome, troubles: Sequence[Trouble], whole: str
    ) -> list[ReviewItem]:
        made: dict[str, ReviewItem] = {}
        for trouble in troubles:
            withheld = trouble.withholds or trouble is outcome.trouble
            statement = of_feed(trouble.reason) if trouble.of_feed else trouble.statement or whole
            item = self._item(taken, trouble, statement, withheld=withheld)
            if named := outcome.named.get(item.statement):
                item = item.model_copy(update=named._asdict())
            made.setdefault(item.id, item)
        return list(made.values())

    def _item(
        self, taken: Input, trouble: Trouble, statement: str, *, withheld: bool
    ) -> ReviewItem:
        feed = self._feed
        return ReviewItem(
            id=item_id(feed.name, statement, trouble),
            realm=feed.realm,
            source=feed.source,
            feed=feed.name,
            at=taken.received_at,
            met_at=taken.replay.at if taken.replay else None,
            reason=trouble.reason,
            detail=trouble.detail,
            where=trouble.where,
            withheld=withheld,
            mark_unread=trouble.mark_unread,
            repeatable=trouble.repeatable,
            statement=statement,
            revision=feed.revision,
            raw=taken.raw,
        )

    def _resolved(self, item: str, taken: Input) -> Record:
        again = taken.replay
        step = ReviewStep(
            item=item,
            realm=self._feed.realm,
            deed="resolved",
            at=again.at if again else taken.received_at,
            by=again.by if again else "",
            reason=REPLAYED if again else "",
            revision=self._feed.revision,
        )
        return step_record(step)


def _is_newer(named: Named, received_at: datetime, than: OpenItem) -> bool:
    """Whether a statement takes the place of the other of its name: where that is certain."""
    if than.named is None or than.at is None:
        return False
    if named.nth or than.named.nth:
        return named.nth > than.named.nth > 0
    return received_at > than.at


def _by_statement(items: Iterable[tuple[str, str]]) -> Mapping[str, frozenset[str]]:
    found: defaultdict[str, set[str]] = defaultdict(set)
    for statement, item in items:
        found[statement].add(item)
    return {statement: frozenset(ids) for statement, ids in found.items()}


def item_id(feed: str, statement: str, trouble: Trouble) -> str:
    """The same for the same trouble of the same statement, whichever input has it."""
    place = trouble.within if trouble.within is not None else trouble.where or ""
    if trouble.of_feed:
        place = ""
    parts = f"{feed}\0{statement}\0{trouble.reason}\0{place}"
    return blake2b(parts.encode(), digest_size=ITEM_ID_BYTES).hexdigest()


def step_record(step: ReviewStep) -> Record:
    """A step as it stands in the log."""
    return Record(topics.REVIEWED, step.realm, step.key, step.model_dump_json().encode())


def _record(item: ReviewItem) -> Record:
    return Record(topics.REVIEW, item.realm, item.id, item.model_dump_json().encode())


def _troubles(outcome: InputOutcome) -> Sequence[Trouble]:
    return (outcome.trouble, *outcome.warnings) if outcome.trouble else outcome.warnings
