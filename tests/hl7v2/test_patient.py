"""Who a message is about, by assigner and kind and never by position; merges."""

from __future__ import annotations

import pytest

from adapters.hl7v2.profile import Hl7Profile
from schemas.identifiers import IdentifierKind
from schemas.observation import PatientIdentifier, What
from tests.hl7v2.lab import KEYER, RECEIVED_AT, message, normaliser, observed, reason, segment

# Skatteverket's published test numbers; the reserve number is DOMAIN's own example form
PERSON = "200001012384"
OTHER_PERSON = "200001022391"
RESERVE = "19810829M071"
PNR_OID = "1.2.752.129.2.1.3.1"
VGR_OID = "1.2.752.113.11.0.2.1.1.1"
NATIONAL = f"{PERSON}^^^&{PNR_OID}&ISO^NI"
LOCAL, SECOND_LOCAL = "4711^^^LAB^MR", "4712^^^LAB^MR"


def _key(kind: IdentifierKind, value: str, assigner: str | None = None) -> str:
    return KEYER.of("ehr").key(PatientIdentifier(kind=kind, value=value, assigner=assigner))


PNR_KEY = _key(IdentifierKind.PERSONNUMMER, PERSON)
LOCAL_KEY = _key(IdentifierKind.LOCAL, "4711", "LAB")


@pytest.mark.parametrize(
    ("pid_3", "key"),
    [
        (LOCAL, LOCAL_KEY),
        (NATIONAL, PNR_KEY),
        (f"{LOCAL}~{NATIONAL}", PNR_KEY),
        (f"{NATIONAL}~{LOCAL}", PNR_KEY),
        (f"{RESERVE}^^^&{VGR_OID}&ISO~{NATIONAL}", PNR_KEY),
        (f"20000101-2384^^^&{PNR_OID}&ISO", PNR_KEY),
        (PERSON, PNR_KEY),
        (f"{PERSON}~{NATIONAL}", PNR_KEY),
        (f"9^^^X^AN~{LOCAL}", LOCAL_KEY),
        (f"{LOCAL}~9^^^X^AN", LOCAL_KEY),
        (f"{LOCAL}~4712^^^LAB^MR^^20200101^20260114", LOCAL_KEY),
        (f"{LOCAL}~4712^^^LAB^MR^^^2025", LOCAL_KEY),
        (f"{LOCAL}~4712^^^LAB^MR^^20260116", LOCAL_KEY),
        (f"{LOCAL}^^20260115^20260115~4712^^^LAB^MR^^^20260114235959+0100", LOCAL_KEY),
        (f"{LOCAL}^^soon^never", LOCAL_KEY),
        (f"{LOCAL}^^^20200101", LOCAL_KEY),
        (f"{LOCAL}~{PERSON}^^^&{PNR_OID}&ISO^NI^^^20200101", LOCAL_KEY),
        (f'""~^^^LAB~{LOCAL}', LOCAL_KEY),
        ("~" * 60 + LOCAL, LOCAL_KEY),
    ],
)
def test_the_patient_is_chosen_by_kind_and_type(pid_3: str, key: str) -> None:
    assert observed(message("A02", pid=pid_3)).patient.key == key


@pytest.mark.parametrize(
    ("pid_3", "code"),
    [
        ("", "patient-missing"),
        ('""', "patient-missing"),
        (f"{LOCAL}~{SECOND_LOCAL}", "patient-ambiguous"),
        ("1^^^X^AA~2^^^Y^BB", "patient-ambiguous"),
        (f"{NATIONAL}~{OTHER_PERSON}^^^&{PNR_OID}&ISO", "patient-ambiguous"),
        ("~".join(f"{n}^^^X^MR" for n in range(51)), "patient-unreadable"),
        ("4" * 201, "patient-unreadable"),
        ("4^^^" + "X" * 201, "patient-unreadable"),
    ],
)
def test_no_patient_no_guess(pid_3: str, code: str) -> None:
    assert reason(message("A02", pid=pid_3)) == ("review", code)


