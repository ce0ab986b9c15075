"""What each event means: the table of events, ward fields, times, identity, reasons."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from adapters.common.outcome import Verdict
from adapters.hl7v2.profile import Hl7Profile
from adapters.hl7v2.triggers import TRIGGERS, Later, Unconcerned, VisitEvent
from schemas.observation import Claims, Location, Protection, Rank, What
from schemas.ward import Ward, WardRegister
from tests.hl7v2.lab import RECEIVED_AT, claimed, message, normaliser, observed, reason, segment

HERE, THERE = {3: "W1^2^A"}, {3: "W1^2^A", 42: "W2^3^B"}
W1, W2 = Location(ward="W1", room="2", bed="A"), Location(ward="W2", room="3", bed="B")

EVENTS: list[tuple[str, What, Rank, Location | None, Location | None]] = [
    # event, what, rank, place and mark of a message with PV1-3 W1 and PV1-42 W2
    ("A05", What.ADMISSION_PLANNED, Rank.PLAN, None, W2),
    ("A14", What.ADMISSION_PLANNED, Rank.PLAN, None, W2),
    ("A15", What.TRANSFER_PLANNED, Rank.PLAN, None, W2),
    ("A38", What.PLAN_CANCELLED, Rank.CANCEL, None, W2),
    ("A27", What.PLAN_CANCELLED, Rank.CANCEL, None, W2),
    ("A26", What.PLAN_CANCELLED, Rank.CANCEL, None, W2),
    ("A16", What.DISCHARGE_PLANNED, Rank.PLAN, None, None),
    ("A25", What.DISCHARGE_PLAN_CANCELLED, Rank.CANCEL, None, None),
    ("A01", What.ADMITTED, Rank.MOVEMENT, W1, None),
    ("A04", What.ADMITTED, Rank.MOVEMENT, W1, None),
    ("A06", What.ADMITTED, Rank.MOVEMENT, W1, None),
    ("A07", What.ADMITTED, Rank.MOVEMENT, W1, None),
    ("A11", What.ADMISSION_CANCELLED, Rank.CANCEL, None, None),
    ("A02", What.TRANSFERRED, Rank.MOVEMENT, W1, None),
    ("A12", What.TRANSFER_CANCELLED, Rank.CANCEL, W1, None),
    ("A03", What.DISCHARGED, Rank.DISCHARGE, None, None),
    ("A13", What.DISCHARGE_CANCELLED, Rank.CANCEL, W1, None),
    ("A09", What.DEPARTED, Rank.MOVEMENT, None, None),
    ("A10", What.TRACKED, Rank.MOVEMENT, W1, None),
    ("A32", What.TRACKING_CANCELLED, Rank.CANCEL, W1, None),
    ("A33", What.DEPARTURE_CANCELLED, Rank.CANCEL, None, None),
    ("A08", What.UPDATED, Rank.UPDATE, None, None),
    ("A54", What.UPDATED, Rank.UPDATE, None, None),
    ("A55", What.UPDATED, Rank.UPDATE, None, None),
    ("Z99", What.UPDATED, Rank.UPDATE, None, None),
]


@pytest.mark.parametrize(("event", "what", "rank", "place", "mark"), EVENTS)
def test_visit_events(
    event: str, what: What, rank: Rank, place: Location | None, mark: Location | None
) -> None:
    seen = observed(message(event, THERE))
    assert (seen.what, seen.stamp.rank, seen.trigger, seen.visit) == (what, rank, event, "V1")
    assert (seen.claims.place, seen.claims.mark) == (place, mark)
    assert seen.claims.says("place") == (place is not None)
    assert seen.claims.says("mark") == (mark is not None)


def test_the_table_above_has_every_visit_event() -> None:
    table = {event for event, meaning in TRIGGERS.items() if isinstance(meaning, VisitEvent)}
    assert {row[0] for row in EVENTS} == table


@pytest.mark.parametrize("event", [e for e, m in TRIGGERS.items() if isinstance(m, Later)])
def test_what_is_not_read_yet_goes_to_review(event: str) -> None:
    verdict, code = reason(message(event, THERE))
    assert (verdict, code.endswith("-not-read")) == ("review", True)


@pytest.mark.parametrize("event", [e for e, m in TRIGGERS.items() if isinstance(m, Unconcerned)])
def test_what_is_of_no_concern_is_ignored_with_a_reason(event: str) -> None:
    assert reason(message(event, THERE))[0] == "ignored"


@pytest.mark.parametrize("event", ["A28", "A31"])
def test_person_data_is_about_the_patient_alone(event: str) -> None:
    seen = observed(message(event, THERE, segment("PD1", {12: "Y"})))
    assert (seen.what, seen.visit) == (What.PERSON_UPDATED, None)
    assert seen.claims == Claims(protection=Protection.CONFIDENTIAL)


# which field holds the ward


@pytest.mark.parametrize(
    ("event", "pv1", "mark"),
    [
        ("A05", HERE, W1),
        ("A05", {}, None),
        ("A14", HERE, W1),
        ("A14", {3: "W1^2^A", 42: "^^"}, W1),
        ("A15", {42: "W2"}, Location(ward="W2")),
        (
            "A15",
            {42: "&SE2321000131-E000000000001&ISO"},
            Location(ward="SE2321000131-E000000000001"),
        ),
        ("A01", {42: "W2"}, None),
    ],
)
def test_marked_ward(event: str, pv1: dict[int, str], mark: Location | None) -> None:
    assert claimed(message(event, pv1)).mark == mark


@pytest.mark.parametrize(
    ("event", "pv1"),
    [
        ("A15", HERE),
        ("A14", {}),
        ("A15", {42: '""'}),
        ("A14", {3: '""'}),
        ("A14", {42: '""^""'}),
        ("A14", {42: "^^^FAC"}),
        ("A14", {3: '""', 42: "20210330"}),
        ("A14", {3: "W1", 42: '""'}),
        ("A14", {42: "~W1"}),
        ("A15", {42: "20210330"}),
    ],
)
def test_a_plan_that_names_no_ward_waits_for_a_person(event: str, pv1: dict[int, str]) -> None:
    assert reason(message(event, pv1)) == ("review", "plan-without-ward")


@pytest.mark.parametrize(
    ("pv1", "pv2", "named"),
    [
        ({3: "W1", 42: "W2"}, "W3", "W2"),
        ({3: "W1"}, "W3", "W3"),
        ({3: "W1"}, "", None),
        ({3: "W1", 42: '""'}, "", None),
    ],
)
@pytest.mark.parametrize("event", ["A26", "A27", "A38"])
def test_cancelled_ward(event: str, pv1: dict[int, str], pv2: str, named: str | None) -> None:
    claims = claimed(message(event, pv1, segment("PV2", {1: pv2})))
    assert (claims.mark and claims.mark.ward) == named
    assert claims.says("mark") == (named is not None)


@pytest.mark.parametrize("passed", ["^^^FAC", "^2^A", "20210330", "202103301015+0100"])
@pytest.mark.parametrize(
    ("event", "pv1", "pv2", "mark"),
    [
        ("A14", {3: "W1^2^A"}, "", W1),
        ("A05", {3: "W1^2^A"}, "", W1),
        ("A27", {3: "W1^2^A"}, "W3", Location(ward="W3")),
        ("A27", {3: "W1^2^A"}, "", None),
    ],
)
def test_a_field_that_names_no_ward_leaves_it_to_the_next(
    passed: str, event: str, pv1: dict[int, str], pv2: str, mark: Location | None
) -> None:
    payload = message(event, {**pv1, 42: passed}, segment("PV2", {1: pv2}))
    outcome = normaliser().normalise(payload, RECEIVED_AT)
    assert outcome.observations[0].claims.mark == mark
    assert [warning.where for warning in outcome.warnings] == ["PV1-42"]


CLOSED = WardRegister([Ward(id="M51", name="M51", hospital="N", aliases={"ehr": ("W51",)})])


def _closed(payload: bytes) -> tuple[str, str, list[str | None], Claims | None]:
    outcome = normaliser(wards=CLOSED).normalise(payload, RECEIVED_AT)
    claims = outcome.observations[0].claims if outcome.observations else None
    return outcome.verdict.value, outcome.reason, [w.where for w in outcome.warnings], claims


def test_wards_are_resolved_by_the_register_alone() -> None:
    verdict, _, _, claims = _closed(message("A15", {42: " w51 ^7"}))
    assert (verdict, claims and claims.mark) == ("accepted", Location(ward="M51", room="7"))


def test_an_unknown_ward_is_absent_and_in_review_beside_the_rest() -> None:
    verdict, code, where, claims = _closed(message("A15", {17: "D1", 42: "W9"}))
    assert (verdict, code, where) == ("accepted", "ward-unknown", ["PV1-42"])
    assert claims == Claims(visit_class="I", admitting_doctor="D1")


def test_a_cancel_of_an_unknown_ward_cancels_nothing_else() -> None:
    verdict, code, _, claims = _closed(message("A27", {42: "W9"}))
    assert (verdict, code, claims) == ("review", "cancel-of-unknown-ward", None)


@pytest.mark.parametrize("date", ["20210330", "20210330101500", "202103301015+0100"])
def test_a_date_where_a_ward_should_be_is_no_ward(date: str) -> None:
    outcome = normaliser().normalise(message("A05", {42: date}), RECEIVED_AT)
    assert (outcome.reason, outcome.warnings[0].where) == ("location-is-a-time", "PV1-42")
    assert not outcome.observations[0].claims.says("mark")


def test_a_place_without_ward_is_absent() -> None:
    assert reason(message("A02", {3: "^2^A"})) == ("accepted", "location-without-ward")


def test_null_clears_and_empty_says_nothing() -> None:
    assert claimed(message("A02", {2: "", 3: '""', 17: '""'})) == Claims(
        place=None, admitting_doctor=None
    )
    cleared = claimed(message("A02", {2: "", 3: '""', 17: '""'}))
    assert cleared.model_fields_set == {"place", "admitting_doctor"}
    assert claimed(message("A02", {2: ""})).model_fields_set == set()


# the profile


def test_each_candidate_for_a_mark_can_be_switched() -> None:
    profile = Hl7Profile(marks={"A08": ("PV1-42",), "A01": ("ZVG-2.1",), "A14": ("PV1-3",)})
    assert claimed(message("A08", {42: "W2^3^B"}), profile).mark == W2
    assert claimed(message("A08", {42: '""'}), profile).model_fields_set >= {"mark"}
    by_z = message("A01", {}, segment("ZVG", {2: "W7^x"}))
    assert claimed(by_z, profile).mark == Location(ward="W7")
    assert claimed(message("A14", THERE), profile).mark == W1
    assert not claimed(message("A15", THERE), profile).says("mark")


def test_updates_move_only_where_the_feed_says_so() -> None:
    assert claimed(message("A08", HERE), Hl7Profile(updates_move=True)).place == W1


def test_location_layout() -> None:
    profile = Hl7Profile.model_validate({"location": {"ward": 4, "room": None, "bed": 1}})
    assert claimed(message("A02", {3: "7^x^y^W1"}), profile).place == Location(ward="W1", bed="7")


def test_one_visit_key_per_feed_and_never_a_fallback() -> None:
    by_account = Hl7Profile(visit="PID-18")
    assert reason(message("A02", HERE), by_account) == ("review", "visit-missing")
    assert reason(message("A02", {19: ""})) == ("review", "visit-missing")
    assert reason(message("A02", {19: "x" * 300})) == ("review", "visit-unreadable")


@pytest.mark.parametrize(
    "wrong",
    [
        {"marks": {"A15": ("PV1",)}},
        {"marks": {"a15": ("PV1-42",)}},
        {"marks": {"A31": ("PV1-42",)}},
        {"zone": "Europe/Atlantis"},
        {"charset": "latin-99"},
        {"visitt": "PV1-19"},
        {"future_s": 7_200},
    ],
)
def test_a_wrong_profile_is_refused(wrong: dict[str, object]) -> None:
    with pytest.raises(ValueError, match="validation error"):
        Hl7Profile.model_validate(wrong)


# times and order


@pytest.mark.parametrize(
    ("event", "evn", "pv2", "field", "hour"),
    [
        ("A15", {3: "20260115140000"}, {}, "expected_at", 13),
        ("A14", {}, {8: "20260115150000"}, "expected_at", 14),
        ("A14", {3: "20260115140000"}, {8: "20260115150000"}, "expected_at", 13),
        ("A15", {}, {8: "20260115150000"}, "expected_at", None),
        ("A16", {3: "20260115140000"}, {9: "20260115160000"}, "planned_discharge_at", 15),
        ("A16", {3: "20260115140000"}, {}, "planned_discharge_at", 13),
        ("A01", {}, {9: "20260115160000"}, "planned_discharge_at", 15),
    ],
)
def test_planned_times(
    event: str, evn: dict[int, str], pv2: dict[int, str], field: str, hour: int | None
) -> None:
    claims = claimed(message(event, THERE, segment("PV2", pv2), evn=evn))
    expected = None if hour is None else datetime(2026, 1, 15, hour, tzinfo=UTC)
    assert getattr(claims, field) == expected
    assert claims.says(field) == (hour is not None)


def test_recorded_and_occurred() -> None:
    seen = observed(message("A02", HERE, evn={2: "20260115115900+0100", 6: "202601151130"}))
    assert (seen.recorded_at, seen.recorded_rule) == (
        datetime(2026, 1, 15, 10, 59, tzinfo=UTC), "EVN-2 with offset",
    )  # fmt: skip
    assert seen.occurred_at == datetime(2026, 1, 15, 10, 30, tzinfo=UTC)
    assert seen.occurred_rule == "EVN-6 in Europe/Stockholm"
    assert seen.stamp.at == seen.recorded_at


def test_without_evn_2_the_message_time_is_the_recorded_time() -> None:
    seen = observed(message("A02", HERE, evn={2: ""}))
    assert (seen.recorded_at.hour, seen.recorded_rule) == (11, "MSH-7 in Europe/Stockholm")


def test_without_any_time_the_receipt_is_and_a_warning_says_so() -> None:
    outcome = normaliser().normalise(message("A02", evn={2: ""}, msh={7: ""}), RECEIVED_AT)
    assert outcome.reason == "recorded-time-missing"
    assert (outcome.observations[0].recorded_at, outcome.observations[0].recorded_rule) == (
        RECEIVED_AT, "receipt",
    )  # fmt: skip


def test_a_clock_far_ahead_is_stamped_by_receipt_and_keeps_its_id() -> None:
    ahead = message("A02", evn={2: "20260115140000+0000"})
    outcome = normaliser().normalise(ahead, RECEIVED_AT)
    (seen,) = outcome.observations
    assert (outcome.reason, seen.stamp.at) == ("recorded-in-the-future", RECEIVED_AT)
    assert seen.recorded_at == RECEIVED_AT + timedelta(hours=2)
    assert observed(message("A02", evn={2: "20260115120459+0000"})).stamp.at > RECEIVED_AT
    later = normaliser().normalise(ahead, RECEIVED_AT + timedelta(days=1)).observations[0]
    assert later.id == seen.id


@pytest.mark.parametrize(
    ("msh", "sequence"),
    [({13: "17"}, 17), ({7: "19700101010000+0100"}, 0), ({7: "19700101000001+0000"}, 1_000_000)],
)
def test_sequence(msh: dict[int, str], sequence: int) -> None:
    assert observed(message("A02", HERE, msh=msh)).stamp.sequence == sequence


def test_an_unreadable_time_is_absent_with_a_warning() -> None:
    outcome = normaliser().normalise(message("A15", THERE, evn={3: "tomorrow"}), RECEIVED_AT)
    assert [(w.reason, w.where) for w in outcome.warnings] == [("time-unreadable", "EVN-3")]
    assert not outcome.observations[0].claims.says("expected_at")


LONG = "x" * 201


@pytest.mark.parametrize(
    ("payload", "where"),
    [
        (message("A02", {3: f"W1^{LONG}"}), "PV1-3"),
        (message("A02", {17: LONG}), "PV1-17"),
        (message("A02", {2: LONG}), "PV1-2"),
        (message("A02", {}, segment("ZBE", {1: LONG})), "ZBE-1"),
    ],
)
def test_no_text_leaves_that_is_longer_than_any_code(payload: bytes, where: str) -> None:
    outcome = normaliser().normalise(payload, RECEIVED_AT)
    assert [(w.reason, w.where) for w in outcome.warnings] == [("text-too-long", where)]
    assert LONG not in outcome.observations[0].model_dump_json()


def test_a_ward_code_longer_than_any_is_unknown_in_an_open_register_too() -> None:
    assert reason(message("A15", {42: LONG})) == ("accepted", "ward-unknown")


# movements (IHE PAM)


@pytest.mark.parametrize(
    "fields",
    [
        {1: "M7", 4: "UPDATE", 5: "N", 6: "A02", 7: "Klin^^^^^^^^^W9"},
        {1: "M7", 5: "UPDATE", 6: "N", 7: "A02", 8: "Klin^^^^^^^^^W9"},
        {1: "M7", 3: "UPDATE", 4: "N", 5: "A02", 6: "W9"},
    ],
    ids=["as specified", "shifted right", "shifted left"],
)
def test_movement(fields: dict[int, str]) -> None:
    seen = observed(message("Z99", HERE, segment("ZBE", fields)))
    assert seen.movement is not None
    assert seen.movement.model_dump() == {
        "id": "M7", "action": "update", "historic": False, "original_event": "A02",
    }  # fmt: skip
    assert (seen.claims.responsible_ward, seen.claims.place) == ("W9", W1)


@pytest.mark.parametrize("event", ["A02", "A08", "Z99"])
def test_a_historic_movement_says_where_it_led_and_when(event: str) -> None:
    zbe = segment("ZBE", {1: "M7", 2: "20260115093000", 4: "INSERT", 5: "Y"})
    seen = observed(message(event, HERE, zbe, evn={6: "20260115120000"}))
    assert seen.movement is not None
    assert (seen.movement.historic, seen.claims.place) == (True, W1)
    assert seen.occurred_at == datetime(2026, 1, 15, 8, 30, tzinfo=UTC)


def test_an_update_of_what_is_so_now_moves_nobody() -> None:
    zbe = segment("ZBE", {1: "M7", 4: "UPDATE", 5: "N"})
    assert not claimed(message("A08", HERE, zbe)).says("place")


@pytest.mark.parametrize(
    ("event", "what"),
    [
        ("A01", What.ADMISSION_CANCELLED),
        ("A02", What.TRANSFER_CANCELLED),
        ("A03", What.DISCHARGE_CANCELLED),
        ("A04", What.ADMISSION_CANCELLED),
        ("A14", What.PLAN_CANCELLED),
        ("A09", What.DEPARTURE_CANCELLED),
        ("A10", What.TRACKING_CANCELLED),
    ],
)
def test_an_event_that_zbe_4_cancels_is_its_own_cancel(event: str, what: What) -> None:
    seen = observed(message(event, THERE, segment("ZBE", {1: "M7", 4: "CANCEL"})))
    assert (seen.what, seen.trigger, seen.stamp.rank) == (what, event, Rank.CANCEL)
    # where it had led, not where the patient is
    assert not {"place", "temporary_place"} & seen.claims.model_fields_set


def test_a_cancel_that_says_so_in_zbe_4_too_is_itself() -> None:
    seen = observed(message("A12", HERE, segment("ZBE", {1: "M7", 4: "CANCEL", 6: "A02"})))
    assert (seen.what, seen.claims.place) == (What.TRANSFER_CANCELLED, W1)
    historic = segment("ZBE", {1: "M7", 4: "CANCEL", 5: "Y", 6: "A02"})
    assert not claimed(message("A12", HERE, historic)).says("place")


@pytest.mark.parametrize("place", ["nowhere^2", "^2^A", "20260115"])
@pytest.mark.parametrize("event", ["A01", "A02", "A10", "A12", "Z99"])
def test_a_place_that_cannot_be_read_is_absent_and_named(event: str, place: str) -> None:
    zbe = segment("ZBE", {1: "M7", 4: "CANCEL" if event == "A12" else "UPDATE"})
    payload = message(event, {3: place}, zbe)
    (seen,) = normaliser(wards=CLOSED).normalise(payload, RECEIVED_AT).observations
    assert (seen.claims.says("place"), seen.unread) == (False, ("place",))


def test_what_is_read_or_not_said_is_not_named_as_unread() -> None:
    assert not {"unread"} & observed(message("A02", HERE)).model_fields_set
    assert not {"unread"} & observed(message("A02", {})).model_fields_set


# protection, doctor, class


@pytest.mark.parametrize(
    ("pd1", "pv1", "pv2", "protection"),
    [
        ("", "", "", None),
        ("Y", "", "", Protection.CONFIDENTIAL),
        ("N", "", "", Protection.NONE),
        ("N", "", "Y", Protection.CONFIDENTIAL),
        ("N", "VIP", "Y", Protection.UNKNOWN),
        ('""', "", "", Protection.NONE),
    ],
)
def test_the_strictest_protection_counts(
    pd1: str, pv1: str, pv2: str, protection: Protection | None
) -> None:
    more = (segment("PD1", {12: pd1}), segment("PV2", {22: pv2}))
    claims = claimed(message("A26", {16: pv1}, *more))
    assert claims.protection is protection
    assert claims.says("protection") == (protection is not None)


def test_admitting_doctor_is_an_identifier_never_a_name() -> None:
    assert claimed(message("A15", {**THERE, 17: "HSA1^Name^First"})).admitting_doctor == "HSA1"
    assert not claimed(message("A15", {**THERE, 17: "^Name^First"})).says("admitting_doctor")


# the event and the identity


def test_an_event_in_small_letters_is_that_event() -> None:
    seen = observed(message("A15", THERE).replace(b"ADT^A15", b"adt^a15"))
    assert (seen.what, seen.trigger) == (What.TRANSFER_PLANNED, "A15")


def test_a_component_that_says_nothing_clears_nothing() -> None:
    profile = Hl7Profile(marks={"A08": ("ZVG-3.1", "PV1-42")})
    assert not claimed(message("A08", HERE, segment("ZVG", {3: "^x"})), profile).says("mark")
    assert claimed(message("A08", THERE, segment("ZVG", {3: "^x"})), profile).mark == W2


def test_msh_9_names_the_event_whatever_evn_1_says() -> None:
    assert observed(message("A15", THERE, evn={1: "A01"})).what is What.TRANSFER_PLANNED
    odd = message("A15^ADT_Z42", THERE)
    assert observed(odd).what is What.TRANSFER_PLANNED


@pytest.mark.parametrize(
    ("msh_9", "expected"),
    [
        ("ADT^A98", ("review", "trigger-unknown")),
        ("ADT", ("review", "trigger-missing")),
        ("", ("review", "trigger-missing")),
        ("ORU^R01", ("ignored", "not-adt")),
        ("adt^a98", ("review", "trigger-unknown")),
    ],
)
def test_unknown_events(msh_9: str, expected: tuple[str, str]) -> None:
    assert reason(message("A01", HERE, msh={9: msh_9})) == expected


@pytest.mark.parametrize(
    ("msh_11", "taken", "expected"),
    [
        ("P", None, "accepted"),
        ("", None, "accepted"),
        ("P^T", None, "accepted"),
        ("T", None, "not-production"),
        ("D", None, "not-production"),
        ("X", None, "not-production"),
        ("T", ("P", "T"), "accepted"),
        ("P", ("T",), "not-production"),
    ],
)
def test_what_is_sent_as_a_test_tells_no_ward(
    msh_11: str, taken: tuple[str, ...] | None, expected: str
) -> None:
    profile = Hl7Profile.model_validate({} if taken is None else {"processing_ids": taken})
    sent = message("A14", THERE, msh={11: msh_11})
    verdict = "accepted" if expected == "accepted" else "review"
    assert reason(sent, profile) == (verdict, expected)


def test_the_same_statement_is_the_same_observation() -> None:
    first = observed(message("A15", THERE))
    again = message("A15", THERE, msh={7: "20260115120500", 10: "C2"}).replace(b"\r", b"\r\n")
    assert observed(again).id == first.id
    for other in (
        message("A14", THERE),
        message("A15", {**THERE, 19: "V2"}),
        message("A15", THERE, evn={2: "20260115115901"}),
        message("A15", {**THERE, 44: "x"}),
    ):
        assert observed(other).id != first.id


def test_without_evn_2_two_statements_in_two_messages_are_two() -> None:
    first = message("A02", HERE, evn={2: ""})
    later = message("A02", HERE, evn={2: ""}, msh={7: "20260115120100"})
    assert observed(first).id != observed(later).id


def test_normalising_again_with_another_profile_keeps_the_id() -> None:
    first = observed(message("A15", THERE))
    assert observed(message("A15", THERE), Hl7Profile(marks={}, zone="UTC")).id == first.id


def test_no_detail_repeats_what_was_sent() -> None:
    private = "Hemlig"
    for payload in (
        message("A15", {42: ""}, pid=f"{private}^^^LAB^MR"),
        message(private, THERE),
        message("A15", {**THERE, 19: ""}, pid=private),
        message("A27", {42: private}),
    ):
        outcome = normaliser(wards=CLOSED).normalise(payload, RECEIVED_AT)
        assert outcome.verdict is Verdict.REVIEW
        assert private not in f"{outcome.detail}{outcome.where}{outcome.warnings}"


# total

_FIELD = st.sampled_from(["", '""', "W1", "^", "~", "&", "\\", "\\X\\", "20260115", "Ö", "x" * 300])
_LINES = st.lists(
    st.tuples(
        st.sampled_from(["EVN", "PID", "PV1", "PV2", "ZBE", "MRG", "PD1", "ZZZ", ""]),
        st.lists(_FIELD, max_size=46),
    ).map(lambda line: "|".join((line[0], *line[1]))),
    max_size=8,
)


@given(st.sampled_from(sorted(TRIGGERS)), _LINES)
def test_any_fields_give_an_outcome_with_a_reason(event: str, lines: list[str]) -> None:
    payload = "\r".join((f"MSH|^~\\&|a|b|||||ADT^{event}|1", *lines)).encode()
    outcome = normaliser().normalise(payload, RECEIVED_AT)
    assert outcome.reason
    assert bool(outcome.observations) == (outcome.verdict is Verdict.ACCEPTED)


@given(st.binary(max_size=300))
def test_any_bytes_give_an_outcome_with_a_reason(payload: bytes) -> None:
    assert normaliser().normalise(payload, RECEIVED_AT).reason
