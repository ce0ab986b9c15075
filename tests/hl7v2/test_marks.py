"""What designates, by a profile as it is written: fields, conditions, classes, and what takes it back."""

from __future__ import annotations

import tomllib
from datetime import UTC, datetime

import pytest
from pydantic import ValidationError

from adapters.common.outcome import InputOutcome
from adapters.common.patient_class import LIES_ON_A_WARD, TABLE_0004
from adapters.hl7v2.profile import Hl7Profile
from adapters.hl7v2.rules import in_words
from adapters.hl7v2.triggers import TRIGGERS, VisitEvent
from schemas.observation import Location, What
from schemas.ward import Ward, WardRegister
from tests.hl7v2.lab import RECEIVED_AT, message, normaliser, segment
from wardbridge.config.problems import problems_of

REGISTER = WardRegister(
    [
        Ward(id=name, name=name, hospital="N", aliases={"ehr": (name, f"{name}-ALIAS")})
        for name in ("W1", "W2", "ER")
    ]
)
A_Z_SEGMENT = """
[marks]
A08 = { fields = ["ZTR-2"], when = 'ZTR-3 = "A"', expected = ["ZTR-4"] }
A14 = ["PV1-42", "PV1-3"]
[cancels]
A08 = { fields = ["ZTR-2"], when = 'ZTR-3 = "D"' }
"""
EVENTS_THAT_MAY_CANCEL = {
    event
    for event, meaning in TRIGGERS.items()
    if isinstance(meaning, VisitEvent) and meaning.what is not What.PLAN_CANCELLED
}


def profile(text: str) -> Hl7Profile:
    return Hl7Profile.model_validate(tomllib.loads(text))


def outcome(text: str, payload: bytes) -> InputOutcome:
    return normaliser(profile(text), REGISTER).normalise(payload, RECEIVED_AT)


def marked(found: InputOutcome) -> str | None:
    """The ward that is marked; ``none`` where the mark is cleared."""
    claims = found.observations[0].claims
    if not claims.says("mark"):
        return None
    return claims.mark.ward if claims.mark else "none"


def reasons(found: InputOutcome) -> list[str]:
    return [warning.reason for warning in found.warnings]


def ztr(ward: str, action: str, *more: str) -> str:
    return segment("ZTR", {1: "1", 2: ward, 3: action} | dict(enumerate(more, 4)))


# -- conditions --------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("when", "fields", "holds"),
    [
        ('ZTR-3 = "A"', {3: "A"}, True),
        ('ZTR-3 = "A"', {3: "D"}, False),
        ('ZTR-3 = "A"', {}, False),
        ('ZTR-3="A"', {3: " A "}, True),
        ("ZTR-3 = 'A'", {3: "A"}, True),
        ("ZTR-3 = A", {3: "A"}, True),
        ('ZTR-3 = "a"', {3: "A"}, False),
        ('ZTR-3 != "D"', {3: "A"}, True),
        ('ZTR-3 != "D"', {3: "D"}, False),
        ('ZTR-3 != "D"', {}, True),
        ('ZTR-3 = "A" or "C"', {3: "C"}, True),
        ('ZTR-3 != "D" or "X"', {3: "X"}, False),
        ('ZTR-3 = ""', {}, True),
        ('ZTR-3 = ""', {3: '""'}, True),
        ('ZTR-3 = ""', {3: "A"}, False),
        ('ZTR-3.2 = "B"', {3: "A^B"}, True),
        ('ZTR-3 = "A" and ZTR-5 = "W"', {3: "A", 5: "W"}, True),
        ('ZTR-3 = "A" and ZTR-5 = "W"', {3: "A", 5: "V"}, False),
        ('PV1-2 = "I" and ZTR-3 = "A"', {3: "A"}, True),
        ('ZTR-3 = "A and B"', {3: "A and B"}, True),
    ],
)
def test_a_condition(when: str, fields: dict[int, str], *, holds: bool) -> None:
    text = f'[marks]\nA08 = {{ fields = ["ZTR-2"], when = """{when}""" }}'
    payload = message("A08", {}, segment("ZTR", {2: "W1"} | fields))
    assert marked(outcome(text, payload)) == ("W1" if holds else None)


