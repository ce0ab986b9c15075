"""Golden stories: messages in, outcomes out, side by side in ``tests/golden/hl7v2``.

``python -m tests.hl7v2.golden`` writes the outcomes anew; read the difference before keeping it.
A story's ``feed.json`` (optional) holds the feed's profile and the wards of a closed register.
"""

from __future__ import annotations

import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

from adapters.common.outcome import Outcome
from adapters.hl7v2.mapping import Normaliser
from adapters.hl7v2.profile import Hl7Profile
from schemas.ward import Ward, WardRegister
from tests.hl7v2.lab import FEED, KEYER, OPEN

STORIES: Final = Path(__file__).parents[1] / "golden" / "hl7v2"
RECEIVED_AT: Final = datetime(2026, 11, 1, tzinfo=UTC)


def played(path: Path) -> str:
    """The outcome of one message of a story, as text."""
    outcome = _normaliser(path.with_name("feed.json")).normalise(path.read_bytes(), RECEIVED_AT)
    return json.dumps(_shown(outcome), indent=2, ensure_ascii=False) + "\n"


def _normaliser(feed: Path) -> Normaliser:
    if not feed.exists():
        return Normaliser(FEED, Hl7Profile(), OPEN, KEYER)
    said = json.loads(feed.read_text(encoding="utf-8"))
    return Normaliser(
        FEED, Hl7Profile.model_validate(said["profile"]), _wards(said["wards"]), KEYER
    )


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
        "warnings": [f"{w.where}: {w.reason}" for w in outcome.warnings],
        "observations": [
            observation.model_dump(mode="json", exclude_unset=True)
            for observation in outcome.observations
        ],
    }


def main() -> None:
    for path in sorted(STORIES.glob("*/*.hl7")):
        path.with_suffix(".json").write_text(played(path), encoding="utf-8")


if __name__ == "__main__":
    main()
