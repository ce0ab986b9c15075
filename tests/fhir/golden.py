"""Golden stories of resources (``*.fhir``): see :mod:`tests.support.golden`.

``python -m tests.fhir.golden`` writes the outcomes anew; read the difference before keeping it.
``feed.json`` holds the feed's profile and the wards of a closed register.
"""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import Final

from tests.fhir.lab import normaliser
from tests.support.golden import GOLDEN, Stories, expectation, register, told, written

STORIES: Final = Stories(GOLDEN / "fhir", "fhir")
RECEIVED_AT: Final = datetime(2026, 11, 1, tzinfo=UTC)


def played(path: Path) -> str:
    """The outcome of one input of a story, as text."""
    feed = told(path.parent)
    reader = normaliser(register(feed.get("wards")), **feed.get("profile", {}))
    return written(reader.normalise(path.read_bytes(), RECEIVED_AT))


def main() -> None:
    for path in STORIES.inputs():
        expectation(path).write_text(played(path), encoding="utf-8")


if __name__ == "__main__":
    main()
