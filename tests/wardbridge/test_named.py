"""A command that is asked for a visit, a ward or a reader finds them by what people write, or says that there is none."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Final

import pytest
from typer.testing import CliRunner, Result

from adapters.common.visits import is_named, visit_id
from bus.port import Record
from schemas import topics
from schemas.audit import Seen
from schemas.base import VisitRef
from tests.wardbridge.test_census import kept as kept_view
from tests.wardbridge.test_census import view
from tests.wardbridge.test_noted import CONFIG, delivery, entry, with_log
from wardbridge.cli import make_app
from wardbridge.security.audit_spool import left

VISITS: Final = ("5101@NORR", "5101@SODER", "5102", "a%40b%2540@NORR")
IN_THE_CENSUS: Final = "5199@NORR"
WARDS: Final = "id;name;hospital\nMED;Medicine;Norr\nKIR;Surgery;Norr\n"
LISTS: Final = ("audit list", "deliveries list")


@pytest.fixture
def data(tmp_path: Path) -> Path:
    records = [kept_view(view(IN_THE_CENSUS))]
    records.append(Record(topics.SUBSCRIBERS, "portal", "portal", b"{}"))
    for number, visit in enumerate(VISITS, 1):
        ref = VisitRef(source="ehr", visit=visit)
        read = entry(number).model_copy(update={"seen": (Seen(visit=ref),)})
        told = delivery(number).model_copy(update={"visit": ref})
        key = f"portal|{number}"
        records.append(Record(topics.AUDIT, "MED", "MED", read.model_dump_json().encode()))
        records.append(Record(topics.DELIVERIES, "portal", key, told.model_dump_json().encode()))
    with_log(tmp_path, lambda log: log.append(records))
    (tmp_path / "wards.csv").write_text(WARDS, encoding="utf-8")
    config = CONFIG.replace("open = true", 'register = "wards.csv"')
    (tmp_path / "wardbridge.toml").write_text(config, encoding="utf-8")
    return tmp_path


def run(command: str, data: Path, *asked: str) -> Result:
    return CliRunner().invoke(make_app(), [*command.split(), *asked, "--data", str(data)])


def visits_in(done: Result) -> list[str]:
    assert done.exit_code == 0, done.output
    lines = [json.loads(line) for line in done.stdout.splitlines()]
    found = [each.get("seen", [each]) for each in lines]
    return [each["visit"]["visit"] for group in found for each in group]


@pytest.mark.parametrize("command", LISTS)
@pytest.mark.parametrize(
    ("asked", "found"),
    [
        ("5101", ["5101@NORR", "5101@SODER"]),
        ("5101@SODER", ["5101@SODER"]),
        ("5102", ["5102"]),
        ("a@b%40", ["a%40b%2540@NORR"]),
        ("a%40b%2540@NORR", ["a%40b%2540@NORR"]),
        ("5199", []),  # the census has it, and nobody was told or has read anything
        (IN_THE_CENSUS, []),
    ],
)
def test_a_visit_is_found_by_its_number_and_by_its_id(
    command: str, asked: str, found: list[str], data: Path
) -> None:
    assert visits_in(run(command, data, "--visit", asked)) == found


@pytest.mark.parametrize("command", LISTS)
@pytest.mark.parametrize("asked", ["510", "5101@", "5101@OSTRA", "NORR", "", "5101@norr"])
def test_a_visit_that_there_is_not_is_an_error_that_names_no_other(
    command: str, asked: str, data: Path
) -> None:
    done = run(command, data, "--visit", asked)
    assert (done.exit_code, done.stdout) == (2, "")
    assert f"there is no visit {asked!r}" in done.stderr
    assert not [visit for visit in VISITS if visit in done.stderr]
    assert left(data) == []


@pytest.mark.parametrize(
    ("asked", "text"),
    [
        (("--ward", "NOPE"), "there is no ward with an entry 'NOPE'; there is MED"),
        (("--ward", ""), "there is no ward with an entry ''; there is MED"),
        (("--reader", "nobody"), "there is no reader with an entry 'nobody'; there is wall"),
    ],
)
@pytest.mark.parametrize("with_config", [False, True])
def test_a_ward_or_reader_that_there_is_not_is_an_error_with_those_that_there_are(
    asked: tuple[str, str], text: str, data: Path, *, with_config: bool
) -> None:
    config = ("--config", str(data / "wardbridge.toml")) if with_config else ()
    done = run("audit list", data, *asked, *config)
    assert (done.exit_code, done.stdout) == (2, "")
    assert text in done.stderr


def test_a_ward_of_the_register_whose_list_nobody_read_has_no_entry(data: Path) -> None:
    config = ("--config", str(data / "wardbridge.toml"))
    done = run("audit list", data, "--ward", "KIR", *config)
    assert (done.exit_code, done.stdout) == (0, "")
    assert len(visits_in(run("audit list", data, "--ward", "MED", *config))) == len(VISITS)


@pytest.mark.parametrize("number", ["5101", "a@b", "50%", "50%40", "%25@%40"])
@pytest.mark.parametrize("assigner", [None, "NORR", "N@RR%"])
def test_whatever_signs_a_number_has_it_is_found_as_it_was_sent(
    number: str, assigner: str | None
) -> None:
    visit = visit_id(number, assigner)
    assert is_named(visit, number)
    assert is_named(visit, visit)
    assert not is_named(visit, f"{number}0")