@pytest.mark.parametrize(
    "text",
    [
        'A08 = { fields = ["ZTR-2"], when = \'ZTR-3 = "A"\' }',
        'A08 = [{ field = "ZTR-2", when = \'ZTR-3 = "A"\' }]',
        'A08.fields = ["ZTR-2"]\nA08.when = \'ZTR-3 = "A"\'',
        'A08 = { fields = [{ field = "ZTR-2", when = \'ZTR-1 = "1"\' }], when = \'ZTR-3 = "A"\' }',
    ],
)
def test_a_condition_may_stand_at_the_event_or_at_the_field(text: str) -> None:
    for action, ward in (("A", "W1"), ("D", None)):
        payload = message("A08", {}, ztr("W1", action))
        assert marked(outcome(f"[marks]\n{text}", payload)) == ward


def test_of_a_segment_that_repeats_the_one_for_which_it_holds_is_read() -> None:
    payload = message("A08", {}, ztr("W1", "D"), ztr("W2", "A", "20260116120000"))
    found = outcome(A_Z_SEGMENT, payload)
    assert marked(found) == "W2"
    assert found.observations[0].claims.expected_at == datetime(2026, 1, 16, 11, tzinfo=UTC)


def test_too_many_of_them_are_in_review() -> None:
    payload = message("A08", {}, *[ztr("W1", "X")] * 51)
    found = outcome(A_Z_SEGMENT, payload)
    assert (found.verdict.value, found.reason, found.where) == (
        "review",
        "segments-too-many",
        "ZTR",
    )


def test_the_expected_time_has_a_condition_too() -> None:
    text = """
    [marks.A08]
    fields = ["ZTR-2"]
    expected = [{ field = "ZTR-4", when = 'ZTR-5 = "E"' }, "ZTR-6"]
    """
    first, second = "20260116120000", "20260117120000"
    for kind, day in (("E", 16), ("X", 17)):
        found = outcome(text, message("A08", {}, ztr("W1", "", first, kind, second)))
        expected = found.observations[0].claims.expected_at
        assert expected is not None
        assert expected.day == day


# -- what takes it back ------------------------------------------------------------------------


def taken_back(found: InputOutcome) -> list[Location | None]:
    return [each.claims.mark for each in found.observations if each.what is What.PLAN_CANCELLED]


def test_a_segment_that_cancels_is_no_mark_and_takes_the_plan_back() -> None:
    found = outcome(A_Z_SEGMENT, message("A08", {17: "D1"}, ztr("W1", "D")))
    update, cancel = found.observations
    assert (update.what, marked(found)) == (What.UPDATED, None)
    assert (update.visit, update.patient) == (cancel.visit, cancel.patient)
    assert taken_back(found) == [Location(ward="W1")]
    assert update.id != cancel.id


def test_a_change_cancels_the_old_plan_before_it_makes_the_new_one() -> None:
    found = outcome(A_Z_SEGMENT, message("A08", {}, ztr("W1", "D"), ztr("W2", "A")))
    update, cancel = found.observations
    assert (marked(found), taken_back(found)) == ("W2", [Location(ward="W1")])
    assert cancel.sort_key() < update.sort_key()


@pytest.mark.parametrize("event", sorted(EVENTS_THAT_MAY_CANCEL))
def test_whichever_event_takes_a_plan_back_the_plan_that_it_makes_stands(event: str) -> None:
    text = f"""
    marks.{event} = {{ fields = ["PV1-42"], classes = ["*"] }}
    cancels.{event} = {{ fields = ["ZTR-2"], when = 'ZTR-3 = "D"' }}
    """
    for number in range(20):  # where ranks tie the id decides, and that is chance
        own, cancel = outcome(
            text, message(event, {19: str(number), 42: "W2"}, ztr("", "D"))
        ).observations
        assert (own.claims.mark, cancel.what) == (Location(ward="W2"), What.PLAN_CANCELLED)
        assert cancel.sort_key() < own.sort_key()


def test_a_cancel_that_names_no_ward_means_whichever_is_marked() -> None:
    assert taken_back(outcome(A_Z_SEGMENT, message("A08", {}, ztr("", "D")))) == [None]
    without = '[cancels]\nA08 = ["ZTR-2"]'
    assert taken_back(outcome(without, message("A08", {}, ztr("", "D")))) == []
    assert taken_back(outcome(without, message("A08", {}, ztr("W1", "D")))) == [Location(ward="W1")]
    assert taken_back(outcome(without, message("A08"))) == []


