"""Who is coming is shown to those who may see it only, as the newest word of their own source says it."""

from __future__ import annotations

import asyncio
import json
import re
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from datetime import timedelta
from importlib.resources import files
from itertools import permutations, product
from typing import get_args

import pytest
from pydantic import ValidationError

import wardbridge.web
from bus.port import Record, Stored
from bus.records import records_of
from schemas import topics
from schemas.alias import Alias
from schemas.audit import AuditEntry
from schemas.fields import Identity, Level
from schemas.identifiers import IdentifierKind
from schemas.observation import OrderStamp, PatientIdentifier, Protection, Rank
from schemas.patient import PatientRow, Person, Sex
from tests.wardbridge.test_audit import BEARER, gate
from tests.wardbridge.test_census import REGISTER, kept, view
from tests.wardbridge.test_http import AT, Surface, data, notice, notices, refuse, stream, surface
from wardbridge.readmodels.aliases import Aliases, aliases_of
from wardbridge.readmodels.census import Census
from wardbridge.readmodels.identities import Identities

LEVELS: tuple[Level, ...] = get_args(Level)
NAME = "Testsson"
INBOUND = "/v1/wards/MED/inbound"
WHO = {
    "number": "4711", "kind": "local", "assigner": "LAB", "family": NAME, "given": None,
    "born": "1950-01-02", "sex": "female",
}  # fmt: skip


def described(  # noqa: PLR0913 - one for each thing that a test may vary
    minute: int = 0, patient: str = "key-1", source: str = "ehr", *, into: str | None = None,
    realm: str = "lab", number: str = "4711", **person: str | None,
) -> PatientRow:  # fmt: skip
    """A row; its id stands for what it says, as in an adapter."""
    at = AT + timedelta(minutes=minute)
    identifier = PatientIdentifier(kind=IdentifierKind.LOCAL, value=number, assigner="LAB")
    return PatientRow(
        id=f"{number}-{sorted(person.items(), key=str)}-{into}", realm=realm, source=source, feed="f",
        patient=patient, number=identifier, identifiers=(identifier,), person=Person(**person),
        merged_into=into, stamp=OrderStamp(at=at, sequence=0, rank=Rank.UPDATE, received_at=at),
    )  # fmt: skip


def record(row: PatientRow, *, gone: bool = False) -> Record:
    value = None if gone else row.model_dump_json(exclude_unset=True).encode()
    return Record(topics.PATIENTS, row.realm, row.key, value)


def stands_for(number: str, patient: str, source: str = "ehr", *, merged: bool = True) -> Alias:
    """What the router has decided of a number."""
    return Alias(realm="lab", source=source, number=number, patient=patient, merged=merged)


def alias_record(alias: Alias, *, gone: bool = False) -> Record:
    value = None if gone else alias.model_dump_json().encode()
    return Record(topics.ALIASES, "lab", f"lab|{alias.source}|{alias.number}", value)


def known(rows: Sequence[PatientRow | Alias]) -> Identities:
    aliases = Aliases()
    found = Identities(aliases)
    for number, row in enumerate(rows):
        told = alias_record(row) if isinstance(row, Alias) else record(row)
        stored = Stored(told.topic, 0, number, told.key, told.value, (), 0)
        (aliases if isinstance(row, Alias) else found).set_row(stored)
    return found


def shown(
    *rows: PatientRow | Alias, patient: str = "key-1", source: str = "ehr", realm: str = "lab"
) -> Identity | None:
    return known(rows).identity(realm, source, patient)


# who it is