def test_the_profile_chooses_among_local_numbers() -> None:
    two = message("A02", pid="1^^^A&1.2.3&ISO^MR~2^^^B^MR")
    by_oid = Hl7Profile.model_validate({"patient": {"prefer": [{"assigner": "1.2.3"}]}})
    assert observed(two, by_oid).patient.key == _key(IdentifierKind.LOCAL, "1", "1.2.3")
    by_name = Hl7Profile.model_validate({"patient": {"prefer": [{"assigner": "B", "type": "MR"}]}})
    assert observed(two, by_name).patient.key == _key(IdentifierKind.LOCAL, "2", "B")
    assert [n.value for n in observed(two, by_name).patient.identifiers] == ["1", "2"]


def test_the_profile_can_say_that_numbers_of_an_assigner_are_local() -> None:
    profile = Hl7Profile.model_validate({"patient": {"kinds": {"LAB": "local"}}})
    seen = observed(message("A02", pid=f"{PERSON}^^^LAB^MR"), profile)
    assert seen.patient.identifiers[0].kind is IdentifierKind.LOCAL


@pytest.mark.parametrize(
    ("pid_3", "code", "kind"),
    [
        (f"4711^^^&{PNR_OID}&ISO", "identifier-not-of-its-kind", IdentifierKind.LOCAL),
        (f"{RESERVE}^^^&{PNR_OID}&ISO", "identifier-of-another-kind", IdentifierKind.VGR_RESERVE),
        (
            f"19810829M070^^^&{VGR_OID}&ISO",
            "check-digit-over-12-positions",
            IdentifierKind.VGR_RESERVE,
        ),
        (f"{PERSON[2:]}^^^&{PNR_OID}&ISO", "century-missing", IdentifierKind.UNCERTAIN),
    ],
)
def test_doubtful_numbers_are_kept_and_looked_at(
    pid_3: str, code: str, kind: IdentifierKind
) -> None:
    outcome = normaliser().normalise(message("A02", pid=pid_3), RECEIVED_AT)
    assert [(w.reason, w.where) for w in outcome.warnings] == [(code, "PID-3")]
    assert outcome.observations[0].patient.identifiers[0].kind is kind


def test_ten_digits_of_a_known_other_assigner_are_its_own_business() -> None:
    seen = observed(message("A02", pid=f"{PERSON[2:]}^^^LAB^MR"))
    assert seen.patient.identifiers[0].kind is IdentifierKind.LOCAL


def test_all_numbers_of_a_message_go_along() -> None:
    seen = observed(message("A02", pid=f"{NATIONAL}~{LOCAL}~4712^^^LAB^MR^^^20200101"))
    others = {LOCAL_KEY, _key(IdentifierKind.LOCAL, "4712", "LAB")}
    assert set(seen.patient.other_keys) == others


def test_two_names_of_one_assigner_are_one_where_the_feed_says_so() -> None:
    profile = Hl7Profile.model_validate({"assigners": {"1.2.3": "LAB"}})
    for assigner in ("LAB", "LAB&1.2.3&ISO", "&1.2.3&ISO", "1.2.3"):
        seen = observed(
            message("A02", {19: f"7^^^{assigner}^VN"}, pid=f"4711^^^{assigner}^MR"), profile
        )
        assert (seen.patient.key, seen.visit) == (LOCAL_KEY, "7@LAB")


@pytest.mark.parametrize("damaged", ["2.00001E+11", "200001012384.0", "'200001012384"])
def test_what_a_spreadsheet_made_of_a_number_is_none(damaged: str) -> None:
    assert reason(message("A02", pid=f"{damaged}^^^LAB^MR")) == ("review", "patient-unreadable")
    beside = normaliser().normalise(message("A02", pid=f"{damaged}^^^X~{LOCAL}"), RECEIVED_AT)
    assert [each.reason for each in beside.warnings] == ["identifier-unreadable"]
    assert beside.observations[0].patient.key == LOCAL_KEY


def test_lost_zeros_are_noticed_where_the_assigner_gives_personnummer() -> None:
    lost = message("A02", pid=f"1012384^^^&{PNR_OID}&ISO")
    assert reason(lost) == ("review", "patient-unreadable")
    assert reason(message("A02", pid="1012384^^^LAB^MR")) == ("accepted", "accepted")


