"""Each story in every way in which it may be told, and what no story tells."""

import json
from datetime import datetime, timedelta
from itertools import permutations
from typing import Any

import pytest

from router.core import reasons, step
from router.core.facts import fact_of
from router.core.fulfilment import Fulfilment
from router.core.visit import folded
from schemas import topics
from schemas.observation import Protection, What
from tests.router.hearing import Router, rows
from tests.router.saying import REALM, Source, again, in_charge, minutes
from tests.router.stories import BEFORE, IN_ONE_SECOND, STORIES


@pytest.mark.parametrize("story", STORIES)
def test_what_wards_are_told(story: str) -> None:
    said, expected = STORIES[story]
    router = Router().hear(*said)
    assert router.words == expected
    assert router.inbound == router.open


@pytest.mark.parametrize("story", STORIES)
def test_saying_all_of_it_again_tells_nothing(story: str) -> None:
    said, expected = STORIES[story]
    assert Router().hear(*said, *map(again, said)).words == expected


@pytest.mark.parametrize("story", STORIES)
def test_the_other_way_round_ends_alike(story: str) -> None:
    said, _ = STORIES[story]
    assert Router().hear(*reversed(said)).open == Router().hear(*said).open


@pytest.mark.parametrize("story", STORIES)
def test_a_restart_at_any_point_changes_nothing(story: str) -> None:
    said, expected = STORIES[story]
    router = Router()
    for each in said:
        router.hear(each).restart()
    assert router.words == expected


@pytest.mark.parametrize("story", STORIES)
def test_it_is_so_too_where_who_is_responsible_counts_and_not_the_place(story: str) -> None:
    said, expected = STORIES[story]
    router = Router(fulfilled_by="responsible").hear(*(in_charge(each, "W") for each in said))
    assert router.words == expected


def test_each_hospital_goes_by_what_it_chose() -> None:
    s = Source()
    rules = Fulfilment("responsible", {"W2": "place"})
    fold = folded(map(fact_of, [s.a14("W1"), s.a02("W1")]), rules)
    assert fold.awaits_patient_in == "W1"
    fold = folded(map(fact_of, [s.a14("W2"), s.a02("W2"), s.a02("W1")]), rules)
    assert fold.awaits_patient_in is None


def test_a_visit_that_begins_afresh_has_nobody_responsible() -> None:
    s = Source()
    said = [s.a08(responsible_ward="W"), s.a03(), s.a14("W")]
    assert Router(fulfilled_by="responsible").hear(*said).wards == ["W"]


def test_a_reopened_visit_shows_nothing_of_the_stay_before() -> None:
    stay: dict[str, Any] = {
        "on_leave": True,
        "visit_class": "I",
        "responsible_ward": "V",
        "admitting_doctor": "D1",
    }
    for reopens in (Source.a14, Source.a01):
        s = Source()
        router = Router().hear(s.a01("X"), s.a16(minutes(90)), s.a08(**stay), s.a10(temporary="Y"))
        router.hear(s.a08(protection="confidential"), s.a03(), reopens(s, "W"))
        view = router.encounters["ehr|v1"]
        assert view["planned_discharge_at"] is None
        assert [view[name] for name in (*stay, "temporary_place")] == [None] * 5
        assert view["protection"] == "confidential"  # the patient's, not the stay's


def test_a_place_that_nobody_can_read_is_not_the_old_one() -> None:
    s = Source()
    router = Router().hear(s.a01("W"), s.a08(responsible_ward="W"))
    router.hear(s.unread(What.TRANSFERRED), s.unread(What.TRANSFERRED, "responsible_ward"))
    view = router.encounters["ehr|v1"]
    assert (view["place"], view["responsible_ward"]) == (None, None)


def test_what_is_said_of_the_past_says_nothing_of_now() -> None:
    s = Source()
    router = Router().hear(s.a01("ER"), s.a02("W", movement="m1"), s.a02("X", movement="m2"))
    late = s.retold("m1", "V", past=minutes(2))
    claims = late.claims.model_copy(update={"visit_class": "O", "protection": Protection.PROTECTED})
    router.hear(late.model_copy(update={"claims": claims}))
    view = router.encounters["ehr|v1"]
    assert (view["place"]["ward"], view["visit_class"]) == ("X", None)
    assert view["protection"] == "protected"
    assert datetime.fromisoformat(view["last_at"]) == late.stamp.at