@pytest.mark.parametrize(
    ("rows", "expected"),
    [
        ([described(family="Ek", given="Anna", born="1950", sex="female")], ("Ek", "Anna", "1950")),
        ([described(family="Okänd"), described(1, family="Ek")], ("Ek", None, None)),
        ([described(family="Ek"), described(1, family="Alm"), described(2, family="Ek")],
         ("Ek", None, None)),
        ([described(family="Ek", born="1950"), described(1)], ("Ek", None, "1950")),
        ([described(family="Ek"), described(1, family=None, given="A")], (None, "A", None)),
        ([described(family="Ek"), described(1, source="other", family="Alm", born="1950")],
         ("Ek", None, "1950")),
        ([described(family="Ek"), stands_for("key-1", "key-2"), described(1, "key-2", family="Alm")],
         ("Alm", None, None)),
        ([stands_for("key-1", "key-2"), stands_for("key-2", "key-3"), described(1, "key-3", family="Alm")],
         ("Alm", None, None)),
        ([stands_for("key-1", "key-2"), described(5, family="Old"), described(1, "key-2", family="Alm")],
         ("Alm", None, None)),
        ([described(family="Ek"), stands_for("key-1", "key-2", "other"),
          described(1, "key-2", "other", family="Alm")], ("Ek", None, None)),
        ([described(family="Ek"), stands_for("key-1", "key-2", merged=False), described(1, "key-2", family="Alm")],
         ("Alm", None, None)),
        ([described(2, family="Ek"), stands_for("key-1", "key-2", merged=False),
          described(1, "key-2", family="Alm", born="1950")], ("Ek", None, "1950")),
        ([stands_for("key-1", "key-2"), stands_for("key-3", "key-2", merged=False),
          described(1, "key-3", family="Alm"), described(5, "key-1", family="Old")], ("Alm", None, None)),
        ([described(family="Ek"), described(1, into="key-2"), described(1, "key-2", family="Alm")],
         ("Ek", None, None)),
    ],
    ids=["known", "newest", "said again", "what is not said stays", "cleared", "own source first", "merged",
         "merged twice", "the old number speaks", "another source's merge", "another number",
         "under any number", "under any number of who remains", "a merge that the router refused"],
)  # fmt: skip
def test_in_every_order_of_arrival_it_is_who_the_newest_word_says(
    rows: list[PatientRow | Alias], expected: tuple[str | None, ...]
) -> None:
    for order in permutations(rows):
        found = shown(*order)
        assert found
        assert (found.family, found.given, found.born) == expected


@pytest.mark.parametrize(
    "rows",
    [
        [],
        [described(patient="key-2", family="Ek")],
        [described(realm="elsewhere", family="Ek")],
        [described(into="key-1", family="Ek")],
        [stands_for("key-1", "key-2"), described(family="Ek")],
    ],
    ids=["nothing", "somebody else", "another realm", "itself", "unknown who remains"],
)
def test_who_is_not_known_is_nobody(rows: list[PatientRow | Alias]) -> None:
    assert shown(*rows) is None


def test_the_number_is_the_newest_of_the_own_source() -> None:
    found = shown(described(number="1"), described(1, number="2"), described(2, source="other", number="3"))  # fmt: skip
    assert found
    assert (found.number, found.assigner) == ("2", "LAB")


def test_the_number_is_the_one_that_the_patient_is_mainly_known_by() -> None:
    rows: list[PatientRow | Alias] = [
        stands_for("key-1", "key-2", merged=False),
        described(number="1"),
        described(patient="key-2", number="2"),
    ]
    for order in permutations(rows):
        found = shown(*order)
        assert found
        assert found.number == "2"


def test_a_number_that_is_a_patient_again_is_that_patient() -> None:
    aliases, said = Aliases(), stands_for("key-1", "key-2")
    for gone in (False, True, True):
        told = alias_record(said, gone=gone)
        aliases.set_row(Stored(told.topic, 0, 0, told.key, told.value, (), 0))
        assert aliases.patient("lab", "ehr", "key-1") == ("key-1" if gone else "key-2")
        assert aliases.connected("lab", "key-2") == ({"key-2"} if gone else {"key-1", "key-2"})


def test_rows_between_two_of_one_commit_lead_to_an_end() -> None:
    aliases = aliases_of(
        Stored(topics.ALIASES, 0, 0, told.key, told.value, (), 0)
        for told in map(alias_record, (stands_for("a", "b"), stands_for("b", "a")))
    )
    assert aliases.patient("lab", "ehr", "a") in {"a", "b"}
    assert aliases.numbers("lab", "ehr", "a") == {"a"}
    assert aliases.connected_anywhere("a") == {"a", "b"}


def test_who_is_forgotten_is_no_longer_known() -> None:
    found, row = known([described(family="Ek")]), record(described(family="Ek"), gone=True)
    found.set_row(Stored(row.topic, 0, 1, row.key, row.value, (), 0))
    found.set_row(Stored(row.topic, 0, 2, row.key, row.value, (), 0))
    assert found.identity("lab", "ehr", "key-1") is None


def test_a_row_of_another_version_is_nobody_and_says_nothing_of_itself() -> None:
    found = known([described(family="Ek")])
    broken = record(described(family="Ek"))._replace(value=b'{"type": "patient", "version": 2, "x": "Ek"}')  # fmt: skip
    found.set_row(Stored(broken.topic, 0, 1, broken.key, broken.value, (), 0))
    assert found.identity("lab", "ehr", "key-1") is None
    with pytest.raises(ValidationError) as refused:
        PatientRow.model_validate_json(b'{"family": "Ek", "person": {"born": "Ek"}}')
    assert "Ek" not in str(refused.value)


