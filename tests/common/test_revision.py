"""What makes a feed's fingerprint another, and what does not: configurations as users write them."""

import subprocess
import sys
from itertools import product
from pathlib import Path
from random import Random

import pytest
from pydantic import BaseModel

from adapters.common.revision import fingerprint as fingerprint_by
from schemas.ward import RegisterFaultsError, Ward, WardRegister
from tests.packaging.project import ROOT
from wardbridge.config.load import load
from wardbridge.ingest.kinds import fingerprint_of

HEAD = """
[realms.r]
[sources.ehr]
[sources.elvis]
[authority.r]
default = "ehr"
[http]
port = 8080
[wards]
register = "wards.csv"
"""
FEEDS = {
    "hl7": """
[feeds.it]
kind = "hl7v2-mllp"
source = "ehr"
port = 2575
[feeds.it.profile]
zone = "Europe/Stockholm"
[feeds.it.profile.marks]
A14 = ["PV1-42"]
A15 = ["PV1-42"]
""",
    "fhir": """
[feeds.it]
kind = "fhir"
source = "ehr"
port = 8090
[feeds.it.profile]
zone = "Europe/Stockholm"
edition = "R4"
""",
    "elvis": """
[feeds.it]
kind = "elvis-directory"
source = "elvis"
directory = "inbox"
[feeds.it.format]
zone = "Europe/Stockholm"
""",
}
REGISTER = """id;name;hospital;places;alias:ehr;alias:elvis;facility:ehr;facility:elvis
W1;Ward 1;North;20;A B;C;N1 N2;N
W2;Ward 2;South;;D;E;S;
"""


def fingerprint(folder: Path, feed: str, register: str = REGISTER) -> str:
    (folder / "wards.csv").write_text(register, encoding="utf-8")
    config = folder / "wardbridge.toml"
    config.write_text(HEAD + feed, encoding="utf-8")
    installation = load(config, folder, {})
    return fingerprint_of(installation.feeds[0], installation)


@pytest.mark.parametrize("kind", FEEDS)
@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("Ward 1", "Another name"),
        (";20;", ";21;"),
        ("A B;C", "B A;C"),
        ("N1 N2", "N2 N1"),
        ("W1;Ward 1;North;20;A B;C;N1 N2;N\nW2;Ward 2;South;;D;E;S;",
         "W2;Ward 2;South;;D;E;S;\nW1;Ward 1;North;20;A B;C;N1 N2;N"),
    ],
    ids=["a ward's name", "its places", "the order of its codes", "of its facilities", "of wards"],
)  # fmt: skip
def test_what_the_register_says_beside_codes_is_no_other_reading(
    tmp_path: Path, kind: str, old: str, new: str
) -> None:
    assert old in REGISTER
    before = fingerprint(tmp_path, FEEDS[kind])
    assert fingerprint(tmp_path, FEEDS[kind], REGISTER.replace(old, new)) == before


@pytest.mark.parametrize(
    ("kind", "old", "new"),
    [
        ("hl7", "port = 2575", "port = 2576\nhost = '127.0.0.2'\nmax_connections = 3"),
        ("hl7", 'A14 = ["PV1-42"]\nA15 = ["PV1-42"]', 'A15 = ["PV1-42"]\nA14 = ["PV1-42"]'),
        ("hl7", 'zone = "Europe/Stockholm"\n', ""),
        ("fhir", "port = 8090", "port = 8091\nmax_waiting = 3"),
        ("fhir", 'edition = "R4"\n', ""),
        ("elvis", 'directory = "inbox"', 'directory = "elsewhere"'),
    ],
)  # fmt: skip
def test_ports_limits_order_and_defaults_spelt_out_are_no_other_reading(
    tmp_path: Path, kind: str, old: str, new: str
) -> None:
    assert old in FEEDS[kind]
    before = fingerprint(tmp_path, FEEDS[kind])
    assert fingerprint(tmp_path, FEEDS[kind].replace(old, new)) == before


