"""The FHIR adapter as a feed at work."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Iterator
from datetime import datetime
from pathlib import Path

from adapters.common.calls import Call
from adapters.common.outcome import InputOutcome, Trouble, to_review
from adapters.fhir import locating
from adapters.fhir.address import normal
from adapters.fhir.client import FhirClient, RemoteError
from adapters.fhir.configured import CONFIGURED, FhirFeedSettings
from adapters.fhir.grant import BackendToken
from adapters.fhir.intake import Intake, anything, document_in, read_body
from adapters.fhir.lookup import ResourceLookup
from adapters.fhir.mapping import RULES, FhirNormaliser
from adapters.fhir.poller import Poller
from adapters.fhir.positions import Positions
from adapters.fhir.references import Resources
from adapters.fhir.remote import Remote
from adapters.fhir.said import named_of, statement_of_input
from adapters.fhir.surface import FhirEndpoint
from wardbridge.ingest.kind import (
    FeedEnvironment,
    FeedKind,
    FeedStatus,
    NotReadError,
    ReadingContext,
    Reread,
)
from wardbridge.net.calls import Calls
from wardbridge.net.server import ConnectionLimits, HttpServer
from wardbridge.parts.base import describe


class FhirFeed:
    """The endpoint and the poller, in the service's event loop.

    Raises OSError where the key that signs for a server cannot be read.
    """

    def __init__(
        self, reading: ReadingContext, place: FeedEnvironment, settings: FhirFeedSettings
    ) -> None:
        normaliser = reading.by(FhirNormaliser, settings.profile)
        self._intake = Intake(
            normaliser, place.log, reading.clock, settings.max_waiting, place.review
        )
        self._pulling = (
            Pulling(settings.pull, self._intake, reading, place) if settings.pull else None
        )
        fetch = self._pulling.lookup if self._pulling else None
        surface = FhirEndpoint(self._intake, settings, reading.clock, fetch=fetch)
        at = settings.moved(place.data, place.port_offset)
        terms = ConnectionLimits(
            settings.max_connections, settings.max_connections_per_peer, place.ports
        )
        self._server = HttpServer(surface.app(), at.host, at.port, at.tls, terms)

    async def start(self) -> None:
        """Listen. Raises OSError where the port or a certificate cannot be had."""
        await self._server.start()
        if self._pulling is not None:
            self._pulling.start()

    async def stop(self) -> None:
        """Answer what is on its way, then hang up."""
        if self._pulling is not None:
            await self._pulling.stop()
        await self._server.stop()

    @property
    def port(self) -> int:
        """The port listened on, once started."""
        return self._server.bound_port()

    def status(self) -> FeedStatus:
        """Counts since the start, and whether the endpoint is up."""
        figures, pulling = self._intake.figures, self._pulling
        return FeedStatus(
            figures.last_seen,
            figures.last_accepted_at,
            figures.counts()
            | self._server.counts()
            | ({"rounds": pulling.poller.rounds} if pulling else {}),
            dict(figures.outcomes),
            blocking=self._server.blocking(),
            trouble=(pulling.poller.failure if pulling else None) or figures.trouble(),
            failure=self._server.failure() or (pulling.ended() if pulling else None),
        )


class Pulling:
    """The poller of one server, its connections and its task."""

    def __init__(
        self, remote: Remote, intake: Intake, reading: ReadingContext, place: FeedEnvironment
    ) -> None:
        self._calls = Calls(remote.timeout_s)
        client = _client_of(remote, self._calls, place.data, reading.clock)
        self.lookup = ResourceLookup(client, remote.cache_s, time.monotonic)
        positions = Positions(place.log, reading.identity.name, normal(remote.base_url))
        self.poller = Poller(remote, self.lookup, intake, positions, reading.clock)
        self._task: asyncio.Task[None] | None = None

    def start(self) -> None:
        """Begin the rounds."""
        self._task = asyncio.create_task(self.poller.run(), name="fhir pull")

    async def stop(self) -> None:
        """End amid a round: the next start asks again."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.wait([self._task])
        await self._calls.close()

    def ended(self) -> str | None:
        """The task ended by itself."""
        if self._task is None or not self._task.done() or self._task.cancelled():
            return None
        error = self._task.exception()
        return describe(error) if error else "ended by itself"


def _client_of(remote: Remote, call: Call, data: Path, clock: Callable[[], datetime]) -> FhirClient:
    grant = None
    if remote.backend is not None:
        key = (data / remote.backend.key_file).read_bytes()
        grant = BackendToken(remote.backend, key, call, clock)
    return FhirClient(remote, call, asyncio.sleep, grant)


class FhirRereader:
    """Reads bodies again; what they refer to is asked for where the feed has a server to ask.

    Raises OSError where the key that signs for it cannot be read.
    """

    def __init__(self, reading: ReadingContext, data: Path, settings: FhirFeedSettings) -> None:
        self._normaliser = reading.by(FhirNormaliser, settings.profile)
        self._lookup: ResourceLookup | None = None
        self._calls: Calls | None = None
        if remote := settings.pull:
            self._calls = Calls(remote.timeout_s)
            client = _client_of(remote, self._calls, data, reading.clock)
            self._lookup = ResourceLookup(client, remote.cache_s, time.monotonic)

    async def read(self, payload: bytes, received_at: datetime) -> Reread:
        """What a body means now. Raises NotReadError where the server does not answer."""
        try:
            beside = await self._beside(payload)
        except RemoteError as error:
            raise NotReadError(
                f"what it refers to could not be asked for: {error}; try again"
            ) from None
        outcome, document = read_body(self._normaliser, payload, received_at, anything, beside)
        return Reread(outcome, statement_of_input(payload, document), named_of(document))

    async def _beside(self, payload: bytes) -> Resources | None:
        if self._lookup is None:
            return None
        return await self._lookup.beside(document_in(payload, self._normaliser))

    async def close(self) -> None:
        """Hang up."""
        if self._calls is not None:
            await self._calls.close()


def _outcomes(
    reading: ReadingContext, settings: FhirFeedSettings, path: Path, payload: bytes
) -> Iterator[tuple[int, InputOutcome]]:
    """One for each resource: a file holds one, or one a line (``.ndjson``)."""
    normaliser = reading.by(FhirNormaliser, settings.profile)
    resources = payload.splitlines() if path.suffix == ".ndjson" else [payload]
    inputs = [each for each in resources if each.strip()]
    if not inputs:
        yield 0, to_review(Trouble("no-resource", "the file has no resource in it"))
    for index, each in enumerate(inputs):
        yield index, normaliser.normalise(each, reading.clock())


KIND = FeedKind(
    configured=CONFIGURED,
    make=FhirFeed,
    outcomes=_outcomes,
    rereader=FhirRereader,
    reads_by=lambda settings: settings.profile,
    rules=RULES,
    locate=lambda _settings, payload, where: locating.locate(payload, where),
    kept=lambda _settings, payload: locating.kept(payload),
    patients=lambda reading, settings, shown: reading.by(FhirNormaliser, settings.profile).patients(
        shown.payload, reading.clock()
    ),
)
