"""Every foreign Encounter and Bundle has an outcome with a reason, and each reason was looked at."""

from __future__ import annotations

import json
import tomllib
from collections import Counter
from pathlib import Path
from typing import Final

import pytest

from adapters.common.keys import PatientKeyer
from adapters.common.outcome import InputOutcome
from router.core.facts import Fact, fact_of
from router.core.visit import folded
from schemas.encounter import Phase
from tests.fhir.converter import FHIR, WHY, differences, pairs, table
from tests.fhir.corpora import ALERTS, CONVERTER, MAPPING, found_in, present
from tests.fhir.lab import RECEIVED_AT, normaliser
from tests.wardbridge.support import configured, lab_text
from wardbridge.config.load import load
from wardbridge.ingest.kind import ReadingContext
from wardbridge.ingest.kinds import KINDS

NOTIFICATIONS: Final = """
unversioned = "receipt"

[visit]
type = ""
system = "http://example.org"

[patient]
by = "id"
"""
"""What the alerts' sender leaves to its receiver: an untyped visit number, no versions."""

WHOSE_FAULT: Final[dict[tuple[str, str, str], str]] = {
    (ALERTS.name, "accepted", "accepted"): "nobody's",
    (MAPPING.name, "review", "resource-incomplete"): "the sample's: it is marked SUBSETTED",
    (CONVERTER.name, "accepted", "accepted"): "nobody's",
    (
        CONVERTER.name,
        "accepted",
        "place-ambiguous",
    ): "the converter's: PV1-3 and PV1-42 are planned",
    (CONVERTER.name, "accepted", "location-without-ward"): "the message's: PV1-42 is a room alone",
    (CONVERTER.name, "ignored", "no-encounter"): "nobody's: merges and clinical data",
    (CONVERTER.name, "review", "method-not-read"): "nobody's: A29 asks for a deletion",
    (CONVERTER.name, "review", "patient-ambiguous"): "the converter's: identifiers of others",
    (CONVERTER.name, "review", "patient-missing"): "the converter's: an Encounter of nobody",
    (CONVERTER.name, "review", "visit-missing"): "the message's: PV1-19 is empty",
}
PROFILES: Final = {ALERTS: tomllib.loads(NOTIFICATIONS), MAPPING: {}, CONVERTER: FHIR}


def _outcomes() -> list[tuple[str, InputOutcome, int]]:
    """Folder, outcome and number of Encounters of each file."""
    found = []
    for folder, profile in PROFILES.items():
        reader = normaliser(**profile)
        for path in found_in(folder):
            payload = path.read_bytes()
            entries = json.loads(payload).get("entry", [])
            count = sum(each["resource"]["resourceType"] == "Encounter" for each in entries)
            found.append((folder.name, reader.normalise(payload, RECEIVED_AT), count))
    return found


@present
def test_every_foreign_resource_has_an_outcome_that_was_looked_at() -> None:
    inputs, encounters = Counter[tuple[str, str, str]](), Counter[tuple[str, str, str]]()
    for folder, outcome, count in _outcomes():
        key = (folder, outcome.verdict.value, outcome.reason)
        inputs[key] += 1
        encounters[key] += count
    assert inputs.keys() == WHOSE_FAULT.keys()
    assert encounters.total() >= 340
    for key, count in sorted(inputs.items()):
        print(
            f"{count:3} files {encounters[key]:4} Encounters  {' '.join(key):60} {WHOSE_FAULT[key]}"
        )


@present
def test_whoever_configures_the_alerts_has_them_all_used(tmp_path: Path) -> None:
    """By the configuration's file alone: nothing in review, each patient where the sender says."""
    (tmp_path / "alerts.toml").write_text(NOTIFICATIONS, encoding="utf-8")
    text = lab_text().replace(
        '[feeds.fhir.profile]\nunversioned = "receipt"', 'profile_file = "alerts.toml"'
    )
    installation = load(configured(tmp_path, text), tmp_path, {})
    (feed,) = (each for each in installation.feeds if each.kind == "fhir")
    register, keyer = installation.register, PatientKeyer(b"the tests' own secret")
    reading = ReadingContext(feed.identity, register, keyer, lambda: RECEIVED_AT)
    outcomes = [
        outcome
        for path in found_in(ALERTS)
        for _, outcome in KINDS[feed.kind].outcomes(reading, feed.settings, path, path.read_bytes())
    ]
    assert sum(len(each.observations) for each in outcomes) == 300
    assert not any(each.warnings for each in outcomes)


@present
def test_every_encounter_of_the_alerts_is_used_and_none_only_by_the_lean_reader() -> None:
    found = [outcome for folder, outcome, _ in _outcomes() if folder == ALERTS.name]
    assert sum(len(outcome.observations) for outcome in found) == 300
    assert [outcome.degraded for outcome in found] == [None] * len(found)
    assert not any(outcome.warnings for outcome in found)


STEPS: Final = ("admit", "transfer", "discharge")


def _step(name: str) -> Path:
    (path,) = found_in(ALERTS / "2020_09_hl7_connectathon", f"{name}_notify-100.json")
    return path


@present
@pytest.mark.parametrize("order", [(0, 1, 2), (2, 0, 1), (0, 2, 1)], ids=str)
def test_ninety_five_patients_in_three_steps_are_ninety_five_stays(order: tuple[int, ...]) -> None:
    """The versions carry no time of their own, so each step is stamped as its server would."""
    reader = normaliser(**PROFILES[ALERTS])
    visits: dict[str, list[Fact]] = {}
    for step in order:
        stamped = json.loads(_step(STEPS[step]).read_bytes())
        stamped["timestamp"] = f"2026-01-15T1{step}:00:00Z"
        outcome = reader.normalise(json.dumps(stamped).encode(), RECEIVED_AT)
        for said in outcome.observations:
            assert said.visit is not None
            visits.setdefault(said.visit, []).append(fact_of(said))
    folds = [folded(facts) for facts in visits.values()]
    assert len(visits) == 95
    assert len({fold.patient for fold in folds}) == 95
    assert {fold.phase for fold in folds} == {Phase.DISCHARGED}
    assert {fold.visit_class for fold in folds} == {"I"}
    assert not any(fold.place or fold.mark for fold in folds)


@present
def test_after_two_steps_each_patient_lies_where_the_transfer_says() -> None:
    reader = normaliser(**PROFILES[ALERTS])
    places: list[dict[str | None, str]] = []
    for step in STEPS[:2]:
        outcome = reader.normalise(_step(step).read_bytes(), RECEIVED_AT)
        places.append(
            {
                said.visit: said.claims.place.ward
                for said in outcome.observations
                if said.claims.place is not None
            }
        )
    assert [len(each) for each in places] == [95, 95]
    assert places[0] == places[1]  # from the emergency department to a bed of the same hospital


@present
def test_a_message_and_its_converted_form_differ_only_where_the_table_says_why() -> None:
    rows = table()
    assert {(row.file, row.field) for row in rows} == differences()
    assert {row.why for row in rows} == WHY.keys()
    compared = list(pairs())
    agreeing = sum(one == other for _, one, other in compared)
    print(f"{len(compared)} pairs, {agreeing} agree in all, {len(rows)} differences explained")
    assert len(compared) == 52
    assert sum(bool(one.visit and one[:2] == other[:2]) for _, one, other in compared) >= 25
