"""Golden stories of messages (``*.hl7``): see :mod:`tests.support.golden`.

``python -m tests.hl7v2.golden`` writes the outcomes anew; read the difference before keeping it.
``feed.json`` holds the feed's profile and the wards of a closed register.
"""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import Final

from adapters.common.outcome import InputOutcome
from adapters.hl7v2.profile import Hl7Profile
from tests.hl7v2.lab import normaliser
from tests.support.golden import GOLDEN, Stories, expectation, register, told, written

STORIES: Final = Stories(GOLDEN / "hl7v2", "hl7")
RECEIVED_AT: Final = datetime(2026, 11, 1, tzinfo=UTC)


def outcome_of(path: Path, *, explain: bool = False) -> InputOutcome:
    """The outcome of one message of a story."""
    feed = told(path.parent)
    profile = Hl7Profile.model_validate(feed.get("profile", {}))
    reader = normaliser(profile, register(feed.get("wards")), explain=explain)
    return reader.normalise(path.read_bytes(), RECEIVED_AT)


def played(path: Path) -> str:
    """The same, as text."""
    return written(outcome_of(path))


def main() -> None:
    for path in STORIES.inputs():
        expectation(path).write_text(played(path), encoding="utf-8")


if __name__ == "__main__":
    main()
