"""Golden stories: resources in (``*.fhir``), outcomes out, side by side in ``tests/golden/fhir``.

``python -m tests.fhir.golden`` writes the outcomes anew; read the difference before keeping it.
A story's ``feed.json`` (optional) holds the feed's profile and the wards of a closed register.
"""

from __future__ import annotations

import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

from adapters.common.outcome import Outcome
from adapters.fhir.mapping import Normaliser
from adapters.fhir.profile import FhirProfile
from schemas.ward import Ward, WardRegister
from tests.fhir.lab import FEED, KEYER, OPEN

STORIES: Final = Path(__file__).parents[1] / "golden" / "fhir"
RECEIVED_AT: Final = datetime(2026, 11, 1, tzinfo=UTC)


def outcome_of(path: Path) -> Outcome:
    """The outcome of one input of a story."""
    return _normaliser(path.with_name("feed.json")).normalise(path.read_bytes(), RECEIVED_AT)


def played(path: Path) -> str:
    """The same, as text."""
    return json.dumps(_shown(outcome_of(path)), indent=2, ensure_ascii=False) + "\n"


def _normaliser(feed: Path) -> Normaliser:
    if not feed.exists():
        return Normaliser(FEED, FhirProfile(), OPEN, KEYER)
    said = json.loads(feed.read_text(encoding="utf-8"))
    profile = FhirProfile.model_validate(said["profile"])
    return Normaliser(FEED, profile, _wards(said["wards"]), KEYER)


def _wards(ids: list[str] | None) -> WardRegister:
    if ids is None:
        return OPEN
    return WardRegister([Ward(id=ward, name=ward, hospital="Norr") for ward in ids])


def _shown(outcome: Outcome) -> dict[str, Any]:
    return {
        "outcome": outcome.verdict.value,
        "reason": outcome.reason,
        "detail": outcome.detail,
        "where": outcome.where,
        "degraded": outcome.degraded,
        "warnings": [f"{w.where}: {w.reason}" for w in outcome.warnings],
        "observations": [
            observation.model_dump(mode="json", exclude_unset=True)
            for observation in outcome.observations
        ],
    }


def main() -> None:
    for path in sorted(STORIES.glob("*/*.fhir")):
        path.with_suffix(".json").write_text(played(path), encoding="utf-8")


if __name__ == "__main__":
    main()
