"""Who has seen what of whom. Topic ``audit``: only ever appended to, kept for five years.

Source: HSLF-FS 2016:40, chapter 4, section 9 (action, care unit, time, user, patient).
"""

from __future__ import annotations

from enum import StrEnum
from typing import Literal

from pydantic import Field

from schemas.base import Frozen, Utc, VisitRef


class Action(StrEnum):
    """What was done."""

    LISTED = "listed"  # a ward's list was shown
    READ = "read"  # one Encounter, or the events of a subscription
    STREAMED = "streamed"  # notices went out on a stream
    ACKNOWLEDGED = "acknowledged"
    SENT_AGAIN = "sent-again"  # a notice, to a subscriber
    SKIPPED = "skipped"  # likewise
    PAUSED = "paused"  # a subscriber
    RESUMED = "resumed"
    TESTED = "tested"
    LOOKED_UP = "looked-up"  # by a command, on the machine itself
    SUBSCRIBED = "subscribed"  # a subscriber was registered, or changed
    UNSUBSCRIBED = "unsubscribed"
    REFUSED = "refused"  # a request, for who sent it was not known or had no right to it
    SIGNED_IN = "signed-in"  # a browser showed a token
    SIGN_IN_REFUSED = "sign-in-refused"  # it was none of ours
    REVIEW_LISTED = "review-listed"
    REVIEW_READ = "review-read"  # an item: reason, place and shape
    INPUT_READ = "input-read"  # an item's input, as it was sent
    PREVIEWED = "previewed"  # whom a replay would tell
    REPLAYED = "replayed"
    RESOLVED = "resolved"
    DISCARDED = "discarded"


class Seen(Frozen):
    """Of whom. ``patient`` is their key, where it is known; of what is of no visit its number is empty.

    With neither it is unknown of whom what was shown is.
    """

    visit: VisitRef
    patient: str | None = None


class AuditEntry(Frozen):
    """One reader, one ward, one moment."""

    type: Literal["audit-entry"] = "audit-entry"
    version: Literal[1] = 1
    at: Utc
    action: Action
    reader: str = Field(
        description="name of the token, certificate or person; user@machine of a command; empty where "
        "a refused request does not tell"
    )
    how: str = Field(description="token, session, certificate, oidc, or command; empty likewise")
    unit: str = Field(description="the reader's own care unit, if it is known")
    ward: str = Field(description="whose list it was; empty where it is no ward's")
    fields: str = Field(description="how much was seen: minimal, operational or identified")
    seen: tuple[Seen, ...] = ()
    about: str | None = Field(None, description="what else it was about")
    source: str | None = Field(
        None, description="of a refusal or a sign-in: the address; empty where many are counted"
    )
    route: str | None = Field(None, description="of these, what was asked for")
    status: int | None = Field(None, description="of these, what was answered: 401, 403, 204")
    count: int = Field(1, ge=1, description="how many like it came in the minute before")
