"""The commands; in processes of their own where that makes a difference."""

import json
from collections.abc import Sequence
from importlib.metadata import version
from pathlib import Path
from typing import Any

import pytest
import typer

from schemas.topics import TOPICS
from tests.support.service import free_offset
from tests.wardbridge.support import (
    EXPORT,
    LAB,
    cli,
    command,
    configured,
    export,
    in_process,
    lab_text,
)
from wardbridge.cli import make_app

MESSAGE = (
    "MSH|^~\\&|EHR|NORR|WB|REG|20260115061500||ADT^A14|M03|P|2.5.1|||||SWE|UNICODE UTF-8\r"
    "EVN||20260115061500\r"
    "PID|1||200001012384^^^&1.2.752.129.2.1.3.1&ISO^NI\r"
    "PV1|1|I|N10^^||||||||||||||||90001|||||||||||||||||||||||N51^^\r"
)


def lines(output: str) -> list[dict[str, Any]]:
    return [json.loads(line) for line in output.splitlines()]


def normalise(*paths: Path, feed: str = "elvis", config: Path = LAB) -> tuple[int, Sequence[Any]]:
    done = command("normalise", "--config", config, "--feed", feed, *paths)
    assert "Traceback" not in done.stderr
    return done.returncode, lines(done.stdout)


def test_the_version_can_be_asked_for() -> None:
    done = cli("--version")
    assert (done.returncode, done.stdout) == (0, f"{version('wardbridge')}\n")


def names_of(app: typer.Typer) -> list[str | None]:
    commands = [each.name for each in app.registered_commands]
    return commands + [each.name for each in app.registered_groups]


def test_a_command_that_is_asked_for_is_read_alone() -> None:
    names = names_of(make_app())
    assert len(names) > 1
    assert {name for name in names if names_of(make_app(str(name))) != [name]} == {"test"}


@pytest.mark.parametrize("name", ["normalise", "test"])
def test_the_help_says_where_a_feed_s_name_stands(name: str) -> None:
    assert "a name from `feeds`" in command(name, "--help").stdout  # a markup would eat [feeds]


def test_normalise_of_no_file_at_all_could_not_run(tmp_path: Path) -> None:
    done = command("normalise", "--config", LAB, "--feed", "hl7", tmp_path)
    assert (done.returncode, done.stderr) == (2, f"there is no file in {tmp_path}\n")


def test_check_says_that_the_lab_is_right_and_warns_of_its_open_register(tmp_path: Path) -> None:
    done = command("check", "--config", LAB, "--data", tmp_path)
    assert done.returncode == 0
    assert "right; 3 feeds, wards: any" in done.stdout
    assert f"warning: {LAB}:" in done.stderr
    assert ": wards.open: the ward register is open" in done.stderr
    assert list(tmp_path.iterdir()) == []


def test_check_tells_every_error_and_ends_with_two(tmp_path: Path) -> None:
    text = lab_text().replace("port = 8080", "prot = 8080").replace('= "inbox"', "= 7")
    done = command("check", "--config", configured(tmp_path, text))
    assert done.returncode == 2
    assert 'http.prot: unknown key; did you mean "port"?' in done.stderr
    assert "feeds.elvis.directory: " in done.stderr


def test_run_refuses_a_wrong_configuration_before_it_touches_anything(tmp_path: Path) -> None:
    config = configured(tmp_path, lab_text().replace("port = 8080", "prot = 8080"))
    done = cli("run", "--config", config, "--data", tmp_path / "data")
    assert done.returncode == 2
    assert not (tmp_path / "data").exists()


def test_normalise_prints_a_line_for_each_row(tmp_path: Path) -> None:
    code, found = normalise(export(tmp_path))
    assert code == 0
    assert [(line["outcome"], line["reason"], line["input"]["index"]) for line in found] == [
        ("accepted", "accepted", 0), ("ignored", "place-vacant", 1),
    ]  # fmt: skip
    claims = found[0]["observations"][0]["claims"]
    assert claims["mark"]["ward"] == "MED"
    assert claims["planned_discharge_at"] is None  # cleared, not absent
    assert found[0]["input"]["path"] == str(tmp_path / "export.csv")