@pytest.mark.parametrize("story", IN_ONE_SECOND)
def test_within_one_second_the_order_of_receipt_decides(story: str) -> None:
    said, wards, place = IN_ONE_SECOND[story]
    for order in permutations([*BEFORE, *said]):
        router = Router().hear(*order)
        assert router.wards == wards
        assert router.encounters["ehr|v1"]["place"]["ward"] == place


def test_one_cancel_twice_annuls_one_move() -> None:
    s = Source()
    said = [s.a01("ER"), s.a02("W1"), s.a02("W2"), s.a12()]
    router = Router().hear(*said, again(said[-1]))
    assert router.encounters["ehr|v1"]["place"]["ward"] == "W1"


def test_a_cancelled_discharge_plan_leaves_the_one_before() -> None:
    s = Source()
    router = Router().hear(s.a16(minutes(90)), s.a16(minutes(99)), s.a25())
    assert router.encounters["ehr|v1"]["planned_discharge_at"] == "2026-01-20T07:30:00Z"


def test_marked_by_a_state_and_cancelled_by_an_event() -> None:
    s = Source()
    assert Router().hear(s.row("ER", "W"), s.a27("W")).words == [
        "W designated marked",
        "W withdrawn cancelled",
    ]


def test_a_merge_is_told_as_a_change_and_the_old_number_speaks_on() -> None:
    x, y = Source(patient="X", visit="vx"), Source(patient="Y", visit="vy")
    router = Router().hear(x.a14("W"), x.a40("Y"))
    assert router.words == ["W designated marked", "W changed updated"]
    assert router.told[-1].data.changes == ("patient",)
    x.at = y.at = minutes(60)
    router.hear(x.a02("V"), x.a14("U"), y.a14("T"))
    assert router.wards == ["T", "U"]


def test_of_two_merges_of_a_number_the_later_one_holds_whichever_came_first() -> None:
    sender = Source(patient="X")
    merges = [sender.a40("Y", minutes(1)), sender.a40("Z", minutes(2))]
    for order in (merges, merges[::-1]):
        numbers = Router().hear(*order).state.realm(REALM).numbers_of("ehr")
        assert numbers.resolve("X") == "Z"


def test_the_wards_list_shows_what_changed() -> None:
    sender, router = Source(), Router()
    router.hear(
        sender.a14("W1", expected_at=minutes(60)), sender.a14("W1", expected_at=minutes(90))
    )
    assert router.words == ["W1 designated marked", "W1 changed updated"]
    (row,) = map(json.loads, rows(router.records, topics.INBOUND).values())
    assert (row["kind"], datetime.fromisoformat(row["expected_at"])) == ("changed", minutes(90))


def test_merges_that_close_a_circle_go_to_review() -> None:
    x, y = Source(patient="X"), Source(patient="Y", at=minutes(10))
    router = Router().hear(x.a40("Y"), y.a40("X"), x.a14("W"))
    assert [item.reason for item in router.review] == [reasons.ALIAS_CYCLE]
    assert router.wards == ["W"]


def test_a_shadows_merge_touches_no_believed_visit() -> None:
    ehr_, elvis = Source(patient="X"), Source("elvis", patient="X", visit="e1")
    router = Router("ehr").hear(ehr_.a14("W"), elvis.row("ER", "W"), elvis.a40("Y"))
    assert router.words == ["W designated marked"]


def test_a_visits_new_patient_is_a_change_of_identity() -> None:
    s = Source(patient="X")
    said = s.a14("W")
    s.patient = "Y"
    correction = s.a08().model_copy(update={"corrects_patient": True})
    router = Router().hear(said, correction)
    assert router.words == ["W designated marked", "W changed updated"]
    assert router.told[-1].data.changes == ("patient",)
    assert not router.review


def test_redesignated_to_a_ward_of_another_source_that_is_silent() -> None:
    router = Router("ehr", "W2=elvis")
    s = Source()
    router.hear(s.a14("W1"), s.a14("W2"))
    assert router.words == ["W1 designated marked", "W1 withdrawn redesignated"]
    elvis = Source("elvis", visit="e1", at=minutes(30))
    router.hear(elvis.row("ER", "W2"))
    assert router.words[2:] == ["W2 designated marked"]


