"""Review by commands: through the running service, or by the log itself where none runs."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

import pytest

from bus.records import records_of
from bus.sqlite.log import SqliteLog
from schemas import topics
from schemas.audit import Action
from schemas.review import ReviewItem, ReviewStep
from tests.reviewing.hospital import CONFIG, Hospital
from tests.reviewing.saying import item
from tests.reviewing.test_replay import WARDS
from tests.support.service import free_offset
from tests.wardbridge.support import command
from wardbridge.api.review_language import Became, InputShown, ItemReplayed, ItemShown, ReplayReport
from wardbridge.cli._noted import who
from wardbridge.cli._told import plain, replayed_lines, shown_lines
from wardbridge.cli.review import exit_of
from wardbridge.logstore.log import log_path
from wardbridge.security.audit_spool import left

HTTP: Final = "[http]\nport = 8080\n"


class Machine:
    """A data folder with a log that nobody has open, and commands on it."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._offset = str(free_offset())
        start = datetime.now(UTC).replace(microsecond=0)
        log = SqliteLog.open(log_path(folder), partitions=1)
        self.hospital = Hospital(folder, *WARDS, log=log, start=start, config=CONFIG + HTTP)

    def close(self) -> None:
        self.hospital.log.close()

    def again(self, *wards: str) -> Hospital:
        self.hospital.log = SqliteLog.open(log_path(self.folder), partitions=1)
        self.hospital.restart(*wards)
        return self.hospital

    def review(self, *said: str) -> subprocess.CompletedProcess[str]:
        config = self.folder / "wardbridge.toml"
        where = ("--config", config, "--data", self.folder, "--port-offset", self._offset)
        return command("review", *said, *where)

    def listed(self, *said: str) -> list[str]:
        done = self.review("list", *said)
        assert done.returncode == 0, done.stderr
        return [json.loads(line)["item"]["id"] for line in done.stdout.splitlines()]


@pytest.fixture
def machine(tmp_path: Path) -> Iterator[Machine]:
    made = Machine(tmp_path)
    for visit in ("V1", "V2"):
        made.hospital.say("A14", visit, "W9")
    made.hospital.say("A14", "", "W1")
    made.hospital.route()
    made.close()
    yield made
    made.close()


def test_without_a_service_the_log_itself_is_read_and_that_is_said_and_noted(
    machine: Machine,
) -> None:
    done = machine.review("list")
    assert "no service answers" in done.stderr
    assert str(log_path(machine.folder)) in done.stderr
    assert [json.loads(line)["item"]["reason"] for line in done.stdout.splitlines()] == [
        "ward-unknown", "ward-unknown", "visit-missing",
    ]  # fmt: skip
    assert len(machine.listed("--reason", "visit-missing")) == 1
    assert machine.listed("--feed", "fhir") == []
    assert machine.listed("--state", "settled") == []
    assert [each.about for each in left(machine.folder)] == [
        "review list",
        "review list reason=visit-missing",
        "review list feed=fhir",
        "review list state=settled",
    ]


def test_an_item_is_shown_with_the_place_marked_and_its_content_only_when_asked_for(
    machine: Machine,
) -> None:
    (one, *_) = machine.listed("--reason", "ward-unknown")
    shape = machine.review("show", one).stdout
    assert ">>>A9<<<" in shape
    assert "V1" not in shape.replace("PV1", "")
    content = machine.review("show", one, "--content").stdout
    assert ">>>W9<<<" in content
    assert "Åström" in content
    assert json.loads(machine.review("show", one, "--json").stdout)["input"]["form"] == "shape"
    noted = left(machine.folder)[1:]
    assert [(each.action, len(each.seen)) for each in noted] == [
        (Action.LOOKED_UP, 0), (Action.INPUT_READ, 1), (Action.LOOKED_UP, 0),
    ]  # fmt: skip


