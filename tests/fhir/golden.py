"""Golden stories of resources (``*.fhir``): see :mod:`tests.support.golden`.

``python -m tests.fhir.golden`` writes the outcomes anew; read the difference before keeping it.
``feed.json`` holds the feed's profile and the wards of a closed register.
"""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import Final

from adapters.common.outcome import InputOutcome
from adapters.fhir.mapping import FhirNormaliser
from adapters.fhir.profile import FhirProfile
from tests.fhir.lab import FEED, KEYER
from tests.support.golden import GOLDEN, Stories, expectation, register, told, written

STORIES: Final = Stories(GOLDEN / "fhir", "fhir")
RECEIVED_AT: Final = datetime(2026, 11, 1, tzinfo=UTC)


def outcome_of(path: Path, *, explain: bool = False) -> InputOutcome:
    """The outcome of one input of a story."""
    feed = told(path.parent)
    profile = FhirProfile.model_validate(feed.get("profile", {}))
    wards = register(feed.get("wards"))
    reader = FhirNormaliser(FEED, profile, wards, KEYER, explain=explain)
    return reader.normalise(path.read_bytes(), RECEIVED_AT)


def played(path: Path) -> str:
    """The same, as text."""
    return written(outcome_of(path))


def main() -> None:
    for path in STORIES.inputs():
        expectation(path).write_text(played(path), encoding="utf-8")


if __name__ == "__main__":
    main()
