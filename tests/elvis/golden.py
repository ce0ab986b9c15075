"""Golden stories of exports (``*.csv``): see :mod:`tests.support.golden`.

A story's exports are read one after the other, each an hour after the one before; ``feed.json``
holds settings other than the defaults. ``python -m tests.elvis.golden`` writes the expectations
anew: read the difference before keeping it.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Final

from adapters.elvis.settings import ElvisSettings
from schemas.ward import Ward, WardRegister
from tests.elvis.exports import context
from tests.elvis.player import Player
from tests.support.golden import GOLDEN, Stories, expectation, told, written

STORIES: Final = Stories(GOLDEN / "elvis", "csv")
RECEIVED: Final = datetime(2026, 3, 3, tzinfo=UTC)
REGISTER: Final = WardRegister(
    Ward(id=f"SE2321000131-E{code}", name=code, hospital="SÄS", aliases={"elvis": (code,)})
    for code in ("AKM", "B1", "B2", "S1")
)


def played(story: str) -> Iterator[tuple[Path, str]]:
    """Each export of a story, and the outcome of it as text."""
    settings = ElvisSettings(directory=Path("inbox"), **told(STORIES.folder / story))
    player = Player(context(settings, REGISTER))
    for hours, path in enumerate(STORIES.inputs(story), 1):
        outcome = player.play_bytes(path.read_bytes(), RECEIVED + timedelta(hours=hours))
        yield path, written(outcome)


def main() -> None:
    """Write every expectation anew."""
    for story in STORIES.names():
        for path, text in played(story):
            expectation(path).write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main()
