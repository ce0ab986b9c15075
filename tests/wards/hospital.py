"""A hospital whose record system sends ADT on one connection, and whose wards hear what follows."""

from __future__ import annotations

import tomllib
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Final

from adapters.common.feed import FeedIdentity
from adapters.common.keys import PatientKeyer
from adapters.hl7v2.mapping import Hl7Normaliser
from adapters.hl7v2.profile import Hl7Profile
from router.core.fulfilment import FulfilledBy
from schemas.observation import Observation
from schemas.ward import WardRegister
from tests.router.hearing import Router
from tests.router.saying import REALM

CASES: Final = Path(__file__).parent / "cases"
_MUCH_LATER: Final = datetime(2100, 1, 1, tzinfo=UTC)
_MICROSECOND: Final = timedelta(microseconds=1)


@dataclass
class Hospital:
    """Its feed's profile as TOML, and what was received and told.

    A message is received a second after it was recorded, or else a microsecond after the one before.
    """

    profile: str = ""
    fulfilled_by: FulfilledBy = "place"
    received_at: datetime = datetime(2000, 1, 1, tzinfo=UTC)
    observations: list[Observation] = field(default_factory=list)
    reasons: list[str] = field(default_factory=list)
    register: WardRegister = field(default_factory=lambda: WardRegister(open_register=True))

    def __post_init__(self) -> None:
        self.router = Router(fulfilled_by=self.fulfilled_by)
        profile = Hl7Profile.model_validate(tomllib.loads(self.profile))
        keyer = PatientKeyer(b"the tests' own secret")
        self._normaliser = Hl7Normaliser(
            FeedIdentity("hl7", "ehr", REALM), profile, self.register, keyer
        )

    def send(self, *messages: bytes, late_by: timedelta | None = None) -> Hospital:
        """Send them in order on the hospital's one connection."""
        for message in messages:
            self._receive(message, late_by or timedelta(seconds=1))
        return self

    def _receive(self, message: bytes, late_by: timedelta) -> None:
        first = self._normaliser.normalise(message, _MUCH_LATER)
        recorded = max((each.recorded_at for each in first.observations), default=self.received_at)
        self.received_at = max(recorded + late_by, self.received_at + _MICROSECOND)
        outcome = self._normaliser.normalise(message, self.received_at)
        self.reasons += [each.reason for each in outcome.warnings] or [outcome.reason]
        self.observations += outcome.observations
        if outcome.observations:
            self.router.hear_at_once(*outcome.observations, received_at=self.received_at)

    def tick(self, at: datetime) -> Hospital:
        """The clock says so."""
        self.router.tick(at)
        return self

    @property
    def words(self) -> list[str]:
        """Every notification as ``ward kind reason``, in order."""
        return self.router.words

    @property
    def wards(self) -> list[str]:
        """Wards with somebody on the way, sorted."""
        return self.router.wards

    def view(self, visit: str) -> dict[str, object]:
        """What the census says of a visit by its number, whoever gave it."""
        views = self.router.encounters
        (found,) = (view for view in views.values() if view["visit"].split("@")[0] == visit)
        return found


def case(folder: str, *names: str) -> list[bytes]:
    """Messages of a case, by the beginnings of their files' names."""
    files = sorted((CASES / folder).iterdir())
    return [next(f for f in files if f.name.startswith(name)).read_bytes() for name in names]
