"""The HL7 v2 adapter as a kind of feed."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from pydantic import Field

from adapters.common.outcome import Outcome
from adapters.hl7v2.profile import Hl7Profile, Listener
from wardbridge.feeds.kind import FeedKind, Place, Reading, RunningFeed


class Hl7Settings(Listener):
    """One MLLP port, and what the messages on it mean."""

    profile: Hl7Profile = Field(Hl7Profile(), description="what the messages mean")


def _make(reading: Reading, place: Place, settings: Hl7Settings) -> RunningFeed:
    raise NotImplementedError


def _outcomes(
    reading: Reading, settings: Hl7Settings, path: Path, payload: bytes
) -> Iterator[tuple[int, Outcome]]:
    raise NotImplementedError


KIND = FeedKind(settings=Hl7Settings, make=_make, outcomes=_outcomes)
