"""What the router puts to review for one envelope, and what ends there.

Invariants:

* What is wrong with a statement is said whenever it is told, also where it is held and nothing of it is new.
* An item ends when what it says is no longer so, by whatever input: its event counts by a merge, its number is
  one patient's, its statement is taken at last. Of an input that a person had read again every item ends that
  is not met again. What retention forgets ends no item: nobody has looked at it.
* What is met after an end is open again, and the other way round, whatever the clocks of the feeds say: the
  times of all that is written here rise in each realm.

Rows of state: ``withheld``, of observations that are held nowhere and may be taken when they are told again, with
the reason, and ``reviewed``: the time of the last of all that was written.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime, timedelta
from typing import Final, NamedTuple

from router.core.facts import microseconds
from router.core.keys import joined, parted
from router.core.output_records import OutputRecords
from router.core.reasons import OF_ANOTHER, VISIT_OF_ANOTHER
from router.core.state import Realm
from schemas.observation import Envelope, Observation, RawPointer, What
from schemas.review import ReviewItem, ReviewStep

MAX_WITHHELD: Final = 10_000
"""Observations whose items end by themselves when they are taken, some 2 MB; of one that is forgotten the item ends
when a person has it read again."""
_MICROSECOND: Final = timedelta(microseconds=1)


class InputOrigin(NamedTuple):
    """The input that led to a trouble."""

    source: str
    feed: str
    at: datetime
    revision: int
    raw: RawPointer | None


def origin_of(envelope: Envelope, said: Observation) -> InputOrigin:
    """The input of an observation."""
    return InputOrigin(said.source, said.feed, envelope.received_at, said.revision, envelope.raw)


class EnvelopeReview:
    """Gathers what one envelope leads to; of two words about one item the last one counts."""

    def __init__(self, realm: Realm, outbox: OutputRecords, envelope: Envelope) -> None:
        self._realm = realm
        self._outbox = outbox
        self._envelope = envelope
        self._met: dict[str, ReviewItem] = {}
        self._ended: dict[str, None] = {}

    # -- what is wrong ------------------------------------------------------------------------------

    def withhold(self, said: Observation, reason: str, detail: str) -> None:
        """The observation is held nowhere; told again it may be taken."""
        before = self._realm.withheld.get(said.id)
        if before not in {None, reason}:
            self._end(item_id(before or "", said.id))
        self._keep(said.id, reason)
        self._say(self._of(said, reason, f"{said.trigger} {detail}"))

    def refuse(self, said: Observation, reason: str, detail: str) -> None:
        """The observation will never do, however often it is told."""
        self._say(self._of(said, reason, f"{said.trigger} {detail}"))

    def of_another(self, said: Observation) -> None:
        """The observation is held, and changes nothing while it is about somebody else."""
        self._say(self._of(said, VISIT_OF_ANOTHER, f"{said.trigger} {OF_ANOTHER}"))

    def warn(self, said: Observation, reason: str, detail: str) -> None:
        """The observation is used, and somebody should look at it."""
        item = self._of(said, reason, detail)
        self._say(item.model_copy(update={"withheld": False, "mark_unread": False}))

    def trouble(self, origin: InputOrigin, reason: str, detail: str, *about: str) -> None:
        """What a person must look at, beside an input that is used; one item for all that is ``about``."""
        item = ReviewItem(
            id=item_id(reason, *about),
            realm=self._realm.name,
            source=origin.source,
            feed=origin.feed,
            at=origin.at,
            reason=reason,
            detail=detail,
            withheld=False,
            repeatable=origin.raw is not None,
            revision=origin.revision,
            raw=origin.raw,
        )
        self._say(item)

    def not_merged(self, origin: InputOrigin, reason: str, detail: str, merge: str) -> None:
        """A merge is not followed, nor kept; told again it may be."""
        self._keep(merge, reason)
        self.trouble(origin, reason, detail, merge)

    # -- what is not wrong any more -----------------------------------------------------------------

    def end(self, reason: str, *about: str) -> None:
        """What the item says is not so, or no longer."""
        self._end(item_id(reason, *about))

    def taken(self, observation: str) -> None:
        """The observation is held, or its merge kept: it is withheld no more."""
        if self._realm.withheld and (reason := self._realm.withheld.pop(observation, None)):
            self._outbox.state(self._realm.key("withheld", observation), None)
            self._end(item_id(reason, observation))

    def asked(self, reason: str) -> Iterator[list[str]]:
        """What the items are about for which the input is read again, and which end unless they are said anew."""
        for _, why, *about in map(parted, self._envelope.settles):
            if why == reason:
                yield about

    def close(self) -> None:
        """Write down what is open and what has ended by now."""
        ended = [*self._ended, *(i for i in self._envelope.settles if i not in self._met)]
        if not ended and not self._met:  # nearly always
            return
        at = self._next_time()
        for item in self._met.values():
            met_at = at if at > item.at else None
            self._outbox.review(item.model_copy(update={"met_at": met_at}))
        for each in dict.fromkeys(ended):
            self._outbox.reviewed(self._resolved(each, at))

    # -- how ----------------------------------------------------------------------------------------

    def _say(self, item: ReviewItem) -> None:
        self._ended.pop(item.id, None)
        self._met[item.id] = item

    def _end(self, item: str) -> None:
        self._ended[item] = None

    def _keep(self, observation: str, reason: str) -> None:
        realm = self._realm
        if realm.withheld.get(observation) == reason:
            return
        realm.withheld[observation] = reason
        self._outbox.state(realm.key("withheld", observation), reason.encode())
        while len(realm.withheld) > MAX_WITHHELD:
            oldest = next(iter(realm.withheld))
            del realm.withheld[oldest]
            self._outbox.state(realm.key("withheld", oldest), None)

    def _next_time(self) -> datetime:
        realm, at = self._realm, self._envelope.told_at
        if realm.reviewed_at is not None:
            at = max(at, realm.reviewed_at + _MICROSECOND)
        realm.reviewed_at = at
        self._outbox.state(realm.key("reviewed"), str(microseconds(at)).encode())
        return at

    def _resolved(self, item: str, at: datetime) -> ReviewStep:
        revision = max((said.revision for said in self._envelope.observations), default=0)
        return ReviewStep(
            item=item, realm=self._realm.name, deed="resolved", at=at, revision=revision
        )

    def _of(self, said: Observation, reason: str, detail: str) -> ReviewItem:
        """The item of an observation; the same whenever it is said again."""
        envelope = self._envelope
        return ReviewItem(
            id=item_id(reason, said.id),
            realm=envelope.realm,
            source=said.source,
            feed=said.feed,
            at=envelope.received_at,
            reason=reason,
            detail=detail,
            withheld=True,
            mark_unread=_marks(said),
            revision=said.revision,
            raw=envelope.raw,
        )


def item_id(reason: str, *about: str) -> str:
    """Of the router's item about this."""
    return joined("router", reason, *about)


def _marks(said: Observation) -> bool:
    return said.claims.mark is not None and said.what is not What.PLAN_CANCELLED
