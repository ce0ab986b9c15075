"""Every foreign ADT message has an outcome with a reason, and each reason was looked at."""

from __future__ import annotations

from collections import Counter
from typing import Final

from adapters.hl7v2.batch import split
from adapters.hl7v2.profile import Hl7Profile
from tests.hl7v2.corpora import CORPORA, messages, present
from tests.hl7v2.lab import RECEIVED_AT, normaliser

AS_IN_THE_LAB: Final = Hl7Profile(processing_ids=("P", "T", "D", ""))
WHOSE_FAULT: Final[dict[tuple[str, str], str]] = {
    ("accepted", "accepted"): "nobody's",
    ("accepted", "recorded-in-the-future"): "the message's: EVN-2 lies in 2029",
    ("accepted", "location-without-ward"): "the message's: PV1-3 has a bed or facility, no ward",
    ("accepted", "recorded-time-missing"): "the message's: neither EVN-2 nor MSH-7",
    ("ignored", "clinical-data"): "nobody's: A60",
    (
        "review",
        "person-deletion-not-read",
    ): "a person's: A29, as the FHIR feed asks for its deletion",
    ("review", "delimiters-unreadable"): "the message's: its escape sign stands twice in MSH-2",
    ("review", "merge-not-read"): "ours, for now: A18 A34 A41 A45 A47 are read later",
    ("review", "patient-ambiguous"): "the feed's profile: it must name one of several assigners",
    ("review", "patient-missing"): "the message's: PID-3 is empty",
    ("review", "visit-missing"): "the message's, or the profile's: PV1-19 is empty",
}


@present
def test_every_foreign_message_has_an_outcome_that_was_looked_at() -> None:
    found: Counter[tuple[str, str]] = Counter()
    for foreign in messages():
        if foreign.is_adt:
            outcome = normaliser(AS_IN_THE_LAB).normalise(foreign.payload, RECEIVED_AT)
            found[outcome.verdict.value, outcome.reason] += 1
    assert found.keys() == WHOSE_FAULT.keys()
    assert found.total() >= 550
    for key, count in found.most_common():
        print(f"{count:4} {' '.join(key):40} {WHOSE_FAULT[key]}")


@present
def test_batch_trailers_that_disagree_are_found() -> None:
    wrong = {
        path.name[-10:]
        for path in CORPORA.rglob("*samples.py*.hl7")
        if split(path.read_bytes()).troubles
    }
    assert wrong == {"05_A04.hl7", "06_A04.hl7"}