def test_a_claim_of_a_source_that_is_not_believed_announces_nothing() -> None:
    assert Router("elvis").hear(Source().a14("W")).words == []


def test_authority_there_and_back_tells_a_patient_known_alike_to_both_nothing() -> None:
    s, elvis = Source(), Source("elvis", visit="e1")
    router = Router("ehr").hear(s.a14("W"), elvis.row("ER", "W"))
    router.believe("elvis").believe("ehr").believe("elvis")
    router.hear(elvis.row("ER", "W"), elvis.row("X", "W"))
    assert router.words == ["W designated marked"]
    router.hear(elvis.row("W", "W"))
    assert router.words == ["W designated marked", "W arrived moved-in"]
    assert router.told[-1].data.visit.source == "ehr"  # as announced
    assert router.told[-1].data.version == 2


def test_no_ward_is_told_twice_of_a_visit_whose_announcement_another_visit_backs() -> None:
    v9 = Source("ehr", visit="v9")
    v2, v4 = Source("elvis", visit="v2"), Source("elvis", visit="v4")
    router = Router("elvis").hear(v2.row("ER", "W"), v9.a14("W")).believe("ehr")
    router.hear(v2.row("ER"), v4.row("ER", "W")).believe("elvis")
    assert router.words == ["W designated marked"]
    router.hear(v2.row("ER", "W"))
    assert router.open == {("W", "elvis", "v2"), ("W", "elvis", "v4")}


def test_authority_moves_the_claims_of_one_source_only() -> None:
    router = Router("ehr").hear(Source().a14("W"))
    router.believe("elvis")
    assert router.words[1:] == ["W withdrawn authority-moved"]
    router.believe("ehr")
    assert router.words[2:] == ["W designated authority-moved"]


def test_authority_takes_effect_with_the_tick_that_reaches_it() -> None:
    router = Router("ehr", "W=elvis@06:30").hear(Source().a14("W"), Source(visit="2").a14("V"))
    router.tick(minutes(29))
    assert router.wards == ["V", "W"]
    router.tick(minutes(30))
    assert router.wards == ["V"]
    assert router.words[-1] == "W withdrawn authority-moved"


def test_what_is_marked_before_anyone_is_believed_is_told_once_somebody_is() -> None:
    router = Router("X=nobody").hear(Source().a14("W"))
    assert router.believe("ehr").words == ["W designated marked"]


def test_protection_is_the_strictest_that_any_source_says() -> None:
    s, elvis = Source(), Source("elvis", visit="e1")
    router = Router("ehr").hear(s.a14("W", protection="none"))
    assert not router.told[-1].data.protected
    router.hear(elvis.row("ER", protection="confidential"))
    assert router.words[-1] == "W changed updated"
    assert router.told[-1].data.protected
    router.hear(s.a08(protection="none"))
    assert len(router.words) == 2
    router.hear(elvis.row("ER", protection="none"))
    assert not router.told[-1].data.protected


def test_person_data_protects_and_follows_a_merge() -> None:
    s, old = Source(), Source(patient="old")
    router = Router("ehr").hear(old.a31(Protection.PROTECTED), s.a14("W"), s.a31())
    assert not router.told[-1].data.protected
    router.hear(old.a40("p1"))
    assert router.told[-1].data.protected
    assert router.told[-1].data.changes == ("protected",)


def test_a_source_that_lifts_a_protection_mark_has_lifted_it() -> None:
    s = Source()
    protects, lifts = s.a31(Protection.PROTECTED), s.a31(Protection.NONE)
    for order in ((protects, lifts), (lifts, protects)):
        assert not Router().hear(*order, s.a14("W")).told[-1].data.protected


def test_both_visits_of_a_patient_stand_apart() -> None:
    one, two = Source(visit="1"), Source(visit="2")
    router = Router().hear(one.a14("W"), two.a14("W"), one.a03())
    assert router.open == {("W", "ehr", "2")}


def test_a_higher_revision_corrects() -> None:
    s = Source()
    said = s.a14("W1")
    mended = said.model_copy(update={"revision": 1, "claims": s.a14("W2").claims})
    for order in ([said, mended], [mended, said], [said, mended, again(said)]):
        assert Router().hear(*order).wards == ["W2"]


