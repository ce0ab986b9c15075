"""Golden stories: export files beside what is made of them.

``tests/golden/elvis/<story>/NN_name.csv`` are played in order of their numbers, each received an
hour after the number before it; ``NN_name.json`` is what came of it. A story's ``feed.json`` holds
settings other than the defaults. ``python -m tests.elvis.golden`` writes the expectations anew:
read the difference before committing it.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from adapters.common.outcome import Outcome
from adapters.elvis.settings import ElvisSettings
from schemas.observation import Observation
from schemas.ward import Ward, WardRegister
from tests.elvis.exports import context
from tests.elvis.player import Player

STORIES = Path(__file__).parent.parent / "golden" / "elvis"
RECEIVED = datetime(2026, 3, 3, tzinfo=UTC)
REGISTER = WardRegister(
    Ward(id=f"SE2321000131-E{code}", name=code, hospital="SÄS", aliases={"elvis": (code,)})
    for code in ("AKM", "B1", "B2", "S1")
)


def played(story: Path) -> Iterator[tuple[Path, dict[str, Any]]]:
    """Each expectation's path, and what now comes of its file."""
    player = Player(context(_settings(story), REGISTER))
    for path in sorted(story.glob("*.csv")):
        received_at = RECEIVED + timedelta(hours=int(path.name[:2]))
        outcome = player.play_bytes(path.read_bytes(), received_at)
        yield path.with_suffix(".json"), _shown(outcome)


def _settings(story: Path) -> ElvisSettings:
    path = story / "feed.json"
    told = json.loads(path.read_text(encoding="utf-8")) if path.exists() else {}
    return ElvisSettings(directory=Path("inbox"), **told)


def _shown(outcome: Outcome) -> dict[str, Any]:
    return {
        "outcome": outcome.verdict.value,
        "reason": outcome.reason,
        "detail": outcome.detail,
        "where": outcome.where,
        "warnings": [[one.reason, one.where, one.detail] for one in outcome.warnings],
        "observations": [_plain(one) for one in outcome.observations],
    }


def _plain(observation: Observation) -> dict[str, Any]:
    shown: dict[str, Any] = observation.model_dump(mode="json", exclude_unset=True)
    return shown


def written(shown: dict[str, Any]) -> str:
    """The expectation as it stands in its file."""
    return json.dumps(shown, ensure_ascii=False, indent=2) + "\n"


def main() -> None:
    """Write every expectation anew."""
    for story in sorted(path for path in STORIES.iterdir() if path.is_dir()):
        for path, shown in played(story):
            path.write_text(written(shown), encoding="utf-8")


if __name__ == "__main__":
    main()
