"""The FHIR adapter as a kind of feed."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator
from pathlib import Path

from pydantic import Field

from adapters.common.outcome import Outcome, Trouble, to_review
from adapters.fhir.intake import Figures, Intake
from adapters.fhir.listener import FhirListener, Tls
from adapters.fhir.mapping import Normaliser
from adapters.fhir.profile import FhirProfile
from adapters.fhir.surface import Surface
from wardbridge.feeds.kind import FeedKind, FeedStatus, Place, Reading
from wardbridge.http.server import HttpServer


class FhirSettings(FhirListener):
    """One FHIR endpoint, and what the Encounters sent to it mean."""

    profile: FhirProfile = Field(FhirProfile(), description="what the Encounters mean")


class FhirFeed:
    """The endpoint, in the service's event loop."""

    def __init__(self, reading: Reading, place: Place, settings: FhirSettings) -> None:
        normaliser = _normaliser(reading, settings)
        self._intake = Intake(normaliser, place.log, reading.clock, settings.max_waiting)
        surface = Surface(self._intake, settings.profile, settings, reading.clock)
        port = settings.port + place.port_offset if settings.port else 0
        tls = _tls_in(place.data, settings.tls) if settings.tls else None
        self._server = HttpServer(surface.app(), settings.host, port, tls)

    async def start(self) -> None:
        """Listen. Raises OSError where the port or a certificate cannot be had."""
        await self._server.start()

    async def stop(self) -> None:
        """Answer what is on its way, then hang up."""
        await self._server.stop()

    @property
    def port(self) -> int:
        """The port listened on, once started."""
        return self._server.bound_port()

    def status(self) -> FeedStatus:
        """Counts since the start, and whether the endpoint is up."""
        figures = self._intake.figures
        return FeedStatus(
            figures.last_seen,
            _counts(figures),
            dict(figures.outcomes),
            blocking=self._server.blocking(),
            failure=self._server.failure(),
        )


def _normaliser(reading: Reading, settings: FhirSettings) -> Normaliser:
    return Normaliser(reading.identity, settings.profile, reading.register, reading.keyer)


def _tls_in(folder: Path, tls: Tls) -> dict[str, str]:
    return {key: str(folder / name) for key, name in tls.model_dump(exclude_none=True).items()}


def _counts(figures: Figures) -> dict[str, int]:
    return {
        each.name: value
        for each in dataclasses.fields(figures)
        if isinstance(value := getattr(figures, each.name), int)
    }


def _outcomes(
    reading: Reading, settings: FhirSettings, path: Path, payload: bytes
) -> Iterator[tuple[int, Outcome]]:
    """One for each resource: a file holds one, or one a line (``.ndjson``)."""
    normaliser = _normaliser(reading, settings)
    resources = payload.splitlines() if path.suffix == ".ndjson" else [payload]
    inputs = [each for each in resources if each.strip()]
    if not inputs:
        yield 0, to_review(Trouble("no-resource", "the file has no resource in it"))
    for index, each in enumerate(inputs):
        yield index, normaliser.normalise(each, reading.clock())


KIND = FeedKind(settings=FhirSettings, make=FhirFeed, outcomes=_outcomes)
