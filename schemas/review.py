"""Review: what could not be understood, why, where, from which bytes; and what became of it.

An *item* is one trouble of one statement. Its id is derived from the statement as sent, so that a
statement that is sent again meets the same trouble in the same item. Items are in topic ``review``;
what is done about them, by a reading or by a person, are *steps* in topic ``reviewed``, each a record
of its own, so that none is lost. An item is open until it is resolved or discarded (:func:`is_open`).

Neither carries patient data in its text: ``detail`` and ``where`` name fields, codes and rules, and
the bytes stay in topic ``raw`` or ``held`` (or, for a file, in ``rejected/`` or ``done/``).
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime
from typing import Final, Literal

from pydantic import Field

from schemas.base import Frozen, Utc
from schemas.observation import RawPointer

Deed = Literal["replayed", "resolved", "discarded"]
ENDS: Final[frozenset[Deed]] = frozenset({"resolved", "discarded"})


class ReviewItem(Frozen):
    """One thing for a person to look at. Topic ``review``."""

    type: Literal["review-item"] = "review-item"
    version: Literal[1] = 1
    id: str
    realm: str
    source: str
    feed: str
    at: Utc = Field(description="when the input was received")
    met_at: Utc | None = Field(
        None, description="when the trouble was met, where that was later: the input was read again"
    )
    reason: str = Field(description="stable code, kebab-case")
    detail: str = Field(description="what is wrong and what to do, without patient data")
    where: str | None = Field(None, description="PV1-3, row 17 column avsedd_avdelning, …")
    withheld: bool = Field(
        description="true: nothing of the input, or of the part that it is about, was used; "
        "false: the rest was"
    )
    mark_unread: bool = Field(
        default=False, description="a mark or its withdrawal, or what may hold one, has told nobody"
    )
    repeatable: bool = Field(
        default=True,
        description="false: its sender was refused for how it was sent, and must send it rightly",
    )
    statement: str = Field("", description="hash of what was said, as sent")
    name: str = Field(
        "", description="hash of what names the statement through its corrections; empty: nothing"
    )
    nth: int = Field(0, description="its version, where the sender counts them")
    revision: int = Field(0, description="of the reading that met the trouble")
    raw: RawPointer | None = None

    @property
    def last_met(self) -> datetime:
        """When the trouble was last met: what ended the item before then ends it no more."""
        return max(self.at, self.met_at) if self.met_at else self.at


class ReviewStep(Frozen):
    """Something was done about an item. Topic ``reviewed``."""

    type: Literal["review-step"] = "review-step"
    version: Literal[1] = 1
    item: str
    realm: str
    deed: Deed = Field(
        description="`replayed`: read again, the trouble remains; `resolved`: read without it, or "
        "dealt with otherwise; `discarded`: of no concern"
    )
    at: Utc
    by: str = Field("", description="the person; empty: a reading by the feed or the router")
    reason: str = Field("", description="what the person said")
    revision: int = Field(0, description="of the reading")

    @property
    def key(self) -> str:
        """Of its record: the same for the same reading, one of its own for what a person does."""
        once = self.at.isoformat() if self.by else str(self.revision)
        return f"{self.item}|{self.deed}|{once}|{self.by}"


def is_open(item: ReviewItem, steps: Iterable[ReviewStep]) -> bool:
    """Whether an item still waits for somebody.

    What was resolved is open again where the trouble is met again later; what a person has discarded
    stays so, however often it is said again.
    """
    return not any(
        step.deed == "discarded" or (step.deed == "resolved" and step.at >= item.last_met)
        for step in steps
    )
