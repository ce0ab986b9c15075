"""The tables ``[subscribers.<name>]``: who is sent notices, and by which channel.

How a subscriber is told is the table of one channel (``router.delivery.channels``), the same wherever it is
said: in the configuration, or in a request that registers it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Self

from pydantic import Field, create_model, model_validator

from adapters.common.settings import Section
from router.delivery.channels import KINDS
from router.delivery.channels.kind import ChannelSettings
from schemas.fields import Level
from schemas.notification import Kind


class SubscriberScope(Section):
    """What a subscriber is told, and by which channel. Without wards and hospitals of all wards, without kinds of all."""

    wards: tuple[str, ...] = Field((), description="ward ids")
    hospitals: tuple[str, ...] = Field((), description="hospitals as the ward register names them")
    kinds: tuple[Kind, ...] = Field((), description="kinds of notices")
    fields: Level = Field(
        "minimal",
        description="what it is told: `minimal`: visit, ward, times; `operational`: also where from; "
        "`identified`: also who it is, protected persons too (needs `keep` in `[identities]`)",
    )
    token: str = Field(
        "",
        description="the token of its own: may read its status and what it was sent, and have it sent "
        "again, as far as the token may read",
    )

    reason: str = Field("", max_length=500, description="for people: why it is told")

    @property
    def channel(self) -> str:
        """The name of the channel that is given."""
        return next(name for name in KINDS if getattr(self, name, None) is not None)

    @property
    def settings(self) -> ChannelSettings:
        """How the channel is to be."""
        found: ChannelSettings = getattr(self, self.channel)
        return found

    def told(self) -> frozenset[Kind]:
        """The kinds that are queued for it; none for all."""
        return self.settings.told(self.kinds)

    @model_validator(mode="after")
    def _one_channel(self) -> Self:
        names = [name for name in KINDS if name in type(self).model_fields]
        if sum(getattr(self, name) is not None for name in names) != 1:
            raise ValueError(f"give one of the tables {', '.join(names)}")
        self.settings.check_told(self.kinds, self.fields)
        return self


def _table(model: type[ChannelSettings], about: str) -> Any:  # noqa: ANN401 - as pydantic takes it
    return (model | None, Field(None, description=about))


if TYPE_CHECKING:
    SubscriberSection = SubscriberScope
    SubscriberAsked = SubscriberScope
else:
    SubscriberSection = create_model(
        "SubscriberSection",
        __base__=SubscriberScope,
        __doc__="A system that is told, by one of the channels below.",
        **{kind.name: _table(kind.settings, kind.about) for kind in KINDS.values()},
    )
    SubscriberAsked = create_model(
        "SubscriberAsked",
        __base__=SubscriberScope,
        __doc__="A subscriber as it is to be, by one of the channels.",
        **{
            kind.name: _table(kind.asked, kind.about)
            for kind in KINDS.values()
            if kind.asked and kind.by_name
        },
    )