def test_a_cancel_of_an_unknown_ward_cancels_nothing_and_says_so() -> None:
    found = outcome(A_Z_SEGMENT, message("A08", {}, ztr("NOWHERE", "D")))
    assert (taken_back(found), reasons(found)) == ([], ["cancel-of-unknown-ward"])


@pytest.mark.parametrize("event", ["A26", "A27", "A38"])
def test_where_a_cancel_names_the_ward_has_a_condition_too(event: str) -> None:
    text = 'cancels_name = [{ field = "ZTR-2", when = \'ZTR-3 = "D"\' }, "PV2-1"]'
    pv2 = segment("PV2", {1: "W2"})
    for action, ward in (("D", "W1"), ("A", "W2")):
        found = outcome(text, message(event, {}, pv2, ztr("W1", action)))
        assert taken_back(found) == [Location(ward=ward)]


# -- two candidates ----------------------------------------------------------------------------

TWO = '[marks]\nA08 = ["PV1-42", "ZTR-2"]\nA14 = ["ZTR-2", "PV1-42", "PV1-3"]'


@pytest.mark.parametrize(
    ("event", "pv1", "z", "warned"),
    [
        ("A08", {42: "W1"}, "W2", True),
        ("A08", {42: "W1^1"}, "W1^2", False),
        ("A08", {42: "W1"}, "W1-ALIAS", False),
        ("A08", {42: "W1"}, "", False),
        ("A08", {42: "W1"}, "NOWHERE", True),
        ("A08", {42: "W1"}, "20260115", False),
        ("A14", {3: "ER", 42: "W2"}, "W1", True),
        ("A14", {3: "ER"}, "W1", False),
        ("A14", {3: "ER", 42: "W1"}, "W1", False),
    ],
)
def test_two_fields_that_disagree_are_a_warning(
    event: str, pv1: dict[int, str], z: str, *, warned: bool
) -> None:
    found = outcome(TWO, message(event, pv1, segment("ZTR", {2: z})))
    assert marked(found) == "W1"
    assert reasons(found) == (["marks-disagree"] if warned else [])


def test_so_are_two_segments_for_which_the_condition_holds() -> None:
    found = outcome(A_Z_SEGMENT, message("A08", {}, ztr("W1", "A"), ztr("W2", "A")))
    assert (marked(found), reasons(found)) == ("W1", ["marks-disagree"])
    found = outcome(A_Z_SEGMENT, message("A08", {}, ztr("W1", "A"), ztr("W1", "A")))
    assert reasons(found) == []


def test_by_default_the_place_of_a_plan_is_where_the_patient_is() -> None:
    for event in ("A05", "A14"):
        found = outcome("", message(event, {3: "ER", 42: "W1"}))
        assert (marked(found), reasons(found)) == ("W1", [])


# -- class -------------------------------------------------------------------------------------


@pytest.mark.parametrize("code", sorted(TABLE_0004))
def test_an_a05_designates_whom_can_lie_on_a_ward(code: str) -> None:
    for written in (code, code.lower(), f"{code}^x^HL70004"):
        found = outcome("", message("A05", {2: written, 3: "W1"}))
        assert marked(found) == ("W1" if code in LIES_ON_A_WARD else None)
        assert reasons(found) == []


@pytest.mark.parametrize("event", ["A14", "A15"])
@pytest.mark.parametrize("code", [*sorted(TABLE_0004), "", "DAY"])
def test_who_is_to_be_admitted_or_moved_is_designated_whatever_they_are_until_then(
    event: str, code: str
) -> None:
    found = outcome("", message(event, {2: code, 42: "W1"}))
    assert (marked(found), reasons(found)) == ("W1", [])


@pytest.mark.parametrize("code", ["", '""'])
def test_without_a_class_an_a05_designates(code: str) -> None:
    found = outcome("", message("A05", {2: code, 3: "W1"}))
    assert (marked(found), reasons(found)) == ("W1", [])


