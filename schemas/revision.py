"""Which reading of a feed's inputs is the newest. Topic ``revisions``: one row for each claim.

A *fingerprint* says how a feed reads: its profile, the codes of the ward register that its source
uses, the adapter's own rules. Every fingerprint that a feed begins to read with gets the next
number, one that was in use before too, so that the newest reading of a statement always has the
highest. Rows are never replaced: where two processes claim one number at the same time, the row
that the log took first counts, and the other process claims the next number.

The row of all feeds together (``feed`` is ``*``) has the check of the secret of the patient keys as its fingerprint: with
another secret every patient would be another, and nobody would see it.
"""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from schemas.base import Frozen, Utc


class FeedRevision(Frozen):
    """A feed reads by this fingerprint from this revision on."""

    type: Literal["feed-revision"] = "feed-revision"
    version: Literal[1] = 1
    feed: str = Field(description="`*`: all of them")
    fingerprint: str = Field(
        description="hash of profile, ward codes and the adapter's rules; of all feeds: check of the secret"
    )
    revision: int = Field(ge=1)
    at: Utc = Field(description="when the process started that claimed it")
