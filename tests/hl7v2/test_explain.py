"""Where the values of a message come from: the field that was read, and the rule that chose it."""

from __future__ import annotations

import pytest

from adapters.common.origin import ValueOrigin
from adapters.hl7v2.profile import Hl7Profile
from tests.hl7v2.golden import STORIES, outcome_of
from tests.hl7v2.lab import RECEIVED_AT, message, normaliser
from tests.support.golden import names_of

MOVES = Hl7Profile(updates_move=True)
ZBE = "ZBE|Z1||20260115115900|INSERT|N|A02"


@pytest.mark.parametrize(
    ("payload", "profile", "value", "origin"),
    [
        (message("A14", {42: "W1"}), None, "claims.mark", ("PV1-42", "profile.marks")),
        (message("A14", {3: "W1"}), None, "claims.mark", ("PV1-3", "profile.marks")),
        (message("A26", {42: "W1"}), None, "claims.mark", ("PV1-42", "profile.cancels_name")),
        (message("A26", None, "PV2|W1"), None, "claims.mark", ("PV2-1", "profile.cancels_name")),
        (message("A01", {3: "W1"}), None, "claims.place", ("PV1-3", "the trigger table")),
        (message("A08", {3: "W1"}), MOVES, "claims.place", ("PV1-3", "profile.updates_move")),
        (message("Z99", {3: "W1"}, ZBE), None, "claims.place", ("PV1-3", "the trigger table")),
        (message("Z99", {3: "W1"}, ZBE.replace("|N|A02", "|N|")), None, "claims.place",
         ("PV1-3", "it tells where a movement led")),
        (message("A03", evn={6: "20260117120000"}), None, "takes_effect_at",
         ("EVN-6 in Europe/Stockholm", "profile.occurred_ahead")),
        (message("Z99", None, ZBE.replace("INSERT", "CANCEL")), None, "what",
         ("ZBE-6", "the trigger table")),
        (message("A01", {17: "D1"}), None, "claims.admitting_doctor",
         ("PV1-17", "profile.admitting_doctor")),
        (message("A01", {16: "N"}, "PD1||||||||||||Y"), None, "claims.protection",
         ("PD1-12", "profile.protection, the strictest")),
        (message("A01", msh={13: "7"}), None, "stamp.sequence", ("MSH-13", "the sender counts")),
        (message("A01"), None, "patient", ("PID-3", "there is no other number")),
        (message("A01", pid="9^^^X^AN~4711^^^LAB^MR"), None, "patient",
         ("PID-3", "profile.patient.prefer")),
        (message("A01", pid="4711^^^LAB^MR~200001012384"), None, "patient",
         ("PID-3", "profile.patient.national_first")),
    ],
)  # fmt: skip
def test_a_value_says_its_field_and_its_rule(
    payload: bytes, profile: Hl7Profile | None, value: str, origin: tuple[str, str]
) -> None:
    outcome = normaliser(profile, explain=True).normalise(payload, RECEIVED_AT)
    assert outcome.origins[0][value] == ValueOrigin(*origin)


def test_every_setting_that_a_rule_names_exists() -> None:
    explained = [outcome_of(path, explain=True) for path in STORIES.inputs()]
    assert names_of(explained, Hl7Profile) >= {"marks", "cancels_name", "visit"}
