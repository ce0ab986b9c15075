"""The settings of a FHIR feed, as the configuration registers them."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from pydantic import Field

from adapters.common.configured import SettingsKind, holds_port
from adapters.common.door import ENCRYPTED, PLAIN, SHOWS_NOTHING, Door, listening
from adapters.fhir import settings_checks
from adapters.fhir.listener import FhirListener
from adapters.fhir.profile import FhirProfile
from adapters.fhir.remote import Remote


class FhirFeedSettings(FhirListener):
    """One FHIR endpoint, and what the Encounters sent to it mean."""

    profile: FhirProfile = Field(FhirProfile(), description="what the Encounters mean")
    pull: Remote | None = Field(None, description="a server that is asked besides")


def _doors(settings: FhirFeedSettings) -> Iterator[Door]:
    yield listening(settings, "Encounters and Bundles", settings.tokens)
    if (remote := settings.pull) is not None:
        shown = remote.token is not None or remote.backend is not None
        encrypted = ENCRYPTED if remote.base_url.startswith("https:") else PLAIN
        yield Door(
            ("pull",), "searches of a FHIR server", "out", remote.base_url,
            "our token" if shown else SHOWS_NOTHING, encrypted,
        )  # fmt: skip
        if (backend := remote.backend) is not None:
            encrypted = ENCRYPTED if backend.token_url.startswith("https:") else PLAIN
            yield Door(
                ("pull", "backend"),
                "its tokens",
                "out",
                backend.token_url,
                "our signature",
                encrypted,
            )


CONFIGURED: Final = SettingsKind(
    settings=FhirFeedSettings,
    holds=holds_port,
    doors=_doors,
    doubts=lambda settings, _source, _register: settings_checks.doubts(settings.profile),
    clears=lambda settings: settings.profile.claims,
    is_alone=lambda settings: (
        settings.pull is not None
    ),  # its position is committed, which may hang
)
