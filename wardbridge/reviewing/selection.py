"""Selects review items by id, reason, feed or time."""

from __future__ import annotations

from datetime import datetime
from typing import Final, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, model_validator

from schemas.base import Utc
from schemas.review import ReviewItem

MAX_IDS: Final = 500
"""As many as a request's body has room for."""

State = Literal["open", "settled", "all"]


class Filter(BaseModel):
    """What is asked of items; nothing asked is all."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    feed: str | None = Field(None, description="only of this feed")
    reason: str | None = Field(None, description="only with this reason, as `ward-unknown`")
    since: Utc | None = Field(None, description="only received at or after this time")
    until: Utc | None = Field(None, description="only received before this time")
    mark_unread: bool | None = Field(None, description="only where a mark told nobody, or none did")

    def takes(self, item: ReviewItem) -> bool:
        """Whether an item is meant."""
        return (
            self.feed in {None, item.feed}
            and self.reason in {None, item.reason}
            and self.mark_unread in {None, item.mark_unread}
            and self._is_in_time(item.at)
        )

    def _is_in_time(self, at: datetime) -> bool:
        return (self.since is None or at >= self.since) and (self.until is None or at < self.until)

    @property
    def asks(self) -> bool:
        """Whether anything is asked."""
        return any(value is not None for value in self.model_dump().values())


class Selection(Filter):
    """The open items that something is to be done about; those named may have ended, too."""

    ids: tuple[str, ...] = Field((), max_length=MAX_IDS, description="these items, by id")
    all: bool = Field(default=False, description="every open item; without any other member")

    @model_validator(mode="after")
    def _says_which(self) -> Self:
        asks = Filter(**self.model_dump(include=set(Filter.model_fields))).asks
        if sum((bool(self.ids), self.all, asks)) != 1:
            raise ValueError(
                "say which: some ids, or a feed, reason, time or mark_unread, or all, and one of these"
            )
        return self