def test_a_replay_is_previewed_then_done_and_tells_once(machine: Machine) -> None:
    machine.again(*WARDS, "W9").log.close()
    ahead = machine.review("replay", "--reason", "ward-unknown", "--preview")
    assert ahead.returncode == 0
    assert "wards would be told 2:" in ahead.stdout
    assert ahead.stdout.count("W9: designated (marked), visit V") == 2
    done = machine.review("replay", "--reason", "ward-unknown")
    assert (done.returncode, done.stdout.count("resolved  ward-unknown")) == (0, 2)
    assert len(machine.listed()) == 1
    hospital = machine.again(*WARDS, "W9")
    hospital.route()
    assert hospital.words() == ["W9 designated marked"] * 2
    hospital.log.close()
    remains = machine.review("replay", "--all")
    assert (remains.returncode, "remains  visit-missing" in remains.stdout) == (3, True)
    assert [each.action for each in left(machine.folder) if each.action != "looked-up"] == [
        Action.PREVIEWED, Action.REPLAYED, Action.REPLAYED,
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("became", "code"),
    [
        (["resolved"], 0), (["resolved", "asked"], 1), (["asked", "remains"], 3), (["cannot"], 3), ([], 0),
    ],
)  # fmt: skip
def test_a_replay_ends_well_only_if_it_is_known_that_nothing_remains(
    became: list[Became], code: int
) -> None:
    items = tuple(
        ItemReplayed(item="1", feed="hl7", reason="ward-unknown", became=each) for each in became
    )
    report = ReplayReport(is_preview=False, items=items, has_more=False)
    assert exit_of(report) == code
    assert any("has not decided" in line for line in replayed_lines(report)) == ("asked" in became)


@pytest.mark.parametrize(("name", "deed"), [("resolve", "resolved"), ("discard", "discarded")])
def test_items_end_with_who_and_why(machine: Machine, name: str, deed: str) -> None:
    (one, *others) = machine.listed()
    done = machine.review(name, one, "--because", "told by telephone")
    assert (done.returncode, done.stdout) == (0, f"{deed}  {one}\n")
    assert machine.listed() == others
    shown = machine.review("show", one).stdout
    assert "\n  settled\n" in shown
    assert f"by {who()}: told by telephone" in shown
    hospital = machine.again(*WARDS)
    (step,) = steps(hospital)
    assert (step.deed, step.by, step.reason) == (deed, who(), "told by telephone")


def steps(hospital: Hospital) -> list[ReviewStep]:
    return [
        ReviewStep.model_validate_json(each.value or b"")
        for each in records_of(hospital.log, topics.REVIEWED)
    ]


WRONG: Final[list[tuple[list[str], str]]] = [
    (["replay"], "say which"),
    (["replay", "--all", "--feed", "hl7"], "say which"),
    (["replay", "gone"], "there is no review item 'gone'"),
    (["show", "gone"], "there is no review item 'gone'"),
    (["list", "--since", "yesterday"], "since: "),
    (["list", "--feed", "nope"], "no feed 'nope'; of what is kept here there is elvis, fhir, hl7"),
    (["replay", "--reason", "visit-mising"], "'visit-mising' (is 'visit-missing' meant?)"),
    (["resolve", "--reason", "nope", "--because", "x"], "there is visit-missing, ward-unknown"),
    (["list", "--since", "2026-01-20T08:00"], "since: "),
    (["discard", "--all", "--because", ""], "because: "),
    (["resolve", "--because", "x"], "say which"),
]


@pytest.mark.parametrize(("said", "told"), WRONG)
def test_what_is_asked_wrongly_is_told_and_nothing_is_done(
    machine: Machine, said: list[str], told: str
) -> None:
    done = machine.review(*said)
    assert (done.returncode, done.stdout) == (2, "")
    assert told in done.stderr
    assert len(machine.listed()) == 3


@pytest.mark.parametrize("name", ["resolve", "discard"])
def test_nothing_ends_without_a_reason(machine: Machine, name: str) -> None:
    assert machine.review(name, "--all").returncode == 2
    assert len(machine.listed()) == 3


def test_a_log_that_another_process_writes_is_not_written_beside_it(machine: Machine) -> None:
    """A service that has no HTTP surface, or hangs: nothing is done, and it is said why."""
    hospital = machine.again(*WARDS)
    done = machine.review("discard", "--all", "--because", "x")
    assert done.returncode == 2
    assert "log.db" in done.stderr.splitlines()[-1]
    assert len(hospital.open()) == 3
    assert len(machine.listed()) == 3, "to be looked at, it is read beside"


ODD: Final = "a\x1b[2Jb\rc\x00d\u202ee\x9bf"


def test_what_was_sent_cannot_steer_the_terminal() -> None:
    assert plain(ODD) == "a\\x1b[2Jb\nc\\x00d\\u202ee\\x9bf"
    exhibit = InputShown(
        form="content", head=ODD, before=ODD, failed=ODD, after=ODD, is_marked=True, is_cut=True
    )
    made: ReviewItem = item(detail=ODD)
    step = ReviewStep(item="i1", realm="lab", deed="discarded", at=made.at, by=ODD, reason=ODD)
    shown: Any = ItemShown(item=made, is_open=False, steps=(step,), input=exhibit, structure=(ODD,))
    text = "\n".join(shown_lines(shown))
    assert all(each == "\n" or each.isprintable() for each in text)