def test_a_revision_may_name_another_patient() -> None:
    s = Source()
    said = s.a14("W1")
    mended = said.model_copy(update={"revision": 1, "patient": Source(patient="q").a03().patient})
    router = Router().hear(said, mended)
    assert sum("|fact|" in key for key in rows(router.records, topics.STATE)) == 1
    router.restart().hear(s.a02("W1"))  # about somebody else by now
    assert [item.reason for item in router.review] == [reasons.VISIT_OF_ANOTHER]
    router.hear(s.of("q").a02("W1"))
    assert router.words == ["W1 designated marked", "W1 changed updated", "W1 arrived moved-in"]


def test_a_late_one_is_folded_where_it_belongs() -> None:
    s = Source()
    first, late, last = s.a14("W1"), s.a14("W2"), s.a02("W1")
    router = Router().hear(first, last, late)
    assert router.words == ["W1 designated marked", "W1 arrived moved-in", "W2 designated marked"]


def test_a_late_arrival_was_an_arrival_wherever_the_patient_went_next() -> None:
    s = Source()
    marked, late, last = s.a14("W"), s.a02("W"), s.a02("X")
    router = Router().hear(marked, last, late)
    assert router.words == ["W designated marked", "W arrived moved-in"]


def test_a_cancelled_discharge_restores_the_place() -> None:
    s = Source()
    router = Router().hear(s.a01("ER"), s.a03(), s.a13())
    assert router.encounters["ehr|v1"]["place"]["ward"] == "ER"


def test_version_sequence_and_id() -> None:
    s = Source()
    other = Source(visit="v2", patient="p2")
    router = Router().hear(s.a14("W"), other.a14("W"), s.a27(), s.a14("W"))
    assert [n.data.sequence for n in router.told] == [1, 2, 3, 4]
    assert [n.data.version for n in router.told] == [1, 1, 2, 3]
    assert len({n.id for n in router.told}) == 4
    again_told = Router().hear(s.a14("W", at=minutes(90))).told[0]
    assert again_told.id == router.told[0].id
    assert router.told[3].time == router.told[3].data.announced_at
    assert all("p1" not in n.model_dump_json() for n in router.told)


def test_ended_visits_are_dropped_after_the_keep_time_and_the_version_goes_on() -> None:
    s = Source()
    router = Router().hear(s.a14("W"), s.a03()).tick(minutes(10) + timedelta(days=31))
    assert router.encounters == {}
    assert not router.state.realms["lab"].visits
    router.hear_at_once(s.a14("W", at=minutes(9)), received_at=minutes(0) + timedelta(days=40))
    assert [item.reason for item in router.review] == [reasons.TOO_LATE]
    assert "ask the source" in router.review[0].detail
    later = minutes(0) + timedelta(days=50)
    router.restart().hear(s.a14("W", at=later))
    assert [n.data.version for n in router.told] == [1, 2, 3]


def test_who_is_still_awaited_is_never_dropped() -> None:
    router = Router().hear(Source().a14("W")).tick(minutes(0) + timedelta(days=400))
    assert router.hear(Source(at=minutes(99)).a27()).words[-1] == "W withdrawn cancelled"


def test_a_protection_mark_outlives_the_visit_that_said_it() -> None:
    s = Source()
    router = Router().hear(s.a01("X"), s.a08(protection="protected"), s.a03())
    later = minutes(0) + timedelta(days=40)
    router.tick(later).restart().hear(Source(visit="v2").a14("W", at=later))
    assert router.told[-1].data.protected


def test_what_cannot_be_used_is_in_review_with_a_reason() -> None:
    s = Source()
    no_visit = s.a14("W").model_copy(update={"visit": None})
    no_survivor = s.a40("Y").model_copy(update={"merged_into": None})
    router = Router().hear(no_visit, no_survivor)
    for topic in (topics.OBSERVATIONS, topics.AUTHORITY, topics.TICKS):
        for value in (None, b"", b"{}", b"\xff", b'{"version": 2}'):
            assert router.feed(topic, value)
    codes = [item.reason for item in router.review]
    assert codes[:2] == [reasons.NO_VISIT, reasons.NO_SURVIVOR]
    assert set(codes[2:]) == {step.UNREADABLE}
    assert len(codes) == 17
    assert router.words == []
