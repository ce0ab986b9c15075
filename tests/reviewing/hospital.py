"""An installation without processes: feeds of three kinds, the router, and review, on any log.

Its configuration is TOML and CSV as users write them; :meth:`Hospital.restart` reads them anew.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, Final

from adapters.common.feed import FeedIdentity, Input, records_of
from adapters.common.keys import raw_pointer
from adapters.common.review import FeedReview
from adapters.elvis.feed import ElvisDirectoryFeed
from adapters.elvis.settings import ElvisSettings
from adapters.fhir.intake import Intake
from adapters.fhir.mapping import FhirNormaliser
from adapters.fhir.request_checks import is_bundle, is_encounter
from adapters.hl7v2.mapping import Hl7Normaliser, read_frame
from adapters.hl7v2.statement import named, statement
from bus.memory import MemoryLog
from bus.port import Log
from bus.records import records_of as every
from bus.runner import lag_of
from router.core.step import GROUP, RouterStep
from schemas import topics
from schemas.authority import Authority
from schemas.notification import Notification
from schemas.review import ReviewItem
from tests.support.histories import Visit, message
from tests.support.registered import COLUMNS
from wardbridge.config.load import load
from wardbridge.config.models import Feed
from wardbridge.ingest.kind import ReadingContext
from wardbridge.ingest.kinds import fingerprint_of
from wardbridge.logstore.revisions import revised
from wardbridge.reviewing.planned import Planned
from wardbridge.reviewing.preview import Foreseen
from wardbridge.reviewing.records import open_items, open_statements
from wardbridge.reviewing.replay import InputReplay
from wardbridge.routing.step import make_runner
from wardbridge.runtime.service import write_authority
from wardbridge.security.secret import keyer_of, made_once

START: Final = datetime(2026, 1, 20, 6, tzinfo=UTC)
CONFIG: Final = """
[realms.lab]
[sources.ehr]
[sources.elvis]
[feeds.hl7]
kind = "hl7v2-mllp"
source = "ehr"
port = 2575
[feeds.fhir]
kind = "fhir"
source = "ehr"
port = 8090
[feeds.elvis]
kind = "elvis-directory"
source = "elvis"
directory = "inbox"
[feeds.elvis.watching]
stable_s = 0
[wards]
register = "wards.csv"
[authority.lab]
default = "ehr"
[authority.lab.hospitals]
Elvis = "elvis"
"""


class Hospital:
    """Feeds, router and review over one log."""

    def __init__(
        self,
        folder: Path,
        *wards: str,
        log: Log | None = None,
        config: str = CONFIG,
        start: datetime = START,
    ) -> None:
        self.folder = folder
        self.now = self.start = start
        self.log = log or MemoryLog(clock_ms=lambda: int(self.now.timestamp() * 1000))
        self.config = config
        made_once(folder / "patient.key")
        self.restart(*wards)

    def clock(self) -> datetime:
        self.now += timedelta(milliseconds=1)
        return self.now

    def restart(self, *wards: str, config: str | None = None) -> None:
        """With these wards in the register; those that begin with E believe the exports."""
        self.config = config or self.config
        wards = (*wards, "E0")  # which believes the exports, so that the hospital is there
        rows = [f"{w};Ward {w};{'Elvis' if w[0] == 'E' else 'Norr'};{w};{w}" for w in wards]
        (self.folder / "wards.csv").write_text("\n".join([COLUMNS, *rows, ""]), encoding="utf-8")
        path = self.folder / "wardbridge.toml"
        path.write_text(self.config, encoding="utf-8")
        self.installation = load(path, self.folder, {})
        timelines: list[Authority] = [
            section.timeline(realm)
            for realm, section in self.installation.settings.authority.items()
        ]
        write_authority(self.log, timelines)
        self.feeds = {feed.identity.name: feed for feed in self.installation.feeds}
        self.router = make_runner(self.log, self.installation)
        self._made: dict[str, tuple[ReadingContext, FeedReview]] = {}
        self._elvis: ElvisDirectoryFeed | None = None

    def route(self) -> None:
        """The router decides all that waits, also where the brokers make it join its group again."""
        while self.router.run_once() or lag_of(self.log, GROUP, RouterStep.inputs):
            pass

    # -- senders -----------------------------------------------------------------------------------

    def hl7(self, payload: bytes) -> None:
        reading, review = self._of("hl7")
        normaliser = reading.by(Hl7Normaliser, self._settings("hl7").profile)
        at = self.clock()
        outcome = read_frame(normaliser, payload, at).outcome
        taken = Input(raw_pointer(payload, at, "hl7"), at)
        found = review.findings(taken, outcome, lambda: statement(payload), lambda: named(payload))
        self.log.append(records_of(reading.identity, taken, payload, outcome, found.records))
        review.note(found)

    def say(
        self, event: str, visit: str, ward: str = "", minute: int = 0, place: str = "AKM"
    ) -> None:
        """A message of a visit, said at a minute; sent with another control id each time."""
        told = Visit(visit, self.start - timedelta(hours=1) + timedelta(minutes=minute), place)
        self.hl7(message(told, event, f"{self.clock():%H%M%S%f}", ward=ward))

    def fhir(self, document: Any) -> None:
        reading, review = self._of("fhir")
        normaliser = reading.by(FhirNormaliser, self._settings("fhir").profile)
        intake = Intake(normaliser, self.log, self.clock, 10, review)
        meant = is_bundle("collection") if document["resourceType"] == "Bundle" else is_encounter
        asyncio.run(intake.take(json.dumps(document).encode(), meant))

    def export(self, payload: bytes, name: str = "export.csv") -> None:
        self.exports()
        (self.folder / "inbox" / name).write_bytes(payload)
        self.exports()

    def exports(self) -> None:
        """The feed looks twice: what stands there has not changed."""
        if self._elvis is None:
            reading, review = self._of("elvis")
            settings: ElvisSettings = self._settings("elvis")
            moved = settings.model_copy(update={"directory": self.folder / settings.directory})
            self._elvis = ElvisDirectoryFeed(
                reading.identity, moved, reading.register, reading.keyer, self.log, self.clock,
                review=review,
            )  # fmt: skip
            self._elvis._inbox.prepare()
            self._elvis._archive.prepare()
        self._elvis.look()
        self._elvis.look()

    def _settings(self, name: str) -> Any:
        return self.feeds[name].settings

    def _of(self, name: str) -> tuple[ReadingContext, FeedReview]:
        if name not in self._made:
            feed: Feed = self.feeds[name]
            identity = self._revised(feed)
            keyer = keyer_of(self.log, self.installation)
            reading = ReadingContext(identity, self.installation.register, keyer, self.clock)
            review = FeedReview(identity, open_statements(self.log, identity))
            self._made[name] = (reading, review)
        return self._made[name]

    def _revised(self, feed: Feed) -> FeedIdentity:
        return revised(self.log, feed.identity, fingerprint_of(feed, self.installation), self.clock)

    # -- what came of it -----------------------------------------------------------------------------

    def notices(self) -> list[Notification]:
        return [
            Notification.model_validate_json(record.value or b"")
            for record in every(self.log, topics.DESIGNATIONS)
        ]

    def words(self) -> list[str]:
        return [f"{n.subject} {n.data.kind} {n.data.reason}" for n in self.notices()]

    def open(self) -> list[ReviewItem]:
        return sorted(open_items(self.log, "lab"), key=lambda item: (item.at, item.id))

    def reasons(self) -> list[str]:
        return [item.reason for item in self.open()]

    # -- a person ------------------------------------------------------------------------------------

    def plan(self, items: Sequence[ReviewItem] | None = None) -> tuple[list[Planned], Foreseen]:
        """What a replay of these, or of all that is open, would do and tell."""
        return asyncio.run(self._replayed(items, is_done=False))

    def replay(self, items: Sequence[ReviewItem] | None = None) -> tuple[list[Planned], Foreseen]:
        """The same, done; the feed of exports and the router have had their turn then."""
        found = asyncio.run(self._replayed(items, is_done=True))
        self.exports()
        self.route()
        return found

    async def _replayed(
        self, items: Sequence[ReviewItem] | None, *, is_done: bool
    ) -> tuple[list[Planned], Foreseen]:
        async with InputReplay(self.log, self.installation, self.clock) as replay:
            plan = await replay.plan(self.open() if items is None else items, "anna")
            ahead = replay.look_ahead(plan)
            return (replay.do(plan) if is_done else plan), ahead
