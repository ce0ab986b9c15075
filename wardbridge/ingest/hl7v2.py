"""The HL7 v2 adapter as a feed at work."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import datetime
from pathlib import Path

from adapters.common.outcome import InputOutcome, Trouble, to_review
from adapters.common.receipt import ReceiptClock
from adapters.hl7v2 import locating
from adapters.hl7v2.batch import split
from adapters.hl7v2.charset import Charsets
from adapters.hl7v2.configured import CONFIGURED, Hl7FeedSettings
from adapters.hl7v2.mapping import RULES, Hl7Normaliser, read_frame
from adapters.hl7v2.server import MllpServer
from adapters.hl7v2.statement import named, statement
from adapters.hl7v2.structure import findings
from wardbridge.ingest.kind import FeedEnvironment, FeedKind, FeedStatus, ReadingContext, Reread


class Hl7Feed:
    """The MLLP listener, in the service's event loop."""

    def __init__(
        self, reading: ReadingContext, place: FeedEnvironment, settings: Hl7FeedSettings
    ) -> None:
        listener = settings.moved(place.data, place.port_offset)
        normaliser = reading.by(Hl7Normaliser, settings.profile)
        self._server = MllpServer(normaliser, place.log, listener, place.review, place.ports)

    async def start(self) -> None:
        """Listen. Raises OSError where the port or a certificate cannot be had."""
        await self._server.start()

    async def stop(self) -> None:
        """Answer what is on its way, then hang up."""
        await self._server.drain()

    def status(self) -> FeedStatus:
        """Counts since the start."""
        figures = self._server.figures
        return FeedStatus(
            figures.last_seen,
            figures.last_accepted_at,
            figures.counts(),
            dict(figures.outcomes),
            trouble=figures.trouble(),
        )


class Hl7Rereader:
    """Reads messages again."""

    def __init__(self, reading: ReadingContext, _data: Path, settings: Hl7FeedSettings) -> None:
        self._normaliser = reading.by(Hl7Normaliser, settings.profile)

    async def read(self, payload: bytes, received_at: datetime) -> Reread:
        """What a frame means now."""
        outcome = read_frame(self._normaliser, payload, received_at).outcome
        return Reread(outcome, statement(payload), named(payload))

    async def close(self) -> None:
        """Nothing is open."""


def _outcomes(
    reading: ReadingContext, settings: Hl7FeedSettings, path: Path, payload: bytes
) -> Iterator[tuple[int, InputOutcome]]:
    """One for each message, then one for each trouble of the file as a whole."""
    del path
    normaliser, found = reading.by(Hl7Normaliser, settings.profile), split(payload)
    clock = ReceiptClock(reading.clock)
    troubles = found.troubles
    if not found.messages and not troubles:
        troubles = (Trouble("no-message", "the file has no message in it"),)
    for index, message in enumerate(found.messages):
        yield index, normaliser.normalise(message, clock())
    for index, trouble in enumerate(troubles, len(found.messages)):
        yield index, to_review(trouble)


def _structure(settings: Hl7FeedSettings, payload: bytes) -> Sequence[str]:
    profile = settings.profile
    return tuple(map(str, findings(payload, Charsets.of(profile.charset, profile.charsets))))


KIND = FeedKind(
    configured=CONFIGURED,
    make=Hl7Feed,
    outcomes=_outcomes,
    rereader=Hl7Rereader,
    reads_by=lambda settings: settings.profile,
    rules=RULES,
    structure=_structure,
    locate=lambda _settings, payload, where: locating.locate(payload, where),
    kept=lambda _settings, payload: locating.kept(payload),
    patients=lambda reading, settings, shown: reading.by(Hl7Normaliser, settings.profile).patients(
        shown.payload, reading.clock()
    ),
)
