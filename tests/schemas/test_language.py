"""Wards, authority, topics and moments: what the published values promise by themselves."""

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from schemas import topics
from schemas.authority import Authority, AuthorityEntry, Scope, Tick
from schemas.ward import Unresolved, Ward, WardRegister

NOON = datetime(2026, 3, 2, 12, tzinfo=UTC)
REGISTER = [
    Ward(id="W1", name="Medicin 1", hospital="SÄS", aliases={"elvis": ("M1", "W2")}),
    Ward(id="W2", name="Kirurgi", hospital="SÄS", aliases={"ehr": ("KIR",)}),
]


@pytest.mark.parametrize(
    ("source", "code", "ward"),
    [
        ("elvis", "M1", "W1"),
        ("elvis", " m1 ", "W1"),
        ("ehr", "M1", Unresolved.UNKNOWN),
        ("ehr", "KIR", "W2"),
        ("ehr", "w2", "W2"),
        ("elvis", "W2", "W1"),  # a source's own code goes before the register's id
        ("ehr", "", Unresolved.UNKNOWN),
        ("ehr", "  ", Unresolved.UNKNOWN),
        ("ehr", "W9", Unresolved.UNKNOWN),
    ],
)
def test_a_closed_register_resolves_only_what_it_lists(
    source: str, code: str, ward: str | Unresolved
) -> None:
    assert WardRegister(REGISTER).resolve(source, code) == ward


def test_in_an_open_register_a_code_stands_for_itself() -> None:
    register = WardRegister(REGISTER, open_register=True)
    assert register.resolve("ehr", " W9 ") == "W9"
    assert register.resolve("ehr", " ") is Unresolved.UNKNOWN
    assert register.hospital_of("W9") is None
    assert register.hospital_of("W1") == "SÄS"


@pytest.mark.parametrize(
    "other",
    [
        Ward(id="W1", name="again", hospital="SÄS"),
        Ward(id="w1", name="again but for case", hospital="SÄS"),
        Ward(id="W3", name="same code", hospital="SÄS", aliases={"elvis": ("m1",)}),
    ],
)
def test_a_register_in_which_two_wards_share_a_code_is_refused(other: Ward) -> None:
    with pytest.raises(ValueError, match=r"twice|names both"):
        WardRegister([*REGISTER, other])


def entry(scope: Scope, name: str, source: str, hours: int | None = None) -> AuthorityEntry:
    at = None if hours is None else NOON + timedelta(hours=hours)
    return AuthorityEntry(scope=scope, name=name, source=source, effective_at=at)


TIMELINE = Authority(
    realm="vgr",
    entries=(
        entry("realm", "", "elvis"),
        entry("hospital", "SÄS", "ehr", 0),
        entry("ward", "W1", "ehr", 4),
        entry("ward", "W1", "elvis", 2),
        entry("ward", "W2", "a", 6),
        entry("ward", "W2", "b", 6),
    ),
)


@pytest.mark.parametrize(
    ("ward", "hospital", "hours", "source"),
    [
        ("W1", "SÄS", None, "elvis"),
        ("W1", "SÄS", -1, "elvis"),
        ("W1", "SÄS", 0, "ehr"),
        ("W1", "SÄS", 2, "elvis"),  # the ward's own entry goes before the hospital's
        ("W1", "SÄS", 4, "ehr"),  # the latest in effect, wherever it stands in the list
        ("W1", "NÄL", 1, "elvis"),
        ("W1", None, 1, "elvis"),
        ("W2", "SÄS", 6, "b"),  # of two at the same time the later one
    ],
)
def test_authority_is_the_latest_entry_in_effect_of_the_narrowest_scope(
    ward: str, hospital: str | None, hours: int | None, source: str
) -> None:
    at = None if hours is None else NOON + timedelta(hours=hours)
    assert TIMELINE.believed(ward, hospital, at) == source


def test_without_an_entry_nobody_is_believed() -> None:
    later = Authority(realm="vgr", entries=(entry("ward", "W1", "ehr", 1),))
    assert later.believed("W1", "SÄS", NOON) is None
    assert later.believed("W2", "SÄS", NOON + timedelta(hours=2)) is None


def test_topics_have_different_names_and_one_record_limit_below_kafkas() -> None:
    names = [topic.name for topic in topics.TOPICS]
    assert len(set(names)) == len(names)
    assert topics.MAX_RECORD_BYTES < 1_000_000
    assert {topic.name for topic in topics.TOPICS if topic.compacted} == {
        topics.STATE, topics.ENCOUNTERS, topics.INBOUND, topics.AUTHORITY, topics.SNAPSHOTS,
        topics.SUBSCRIBERS, topics.REGISTRATIONS, topics.PATIENTS, topics.FORMAT,
        topics.REVISIONS, topics.REVIEW, topics.REVIEWED, topics.HELD, topics.ALIASES,
    }  # fmt: skip


@given(st.datetimes(timezones=st.timezones()))
def test_a_moment_is_kept_in_utc_or_refused(moment: datetime) -> None:
    entry = {"scope": "realm", "source": "ehr", "effective_at": moment}
    try:
        kept = AuthorityEntry.model_validate(entry).effective_at
    except ValidationError:
        assert moment.year in {1, 9999}
    else:
        assert kept is not None
        assert kept.timestamp() == moment.timestamp()  # == fails for times a zone skips
        assert kept.tzinfo is UTC


@given(st.datetimes(timezones=st.just(UTC)))
def test_what_a_clock_of_ours_says_is_of_our_age(moment: datetime) -> None:
    try:
        assert Tick(realm="vgr", at=moment).at == moment
    except ValidationError:
        assert not 1971 <= moment.year <= 2199


def test_a_moment_without_a_zone_is_refused() -> None:
    with pytest.raises(ValidationError):
        Tick.model_validate({"realm": "vgr", "at": "2026-03-02T12:00:00"})


def test_values_cannot_be_changed() -> None:
    tick = Tick(realm="vgr", at=NOON)
    with pytest.raises(ValidationError):
        tick.realm = "other"  # type: ignore[misc]