# who sees it


def on_the_way(visit: str = "1", *, protected: bool = False) -> Record:
    said = data("MED", 1, visit).model_copy(update={"protected": protected})
    return Record(topics.INBOUND, "MED", f"MED|ehr|{visit}", said.model_dump_json().encode())


@asynccontextmanager
async def at_level(level: Level | None, *records: Record) -> AsyncIterator[Surface]:
    """None: nobody is asked who they are."""
    found = Census(lambda _: "ehr")
    asked = gate(level) if level else None
    async with surface(*records, register=REGISTER, gate=asked, census=found) as running:
        running.client.headers.update(BEARER)
        yield running


@pytest.mark.parametrize("level", [None, *LEVELS])
def test_whatever_the_protection_nobody_below_the_identified_level_sees_who_it_is(
    level: Level | None,
) -> None:
    cases = dict(zip("12345678", product(Protection, (False, True)), strict=True))

    async def check() -> None:
        records = [each for visit, (protection, protected) in cases.items() for each in (
            on_the_way(visit, protected=protected), kept(view(visit, protection=protection)),
            record(described(patient=f"key-{visit}", family=NAME, born="1950-01-02", sex="female")))]  # fmt: skip
        async with at_level(level, *records) as running:
            text = (await running.client.get(INBOUND)).raise_for_status().text
        found = {each["visit"]["visit"]: each for each in json.loads(text)["patients"]}
        assert found.keys() == cases.keys()
        for visit, (protection, protected) in cases.items():
            is_masked = protected or protection is not Protection.NONE
            shows = level == "identified"
            assert found[visit]["protected"] is protected
            assert found[visit]["patient"] == (WHO if shows else None)
            assert bool(found[visit]["details"]) == (
                shows or (level == "operational" and not is_masked)
            )
        assert [word in text for word in (NAME, "4711", "1950-01-02")] == [
            level == "identified"
        ] * 3

    asyncio.run(check())


def test_without_a_view_of_the_visit_or_a_description_nothing_is_said() -> None:
    async def check() -> None:
        visits = {"1": [record(described(family=NAME))], "2": [kept(view("2"))]}
        rows = [each for visit, more in visits.items() for each in (on_the_way(visit), *more)]
        async with at_level("identified", *rows) as running:
            answer = await running.get(INBOUND)
            assert [each["patient"] for each in answer["patients"]] == [None, None]

    asyncio.run(check())


def test_it_is_noted_before_it_is_shown_with_how_much_was_seen(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    async def check() -> None:
        records = (on_the_way(), kept(view()), record(described(family=NAME)))
        async with at_level("identified", *records) as running:
            with monkeypatch.context() as broken:
                broken.setattr(running.log, "append", refuse)
                answer = await running.client.get(INBOUND)
                assert (answer.status_code, NAME in answer.text) == (503, False)
            assert NAME in (await running.client.get(INBOUND)).text
            (entry,) = [AuditEntry.model_validate_json(r.value or b"")
                        for r in records_of(running.log, topics.AUDIT)]  # fmt: skip
            assert (entry.fields, entry.seen[0].patient) == ("identified", "key-1")
            assert NAME not in entry.model_dump_json()

    asyncio.run(check())


def test_who_comes_is_on_no_stream(caplog: pytest.LogCaptureFixture) -> None:
    """One notice is the same for every reader; who it is stands in the list, noted before it is shown."""

    async def check() -> None:
        records = (on_the_way(), kept(view()), record(described(family=NAME)))
        async with (
            at_level("identified", *records) as running,
            stream(running, "/v1/wards/MED/stream") as events,
        ):
            running.log.append([record(described(1, family=NAME + "2")), notice("MED", 1)])
            (told,) = await notices(events, 1)
            assert NAME not in str(told)
        assert NAME not in caplog.text

    asyncio.run(check())


def test_the_board_has_a_word_for_every_kind_of_number_and_sex() -> None:
    texts = (files(wardbridge.web) / "pages" / "texts.js").read_text(encoding="utf-8")
    kinds = {kind.value for kind in IdentifierKind} - {IdentifierKind.LOCAL.value}
    for table, words in (("numbers", kinds), ("sexes", set(get_args(Sex)))):
        tables = re.findall(rf"\b{table}: {{([^}}]*)}}", texts)
        assert len(tables) == 2  # languages
        for each in tables:
            assert set(re.findall(r'([a-z-]+)"?: "', each)) == words