def test_normalise_reads_fhir_resources_one_a_file_or_one_a_line(tmp_path: Path) -> None:
    stay = {
        "resourceType": "Encounter", "status": "in-progress", "class": {"code": "IMP"},
        "identifier": [{"type": {"coding": [{"code": "VN"}]}, "value": "90001"}],
        "subject": {"identifier": {"value": "200001012384"}},
        "location": [{"status": "planned", "location": {"identifier": {"value": "N51"}}}],
    }  # fmt: skip
    text = json.dumps(stay)
    (tmp_path / "a.json").write_text(text, encoding="utf-8")
    (tmp_path / "b.ndjson").write_text(f"{text}\n{{}}\n", encoding="utf-8")
    code, found = normalise(tmp_path, feed="fhir")
    assert code == 3
    assert [(line["reason"], line["input"]["index"]) for line in found] == [
        ("accepted", 0), ("accepted", 0), ("not-a-resource", 1),
    ]  # fmt: skip
    assert found[0]["observations"][0]["claims"]["mark"] == {"ward": "N51"}


def test_normalise_explains_where_each_value_comes_from_when_asked(tmp_path: Path) -> None:
    path = tmp_path / "a14.hl7"
    path.write_text(MESSAGE, encoding="utf-8", newline="")
    arguments = ("normalise", "--config", LAB, "--feed", "hl7", path)
    (plain,), (explained,) = (
        lines(command(*arguments, *more).stdout) for more in ((), ("--explain",))
    )
    (origins,) = explained.pop("origins")
    assert origins["claims.mark"] == {"where": "PV1-42", "rule": "profile.marks"}
    for line in (plain, explained):
        del line["observations"][0]["stamp"]["received_at"]
    assert plain == explained


def test_normalise_ends_with_three_when_something_is_in_review(tmp_path: Path) -> None:
    code, found = normalise(export(tmp_path, EXPORT.partition("Antal")[0]))
    assert code == 3
    assert [line["outcome"] for line in found] == ["review"]
    assert found[0]["observations"] == []
    assert found[0]["detail"]


def test_normalise_ends_with_three_when_a_part_was_unreadable(tmp_path: Path) -> None:
    code, found = normalise(export(tmp_path, EXPORT.replace("2026-01-15 08:00", "soon")))
    assert code == 3
    assert found[0]["outcome"] == "accepted"
    assert found[0]["warnings"][0]["reason"]
    assert "expected_at" not in found[0]["observations"][0]["claims"]


def test_normalise_reads_messages_one_after_another_and_walks_folders(tmp_path: Path) -> None:
    (tmp_path / "in" / "deep").mkdir(parents=True)
    (tmp_path / "in" / "a.hl7").write_text(MESSAGE + "\r\n\x1c\r\n\x0b" + MESSAGE, newline="")
    (tmp_path / "in" / "deep" / "b.hl7").write_text(MESSAGE.replace("\r", "\n"), newline="")
    code, found = normalise(tmp_path / "in", feed="hl7")
    assert code == 0
    assert [(Path(line["input"]["path"]).name, line["input"]["index"]) for line in found] == [
        ("a.hl7", 0), ("a.hl7", 1), ("b.hl7", 0),
    ]  # fmt: skip
    first, second, third = (line["observations"][0] for line in found)
    assert first["what"] == "admission-planned"
    assert first["claims"]["mark"]["ward"] == "N51"
    assert "planned_discharge_at" not in first["claims"]
    assert first["id"] == second["id"] == third["id"]


def test_normalise_sends_rubbish_to_review(tmp_path: Path) -> None:
    (tmp_path / "fax.hl7").write_text("Dear colleague,\n")
    code, found = normalise(tmp_path / "fax.hl7", feed="hl7")
    assert code == 3
    assert [line["outcome"] for line in found] == ["review"]


