"""An export has its patients' numbers: they are described where that is kept, with what is observed."""

from __future__ import annotations

from pathlib import Path

import pytest

from adapters.elvis.handle import make_context
from adapters.elvis.settings import ElvisSettings
from schemas import topics
from schemas.patient import PatientRow
from schemas.ward import WardRegister
from tests.elvis.exports import FEED, KEYER, Row, export
from tests.elvis.player import Player

NUMBER = "20000101-2384"


@pytest.mark.parametrize("describe", [True, False])
def test_who_is_observed_is_described_by_number_where_that_is_kept(*, describe: bool) -> None:
    settings = ElvisSettings(directory=Path("inbox"))
    player = Player(
        make_context(FEED, settings, WardRegister(open_register=True), KEYER, describe=describe)
    )
    file = export(0, Row("B1", "1", "2", NUMBER, "B1", "2026-03-01 10:00"))
    handled, records = player.handle(file.payload(), file.at)
    rows = [PatientRow.model_validate_json(r.value or b"")
            for r in records if r.topic == topics.PATIENTS]  # fmt: skip
    assert [(each.number.value, each.patient, each.stamp) for each in rows] == [
        (NUMBER.replace("-", ""), each.patient.key, each.stamp)
        for each in handled.outcome.observations if describe
    ]  # fmt: skip