VISITS = {
    "1001": "1001",
    "1001^^^NORR^VN": "1001@NORR",
    "1001^^^NORR&1.2.752.9&ISO^VN": "1001@1.2.752.9",
    "1001^^^^VN": "1001",
    'X@1^^^"NORR"': "X%401@NORR",
    "50%": "50%25",
    "1001~1002^^^NORR": "1001",
}


@pytest.mark.parametrize("field", VISITS)
def test_a_visit_number_carries_its_assigner(field: str) -> None:
    assert observed(message("A02", {19: field})).visit == VISITS[field]


def test_the_profile_says_whose_numbers_without_an_assigner_are() -> None:
    profile = Hl7Profile.model_validate({"visit_assigner": "NORR"})
    seen = [observed(message("A02", {19: field}), profile) for field in ("1", "1^^^NORR", "1^^^X")]
    assert [each.visit for each in seen] == ["1@NORR", "1@NORR", "1@X"]
    assert seen[0].id == observed(message("A02", {19: "1"})).id
    component = Hl7Profile.model_validate({"visit": "PV1-19.1", "visit_assigner": "NORR"})
    assert observed(message("A02", {19: "1^^^X"}), component).visit == "1@NORR"


def test_a08_corrects_whose_a_visit_is_where_the_profile_says_so() -> None:
    profile = Hl7Profile.model_validate({"corrects_patient": True})
    corrects = [observed(message(event), profile).corrects_patient for event in ("A08", "A02")]
    assert corrects == [True, False]
    assert not observed(message("A08")).corrects_patient


def test_keys_hold_no_number() -> None:
    seen = observed(message("A02", pid=NATIONAL))
    assert PERSON not in seen.patient.key
    assert PERSON not in seen.id


def _merge(*more: str) -> bytes:
    return message("A40", {}, *more, pid=NATIONAL)


def test_a40_names_who_ceases_and_who_stays() -> None:
    seen = observed(_merge(segment("MRG", {1: LOCAL})))
    assert (seen.what, seen.visit) == (What.PATIENTS_MERGED, None)
    assert seen.patient.key == LOCAL_KEY
    assert seen.merged_into is not None
    assert seen.merged_into.key == PNR_KEY


def test_several_merges_in_one_message_are_several_observations() -> None:
    payload = _merge(
        segment("MRG", {1: LOCAL}),
        segment("PID", {3: "5^^^LAB^MR"}),
        segment("MRG", {1: "6^^^LAB^MR"}),
    )
    outcome = normaliser().normalise(payload, RECEIVED_AT)
    assert [o.patient.identifiers[0].value for o in outcome.observations] == ["4711", "6"]
    assert len({o.id for o in outcome.observations}) == 2


def test_a_merge_names_the_ceasing_patient_by_any_of_several_numbers() -> None:
    seen = observed(_merge(segment("MRG", {1: f"{LOCAL}~{SECOND_LOCAL}"})))
    numbers = {seen.patient.key, *seen.patient.other_keys}
    assert numbers == {LOCAL_KEY, _key(IdentifierKind.LOCAL, "4712", "LAB")}


def test_a_merge_whose_lists_share_a_number_is_about_the_others() -> None:
    seen = observed(_merge(segment("MRG", {1: f"{NATIONAL}~{LOCAL}"})))
    assert (seen.patient.key, seen.patient.other_keys) == (LOCAL_KEY, ())


@pytest.mark.parametrize(
    ("more", "expected"),
    [
        ((), ("review", "merge-unreadable")),
        ((segment("MRG", {1: ""}),), ("review", "patient-missing")),
        ((segment("MRG", {1: NATIONAL}),), ("ignored", "merge-into-itself")),
        (
            tuple(segment("MRG", {1: f"{n}^^^LAB^MR"}) for n in range(101)),
            ("review", "merge-unreadable"),
        ),
    ],
)
def test_merges_that_are_none(more: tuple[str, ...], expected: tuple[str, str]) -> None:
    assert reason(_merge(*more)) == expected
