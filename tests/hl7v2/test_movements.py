"""What ZBE makes of a message (IHE PAM): every action, on every event, of every original event."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

import pytest

from adapters.common.outcome import Verdict
from adapters.hl7v2.profile import Hl7Profile
from adapters.hl7v2.triggers import CANCELS, TRIGGERS, UPDATES, Later, Unconcerned, VisitEvent
from schemas.observation import Location, Movement, Observation, Rank, What
from tests.hl7v2.lab import RECEIVED_AT, claimed, message, normaliser, reason, segment

W1, W2 = Location(ward="W1"), Location(ward="W2")
THERE = {3: "W1", 42: "W2"}
EVENTS = [event for event, meaning in TRIGGERS.items() if isinstance(meaning, VisitEvent)]
MOVEMENTS = [event for event in EVENTS if event not in UPDATES and event != "Z99"]
ORIGINALS = [e for e in MOVEMENTS if TRIGGERS[e].rank is not Rank.CANCEL]  # type: ignore[union-attr]
WITHOUT_CANCEL = [event for event in ORIGINALS if event not in CANCELS]


def zbe(action: str = "", original: str = "", *, number: str = "M7", historic: str = "N") -> str:
    return segment("ZBE", {1: number, 2: "20260115093000", 4: action, 5: historic, 6: original})


def seen(event: str, *more: str, pv1: dict[int, str] | None = None) -> Observation:
    payload = message(event, THERE if pv1 is None else pv1, *more)
    (observation,) = normaliser().normalise(payload, RECEIVED_AT).observations
    return observation


def outcome(event: str, *more: str) -> tuple[str, list[str]]:
    found = normaliser().normalise(message(event, THERE, *more), RECEIVED_AT)
    return found.verdict.value, [warning.reason for warning in found.warnings] or [found.reason]


@pytest.mark.parametrize("event", ["Z99", *sorted(UPDATES)])
@pytest.mark.parametrize("original", MOVEMENTS)
def test_an_update_means_the_event_in_zbe_6(event: str, original: str) -> None:
    plain, corrects = seen(original), seen(event, zbe("UPDATE", original))
    assert (corrects.what, corrects.claims) == (plain.what, plain.claims)
    assert (corrects.trigger, corrects.stamp.rank) == (event, plain.stamp.rank)
    assert corrects.movement == Movement(id="M7", action="update", original_event=original)


@pytest.mark.parametrize("original", MOVEMENTS)
def test_a_z99_of_an_event_that_nobody_had_told_of_is_that_event(original: str) -> None:
    assert seen("Z99", zbe("INSERT", original)).what is seen(original).what
    assert seen("Z99", zbe("", original)).movement == Movement(
        id="M7", action="update", original_event=original
    )


@pytest.mark.parametrize("event", ["Z99", *sorted(UPDATES)])
@pytest.mark.parametrize("original", sorted(CANCELS))
def test_a_cancel_is_that_of_the_event_in_zbe_6(event: str, original: str) -> None:
    cancel, struck = seen(CANCELS[original]), seen(event, zbe("CANCEL", original))
    assert (struck.what, struck.stamp.rank) == (cancel.what, Rank.CANCEL)


@pytest.mark.parametrize("event", sorted(CANCELS))
def test_an_event_that_is_cancelled_is_its_own_cancel(event: str) -> None:
    struck = seen(event, zbe("CANCEL"))
    assert struck.what is seen(CANCELS[event]).what
    assert struck.claims.place is None


@pytest.mark.parametrize("event", WITHOUT_CANCEL)
def test_an_event_without_a_cancel_is_struck_by_its_movement(event: str) -> None:
    for struck in (seen(event, zbe("CANCEL")), seen("Z99", zbe("CANCEL", event))):
        assert (struck.what, struck.stamp.rank) == (What.UPDATED, Rank.CANCEL)
        assert struck.movement is not None
        assert struck.movement.action == "cancel"
        assert not struck.claims.model_fields_set
    nameless = zbe("CANCEL", number="")
    assert reason(message(event, THERE, nameless)) == ("review", "cancel-without-event")


@pytest.mark.parametrize("event", [e for e in MOVEMENTS if e not in ORIGINALS])
@pytest.mark.parametrize("action", ["INSERT", "UPDATE", "CANCEL", ""])
def test_a_cancel_stays_one(event: str, action: str) -> None:
    assert seen(event, zbe(action, "A02")).what is seen(event).what


@pytest.mark.parametrize("event", ORIGINALS)
def test_an_update_under_its_own_event_tells_it_again(event: str) -> None:
    for original in ("", event):
        again = seen(event, zbe("UPDATE", original))
        assert again.what is seen(event).what
        assert again.movement is not None
        assert again.movement.action == "update"


def test_an_update_of_another_event_than_its_own_means_that_one_and_says_so() -> None:
    assert seen("A02", zbe("UPDATE", "A15")).what is What.TRANSFER_PLANNED
    assert outcome("A02", zbe("UPDATE", "A15")) == ("accepted", ["historic-event-differs"])
    assert outcome("A01", zbe("UPDATE", "A06")) == ("accepted", ["accepted"])  # both admit


@pytest.mark.parametrize("original", ["A99", "A31", "A40", "R01", "N"])
def test_an_original_event_that_cannot_be_read_is_in_review(original: str) -> None:
    for action in ("UPDATE", "INSERT", ""):
        assert outcome("Z99", zbe(action, original)) == ("review", ["historic-event-unreadable"])
    assert outcome("Z99", zbe("CANCEL", original)) == ("review", ["historic-cancel-unreadable"])


@pytest.mark.parametrize("event", ["A02", "A08", "A14"])
def test_beside_an_event_of_its_own_it_is_a_warning(event: str) -> None:
    assert outcome(event, zbe("UPDATE", "A99")) == ("accepted", ["historic-event-unreadable"])
    assert seen(event, zbe("UPDATE", "A99")).what is seen(event).what


@pytest.mark.parametrize("original", [e for e, m in TRIGGERS.items() if isinstance(m, Later)])
def test_a_correction_of_what_is_not_read_yet_is_in_review(original: str) -> None:
    verdict, reasons = outcome("Z99", zbe("UPDATE", original))
    assert (verdict, reasons[0].endswith("-not-read")) == ("review", True)


@pytest.mark.parametrize("original", [e for e, m in TRIGGERS.items() if isinstance(m, Unconcerned)])
def test_a_correction_of_what_is_of_no_concern_is_none_either(original: str) -> None:
    assert outcome("Z99", zbe("UPDATE", original))[0] == "ignored"


def test_the_original_event_may_be_written_as_in_msh_9() -> None:
    assert seen("Z99", zbe("UPDATE", "ADT^A05")).what is What.ADMISSION_PLANNED
    assert seen("Z99", zbe("UPDATE", "a05")).what is What.ADMISSION_PLANNED


# without ZBE-6


@pytest.mark.parametrize("action", ["UPDATE", ""])
def test_without_it_a_z99_corrects_whatever_has_the_movement(action: str) -> None:
    corrects = seen("Z99", zbe(action))
    assert corrects.what is What.CORRECTED
    assert (corrects.claims.place, corrects.claims.mark) == (W1, W2)


OF_PLANS: Final[Mapping[str, tuple[dict[str, Any], str | None]]] = {
    "the default": ({}, "W2"),
    "one field of our own": ({"marks": {"A15": ["ZTR-2"]}}, "W3"),
    "the same of all plans": ({"marks": {"A15": ["ZTR-2"], "A14": ["ZTR-2", "PV1-3"]}}, "W3"),
    "PV1-3 alone": ({"marks": {"A14": ["PV1-3"]}}, None),
    "no plan designates": ({"marks": {"A08": ["PV1-42"]}}, None),
    "under a condition": ({"marks": {"A15": {"fields": ["ZTR-2"], "when": 'ZTR-3 = "A"'}}}, "W3"),
    "under another": ({"marks": {"A15": {"fields": ["ZTR-2"], "when": 'ZTR-3 = "D"'}}}, None),
}


@pytest.mark.parametrize("case", OF_PLANS)
def test_without_it_the_mark_stands_where_the_feeds_plans_have_it(case: str) -> None:
    settings, expected = OF_PLANS[case]
    profile = Hl7Profile.model_validate(settings)
    payload = message("Z99", THERE, zbe("UPDATE"), segment("ZTR", {2: "W3", 3: "A"}))
    claims = claimed(payload, profile)
    assert (claims.mark.ward if claims.mark else None) == expected


def test_without_it_and_with_plans_that_differ_the_mark_is_not_guessed() -> None:
    profile = Hl7Profile.model_validate({"marks": {"A14": ["PV1-42"], "A15": ["ZTR-2"]}})
    payload = message("Z99", THERE, zbe("UPDATE"), segment("ZTR", {2: "W3"}))
    found = normaliser(profile).normalise(payload, RECEIVED_AT)
    assert not found.observations[0].claims.says("mark")
    (trouble,) = found.warnings
    assert (trouble.reason, trouble.where, trouble.mark_unread) == (
        "historic-event-unreadable",
        "ZBE-6",
        True,
    )


def test_without_it_a_cancel_strikes_whatever_has_the_movement() -> None:
    struck = seen("Z99", zbe("CANCEL"))
    assert (struck.what, struck.claims.model_fields_set) == (What.UPDATED, set())
    nameless = zbe("CANCEL", number="")
    assert reason(message("Z99", THERE, nameless)) == ("review", "historic-cancel-unreadable")


def test_without_it_an_insert_is_a_movement_of_some_kind() -> None:
    moved = seen("Z99", zbe("INSERT"))
    assert (moved.what, moved.claims.place) == (What.UPDATED, W1)


@pytest.mark.parametrize("more", [(), (segment("ZBE", {}),), (zbe("UPDATE", number=""),)])
def test_without_anything_a_z99_is_no_more_than_an_a08(more: tuple[str, ...]) -> None:
    assert seen("Z99", *more).claims == seen("A08").claims


@pytest.mark.parametrize("event", sorted(UPDATES))
def test_an_update_of_now_that_names_a_movement_stays_one(event: str) -> None:
    now = seen(event, zbe("UPDATE"))
    assert (now.what, now.claims) == (What.UPDATED, seen(event).claims)
    assert seen(event, zbe("UPDATE", historic="Y")).what is What.CORRECTED


# without ZBE-1


def test_a_cancel_or_a_correction_counts_without_a_movement_too() -> None:
    struck = seen("A02", zbe("CANCEL", number=""))
    assert (struck.what, struck.claims.place) == (What.TRANSFER_CANCELLED, None)
    corrects = seen("Z99", zbe("UPDATE", "A05", number='""'))
    assert (corrects.what, corrects.movement and corrects.movement.id) == (
        What.ADMISSION_PLANNED,
        "",
    )
    assert seen("A02", zbe("INSERT", number="")).movement is None


# the ward of a plan


@pytest.mark.parametrize("event", ["A14", "A15"])
def test_a_correction_of_a_plan_may_leave_the_ward_out(event: str) -> None:
    payload = message("Z99", {}, zbe("UPDATE", event))
    found = normaliser().normalise(payload, RECEIVED_AT)
    assert (found.verdict, found.reason) == (Verdict.ACCEPTED, "plan-without-ward")
    assert not found.observations[0].claims.says("mark")


@pytest.mark.parametrize("event", ["A05", "A14", "A15"])
def test_the_ward_that_a_plan_makes_responsible_is_not_responsible_yet(event: str) -> None:
    responsible = segment("ZBE", {1: "M7", 4: "INSERT", 5: "N", 7: "^^^^^^^^^W2"})
    assert not seen(event, responsible).claims.says("responsible_ward")
    assert seen("A02", responsible).claims.responsible_ward == "W2"


# tracking (HL7 v2.5.1 sections 3.3.9, 3.3.10, 3.3.32, 3.3.33)

NOWHERE = "-"


@pytest.mark.parametrize(
    ("event", "pv1", "place", "temporary"),
    [
        ("A09", {3: "W1"}, NOWHERE, None),
        ("A09", {3: "W1", 42: "W2"}, NOWHERE, None),
        ("A09", {3: "W1", 11: "W2"}, NOWHERE, W2),
        ("A10", {3: "W1"}, W1, None),
        ("A10", {3: "W1", 11: '""'}, W1, None),
        ("A10", {3: "W1", 11: "W2"}, NOWHERE, W2),
        ("A10", {3: "W1", 11: "^^^FAC"}, NOWHERE, NOWHERE),
        ("A10", {}, NOWHERE, None),
        ("A32", {3: "W1"}, W1, None),
        ("A32", {3: "W1", 11: "W2"}, NOWHERE, W2),
        ("A33", {3: "W1"}, NOWHERE, None),
        ("A33", {3: "W1", 11: "W2"}, NOWHERE, W2),
    ],
)
def test_a_temporary_place_is_none_to_stay(
    event: str, pv1: dict[int, str], place: object, temporary: object
) -> None:
    for claims in (seen(event, pv1=pv1).claims, seen("Z99", zbe("UPDATE", event), pv1=pv1).claims):
        said = {name: getattr(claims, name) for name in claims.model_fields_set}
        assert said.get("place", NOWHERE) == place
        assert said.get("temporary_place", NOWHERE) == temporary