def test_with_a_class_that_nobody_knows_it_does_and_says_so() -> None:
    found = outcome("", message("A05", {2: "DAY", 3: "W1"}))
    assert (marked(found), reasons(found)) == ("W1", ["class-unknown"])
    for key, ward in (("classes", "W1"), ("not_classes", None)):
        text = f'[marks]\nA05 = {{ fields = ["PV1-3"], {key} = ["day"] }}'
        found = outcome(text, message("A05", {2: "DAY", 3: "W1"}))
        assert (marked(found), reasons(found)) == (ward, [])


def test_classes_are_the_profiles_to_say() -> None:
    text = '[marks]\nA14 = { fields = ["PV1-42"], classes = ["I"] }\n'
    text += 'A05 = { fields = ["PV1-3"], classes = ["*"], not_classes = ["R"] }'
    for event, code, ward in (
        ("A14", "I", "W1"), ("A14", "O", None), ("A14", "", "W1"),
        ("A05", "O", "W1"), ("A05", "R", None), ("A05", "DAY", "W1"),
    ):  # fmt: skip
        found = outcome(text, message(event, {2: code, 3: "W1", 42: "W1"}))
        assert (marked(found), reasons(found)) == (ward, [])


def test_the_short_form_of_a05_has_its_default_too() -> None:
    assert marked(outcome('[marks]\nA05 = ["PV1-3"]', message("A05", {2: "O", 3: "W1"}))) is None


def test_a_correction_of_an_a05_is_of_its_class() -> None:
    zbe = segment("ZBE", {1: "M1", 4: "UPDATE", 5: "N", 6: "A05"})
    assert marked(outcome("", message("Z99", {2: "O", 3: "W1"}, zbe))) is None
    assert marked(outcome("", message("Z99", {2: "I", 3: "W1"}, zbe))) == "W1"


def test_in_words() -> None:
    assert in_words(profile("").marks) == (
        "designate: A05 (class I, E, P, B, N, U or none); A14 (any class); A15 (any class)"
    )
    text = '[marks]\nA05 = { fields = ["PV1-3"], classes = ["*"], not_classes = ["R"] }'
    assert in_words(profile(text).marks) == "designate: A05 (any class but R)"
    assert in_words({}) == "no event designates"


# -- what is wrong with a profile --------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ('[marks]\nA05 = ["PV1"]', "marks.A05.fields.0.field: 'PV1' names no field: write PV1-42"),
        ("[marks]\nA05 = []", "marks.A05.fields: at least one is needed"),
        ("[marks]\nA08 = { when = 'ZTR-3 = \"A\"' }", "marks.A08.fields: this key is required"),
        ('[marks]\nA05 = { fields = ["PV1-3"], class = ["I"] }',
         'marks.A05.class: unknown key; did you mean "classes"?'),
        ('[marks]\nA05 = { fields = ["PV1-3"], classes = [""] }',
         "marks.A05.classes.0: a patient without a class designates in any case"),
        ('[marks]\nA05 = { fields = ["PV1-3"], classes = [] }', "marks.A05.classes: at least one"),
        ("[marks]\nA08 = { fields = [\"ZTR-2\"], when = 'ZTR-3 is A' }",
         "marks.A08.when: 'ZTR-3 is A' is no condition: write 'ZTR-3 = \"A\"'"),
        ("[marks]\nA08 = [{ field = \"ZTR-2\", when = 'ZTR-3 == \"A\"' }]",
         "marks.A08.fields.0.when: 'ZTR-3 == \"A\"' is no condition"),
        ('[marks]\nA31 = ["PV1-3"]', "marks.A31.[key]: 'A31' is no event of a visit"),
        ('[cancels]\nA27 = ["PV1-3"]', "cancels.A27.[key]: A27 takes a plan back anyway: say in"),
        ('cancels_name = [{ field = "PV1-3", wenn = "x" }]',
         'cancels_name.0.wenn: unknown key; did you mean "when"?'),
        ("[marks]\nA08 = 3", "marks.A08: a table is wanted here"),
    ],
)  # fmt: skip
def test_a_wrong_rule_is_told_with_what_to_write(text: str, problem: str) -> None:
    with pytest.raises(ValidationError) as wrong:
        profile(text)
    (told,) = problems_of(wrong.value, Hl7Profile)
    assert str(told).startswith(problem)
