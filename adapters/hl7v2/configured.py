"""The settings of an HL7 v2 feed, as the configuration registers them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from pydantic import Field

from adapters.common.configured import SettingsKind, holds_port
from adapters.common.door import listening
from adapters.hl7v2 import settings_checks
from adapters.hl7v2.profile import Hl7Profile, MllpListener
from adapters.hl7v2.rules import in_words


class Hl7FeedSettings(MllpListener):
    """One MLLP port, and what the messages on it mean."""

    profile: Hl7Profile = Field(Hl7Profile(), description="what the messages mean")


def _told(settings: Hl7FeedSettings) -> Sequence[str]:
    return (in_words(settings.profile.marks),)


CONFIGURED: Final = SettingsKind(
    settings=Hl7FeedSettings,
    holds=holds_port,
    told=_told,
    doors=lambda settings: [listening(settings, "messages over MLLP")],
    doubts=lambda settings, _source, _register: settings_checks.doubts(settings.profile),
)