@pytest.mark.parametrize(
    ("arguments", "text"),
    [
        (("--feed", "elvsi", "."), 'did you mean "elvis"?'),
        (("--feed", "elvis", "gone.csv"), "there is no such file or folder"),
    ],
)
def test_normalise_that_cannot_run_ends_with_two(
    arguments: tuple[str, ...], text: str, tmp_path: Path
) -> None:
    done = command("normalise", "--config", LAB, *arguments, cwd=tmp_path)
    assert done.returncode == 2
    assert text in done.stderr


def test_normalise_stores_nothing(tmp_path: Path) -> None:
    path = export(tmp_path)
    command("normalise", "--config", LAB, "--feed", "elvis", path, cwd=tmp_path)
    assert list(tmp_path.iterdir()) == [path]


def test_normalise_with_a_closed_register_reviews_an_unknown_ward(tmp_path: Path) -> None:
    (tmp_path / "wards.csv").write_text("id;name;hospital;alias:elvis\nA;A;Söder;AKM\n")
    config = configured(tmp_path, in_process().replace("open = true", 'register = "wards.csv"'))
    done = command("normalise", "--config", config, "--data", tmp_path, "--feed", "elvis",
               export(tmp_path))  # fmt: skip
    assert done.returncode == 3
    claims = [o["claims"] for line in lines(done.stdout) for o in line["observations"]]
    assert all("mark" not in claim for claim in claims)


def test_topics_lists_the_whole_table_and_what_a_subscriber_may_have() -> None:
    listed = command("topics").stdout.splitlines()[1:]
    named = [*(topic.name for topic in TOPICS), "told.<name>"]
    assert [line.split()[0] for line in listed] == named


def test_schema_lists_prints_and_writes(tmp_path: Path) -> None:
    names = command("schema").stdout.split()
    assert {"notification", "inbound", "asyncapi"} <= set(names)
    printed = json.loads(command("schema", "notification").stdout)
    assert printed["$id"] == "urn:wardbridge:notification:1"
    assert command("schema", "--write", tmp_path).returncode == 0
    assert json.loads((tmp_path / "notification.schema.json").read_text()) == printed
    assert command("schema", "notificaton").returncode == 2
    unregistered = command("schema", "--register", "--config", LAB)
    assert (unregistered.returncode, "[log.kafka.registry]" in unregistered.stderr) == (2, True)


def test_review_without_a_log_says_what_data_means(tmp_path: Path) -> None:
    where = ("--config", LAB, "--data", tmp_path, "--port-offset", str(free_offset()))
    done = command("review", "list", *where)
    assert done.returncode == 2
    assert "--data names the folder" in done.stderr


def test_a_mapping_is_tested_against_what_is_expected_of_each_sample(tmp_path: Path) -> None:
    def run(*more: str) -> tuple[int, str]:
        done = command("test", "--config", LAB, "--feed", "hl7", *more, tmp_path)
        assert "Traceback" not in done.stderr
        return done.returncode, done.stdout

    sample, expected = tmp_path / "a14.hl7", tmp_path / "a14.hl7.expected.json"
    sample.write_text(MESSAGE, encoding="utf-8")
    code, output = run()
    assert (code, "nothing is expected yet" in output) == (1, True)
    assert run("--update")[0] == 0
    assert json.loads(expected.read_text(encoding="utf-8"))[0]["outcome"] == "accepted"
    assert run() == (0, "1 samples, 0 differ, 0 orphans\n")
    sample.write_text(MESSAGE.replace("N51", "N52"), encoding="utf-8")
    code, output = run()
    assert code == 1
    changed = [line.replace(" ", "") for line in output.splitlines() if '"ward"' in line]
    assert changed == ['-"ward":"N51"', '+"ward":"N52"']
    sample.unlink()
    assert run()[0] == 2
