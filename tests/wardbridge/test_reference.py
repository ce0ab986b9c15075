"""The reference pages say what the code does."""

import re
from pathlib import Path

from tests.wardbridge.support import cli
from wardbridge.api import metrics
from wardbridge.config import doorspage
from wardbridge.config.reference import reference
from wardbridge.reviewing.reasons import REASONS

DOCS = Path(__file__).parents[2] / "docs" / "reference"


def test_the_configuration_page_is_fresh() -> None:
    assert (DOCS / "config.md").read_text(encoding="utf-8") == reference(), (
        "run: python -m wardbridge.config.reference"
    )


def test_the_page_of_doors_is_fresh() -> None:
    assert (DOCS / "doors.md").read_text(encoding="utf-8") == doorspage.page(), (
        "run: python -m wardbridge.config.reference"
    )


def test_every_setting_says_what_it_means() -> None:
    rows = [line for line in reference().splitlines() if line.startswith("| `")]
    assert len(rows) > 60
    assert [row for row in rows if row.endswith("|  |")] == []


def test_every_reason_that_a_page_explains_can_be_asked_for_and_no_other() -> None:
    pages = {
        name: (DOCS.parent / f"{name}.md").read_text(encoding="utf-8")
        for name in ("hl7-messages", "fhir-encounters", "elvis-export", "operating")
    }
    tables = (
        pages[name].partition("## Reasons")[2].partition("## Assumptions")[0]
        for name in ("hl7-messages", "fhir-encounters")
    )
    explained = {code for table in tables for code in re.findall(r"(?m)^\| `([a-z0-9-]+)`", table)}
    explained |= {*re.findall(r"`([a-z]+(?:-[a-z0-9]+)+)`", pages["elvis-export"]), "shrunk"}
    explained |= {*re.findall(r"(?m)^\| `([a-z]+(?:-[a-z]+)+)` \|", pages["operating"])}
    assert explained - {"windows-1252"} == REASONS


def test_every_metric_is_on_the_page_and_the_reverse() -> None:
    page = (DOCS / "http.md").read_text(encoding="utf-8")
    named = {name.removesuffix("_total") for name in re.findall(r"`(wardbridge_[a-z_]+)", page)}
    assert named == {
        value for name, value in vars(metrics).items()
        if name.isupper() and str(value).startswith("wardbridge_")
    }  # fmt: skip


def test_every_command_is_on_the_page_and_the_reverse() -> None:
    page = (DOCS / "cli.md").read_text(encoding="utf-8")
    described = set(re.findall(r"^## `wardbridge ([a-z]+)", page, re.MULTILINE))
    listed = set(re.findall(r"^│ ([a-z]+) ", cli("--help").stdout, re.MULTILINE))
    assert described
    assert described == listed