@pytest.mark.parametrize(
    ("kind", "old", "new"),
    [
        ("hl7", 'A14 = ["PV1-42"]', 'A14 = ["PV1-42", "PV1-3"]'),
        ("hl7", "Europe/Stockholm", "Europe/London"),
        ("fhir", 'edition = "R4"', "reserved_marks = true"),
        ("fhir", "Europe/Stockholm", "Europe/London"),
        ("elvis", "Europe/Stockholm", "Europe/London"),
        ("elvis", "[feeds.it.format]", '[feeds.it.format]\nlocal_assigner = "X"'),
    ],
)
def test_another_profile_is_another_reading(tmp_path: Path, kind: str, old: str, new: str) -> None:
    assert old in FEEDS[kind]
    before = fingerprint(tmp_path, FEEDS[kind])
    assert fingerprint(tmp_path, FEEDS[kind].replace(old, new)) != before


@pytest.mark.parametrize(
    ("change", "told"),
    [
        (("A B", "A B F"), {"hl7", "fhir"}),
        (("A B", "B"), {"hl7", "fhir"}),
        ((";C;", ";C F;"), {"elvis"}),
        (("N1 N2", "N1 N2 N3"), {"hl7", "fhir"}),
        (("E;S;", "E;S;S"), {"elvis"}),
        (("W2;", "W3;"), {"hl7", "fhir", "elvis"}),
        (("D;E;S;\n", "D;E;S;\nW3;Ward 3;South;;;;;\n"), {"hl7", "fhir", "elvis"}),
    ],
)
def test_what_the_source_calls_a_ward_or_hospital_is_another_reading(
    tmp_path: Path, change: tuple[str, str], told: set[str]
) -> None:
    assert change[0] in REGISTER
    changed = {
        kind
        for kind, feed in FEEDS.items()
        if fingerprint(tmp_path, feed)
        != fingerprint(tmp_path, feed, REGISTER.replace(*change))
    }  # fmt: skip
    assert changed == told


@pytest.mark.parametrize("kind", FEEDS)
def test_every_process_finds_the_same(tmp_path: Path, kind: str) -> None:
    """Texts and sets have another order in each process of Python."""
    here = fingerprint(tmp_path, FEEDS[kind])
    asked = (
        "from pathlib import Path; from wardbridge.config.load import load; "
        "from wardbridge.ingest.kinds import fingerprint_of; "
        f"found = load(Path({str(tmp_path / 'wardbridge.toml')!r}), Path({str(tmp_path)!r}), {{}}); "
        "print(fingerprint_of(found.feeds[0], found))"
    )
    for seed in ("1", "2"):
        said = subprocess.run(
            [sys.executable, "-c", asked], cwd=ROOT, env={"PYTHONHASHSEED": seed},
            capture_output=True, check=True, text=True,
        )  # fmt: skip
        assert said.stdout.strip() == here


CODES, FACILITIES = ("51", "52", "w1"), ("", "NORTH", "SODER", "North")


class Nothing(BaseModel):
    """A profile with no settings."""


def a_register(random: Random) -> WardRegister | None:
    """Any register of two wards; None where two wards could not be told apart."""
    texts = [f"{code}@{name}" if name else code for code, name in product(CODES, FACILITIES[:3])]
    wards = [
        Ward(
            id=number,
            name=number,
            hospital=random.choice(("North", "South")),
            aliases={"ehr": tuple(random.sample(texts, random.randint(0, 2)))},
            facilities={"ehr": tuple(random.sample(FACILITIES[1:], random.randint(0, 2)))},
        )
        for number in ("W1", "W2")
    ]
    try:
        return WardRegister(wards)
    except RegisterFaultsError:
        return None


def test_registers_that_resolve_any_place_otherwise_are_other_readings() -> None:
    random = Random(20260302)
    compared = 0
    for _ in range(4_000):
        one, other = a_register(random), a_register(random)
        if one is None or other is None or read_by(one) == read_by(other):
            continue
        compared += 1
        assert told_by(one) != told_by(other), (one.wards, other.wards)
    assert compared > 1_000


def read_by(register: WardRegister) -> list[object]:
    return [register.resolve("ehr", code, [name]) for code, name in product(CODES, FACILITIES)]


def told_by(register: WardRegister) -> str:
    return fingerprint_by("hl7v2-mllp", 1, Nothing(), register, "ehr")
